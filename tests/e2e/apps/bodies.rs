//! Bodies: uploads, downloads, streams, server-sent events.

use super::Behind;
use super::compare::Whole;
use portcullis_tests::{Connection, Request};
use std::io::BufRead;

const TEN_MEGABYTES: usize = 10_000_000;
const BOUNDARY: &str = "------------------------d74496d66958873e";

/// Everything in this file.
pub(super) fn all(behind: &Behind) {
    uploads(behind);
    chunked_upload(behind);
    expectation(behind);
    downloads(behind);
    events(behind);
}

fn uploads(behind: &Behind) {
    let raw = behind.alike(&Request::new("PUT", "/raw").body(noise(TEN_MEGABYTES)));
    assert_eq!(raw.json()["size"], TEN_MEGABYTES);
    let form = Request::new("POST", "/upload")
        .header("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(form(&noise(TEN_MEGABYTES)));
    let answer = behind.alike(&form);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["size"], TEN_MEGABYTES);
    assert_eq!(answer.json()["filename"], "ten megabytes.bin");
    assert_eq!(answer.json()["note"], "with a note: é");
    assert_eq!(behind.alike(&Request::new("PUT", "/raw").body("")).json()["size"], 0);
}

/// A body without a length, in chunks that fit nobody's buffer.
fn chunked_upload(behind: &Behind) {
    let body = noise(1_000_003);
    let mut bytes = b"PUT /raw HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(77_777) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    let gateway = Whole::on(&mut Connection::open(behind.address()), &bytes, false);
    let direct = Whole::on(&mut Connection::open(behind.direct), &bytes, false);
    gateway.must_be_like(&direct, "a chunked upload");
    assert_eq!(gateway.answer.json()["size"], body.len());
    let sized = Request::new("PUT", "/raw").body(&body).send_to(behind.address());
    assert_eq!(gateway.answer.json()["sha256"], sized.json()["sha256"]);
}

/// A client that waits to be told to go on before it sends its body.
fn expectation(behind: &Behind) {
    let mut connection = Connection::open(behind.address());
    connection
        .send("PUT /raw HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(connection.response().status, 100);
    let answer = connection.send("hello").response();
    assert_eq!((answer.status, &answer.json()["size"]), (200, &serde_json::json!(5)));
}

fn downloads(behind: &Behind) {
    for target in [format!("/download/{TEN_MEGABYTES}"), format!("/stream/{TEN_MEGABYTES}")] {
        let answer = behind.alike(&Request::get(&target));
        assert!(answer.body.iter().enumerate().all(|(at, byte)| *byte == at as u8), "{target}: the pattern");
        assert_eq!(answer.body.len(), TEN_MEGABYTES, "{target}");
        assert_eq!(answer.field("content-length").is_some(), target.starts_with("/download"), "{target}");
    }
    let head = behind.alike_to_head(&Request::new("HEAD", "/download/12345"));
    assert_eq!((head.number("content-length"), head.body.len()), (12_345, 0));
    assert_eq!(behind.alike(&Request::get("/download/0")).body.len(), 0);
    assert_eq!(behind.alike(&Request::get("/stream/0")).body.len(), 0);
}

/// The application sends the first event and then waits for another request. Whoever holds events back never
/// sees the second.
fn events(behind: &Behind) {
    for (name, address) in [("through", behind.address()), ("past", behind.direct)] {
        let mut connection = Connection::open(address);
        connection.send(Request::get(&format!("/events/{name}")).bytes());
        let mut seen = Vec::new();
        let mut heard = |connection: &mut Connection| loop {
            let mut line = String::new();
            let count = connection.stream().read_line(&mut line).unwrap();
            assert!(count > 0, "{name}: the stream ended after {seen:?}");
            if let Some(data) = line.strip_prefix("data:") {
                seen.push(data.trim().replace(' ', ""));
                return seen.clone();
            }
        };
        assert_eq!(heard(&mut connection), [r#"{"number":0}"#]);
        let released = Request::new("POST", &format!("/events/{name}/release")).body("").send_to(address);
        assert_eq!(released.status, 204);
        heard(&mut connection);
        assert_eq!(heard(&mut connection), [r#"{"number":0}"#, r#"{"number":1}"#, r#"{"number":2}"#]);
    }
    // Whole streams are alike, too; the gate is open now.
    let stream = behind.alike_after_release("/events/alike");
    assert_eq!(stream.matches("event: tick").count(), 3);
}

impl Behind {
    /// Opens the gate on both sides and compares the whole streams.
    fn alike_after_release(&self, target: &str) -> String {
        let release = Request::new("POST", &format!("{target}/release")).body("");
        for address in [self.direct, self.address()] {
            assert_eq!(release.send_to(address).status, 204);
        }
        self.alike(&Request::get(target)).text().to_owned()
    }
}

fn form(file: &[u8]) -> Vec<u8> {
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nwith a note: é\r\n\
         --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"ten megabytes.bin\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// Bytes without a pattern, the same every time (xorshift, Marsaglia 2003).
fn noise(length: usize) -> Vec<u8> {
    let mut state: u32 = 2_463_534_242;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}
