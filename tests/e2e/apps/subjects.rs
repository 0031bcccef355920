//! Ordinary requests: methods, statuses, redirects, cookies, compression, ranges, conditions.

use super::compare::Whole;
use super::{Behind, Kind};
use portcullis_tests::{Connection, Request, Response, until};

const JSON: &str = r#"{"name":"a name","price":1.5,"tags":["é","\u0000"]}"#;

/// Everything in this file.
pub(super) fn all(behind: &Behind) {
    ordinary(behind);
    what_is_heard(behind);
    statuses(behind);
    redirects(behind);
    cookies(behind);
    compression(behind);
    files(behind);
    background(behind);
    one_connection(behind);
    if behind.kind == Kind::Express {
        interim_and_trailers(behind);
    }
}

fn ordinary(behind: &Behind) {
    assert_eq!(behind.alike(&get("/")).status, 200);
    assert_eq!(behind.alike(&Request::post("/items", JSON)).status, 201);
    assert_eq!(behind.alike(&Request::post("/items", "{}")).status, 422);
    let many = behind.alike(&get("/headers/many"));
    assert_eq!(many.all("x-twice"), ["one", "two"], "a repeated field stays repeated");
}

fn what_is_heard(behind: &Behind) {
    let field = |request: Request| {
        request.header("X-Custom", "one").header("x-custom", "two").header("Accept", "*/*")
    };
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let request = field(Request::new(method, "/echo/plain?a=1&a=2&b=%20+&c"));
        behind.heard_alike(&if method == "GET" { request } else { request.body("a body") });
    }
    // Names with underscores reach the application as they are, and so does a path that is not normal English.
    behind.heard_alike(
        &get("/echo/caf%C3%A9/x%20y/z;v=1?q=%E2%82%AC").header("session_id", "s").header("device_id", "d"),
    );
    behind.heard_alike(
        &Request::post("/echo/json", JSON).header("Cookie", "a=1; b=2").header("User-Agent", "test/1"),
    );
}

fn statuses(behind: &Behind) {
    for status in [200, 204, 304, 400, 404, 409, 418, 500, 503] {
        let answer = behind.alike(&get(&format!("/status/{status}")));
        assert_eq!(answer.status, status);
    }
    let answer = behind.alike(&get("/no/such/path"));
    assert_eq!(answer.status, 404);
    // What the application says of its own methods: FastAPI 405, Express 200, both with Allow.
    assert!(behind.alike(&Request::new("OPTIONS", "/items")).field("allow").is_some());
}

fn redirects(behind: &Behind) {
    for status in [301, 302, 303, 307, 308] {
        let answer = behind.alike(&get(&format!("/redirect/{status}")));
        assert_eq!((answer.status, answer.field("location")), (status, Some("/?from=redirect")));
    }
    // The application makes the address from the Host it is told: the client's, not its own.
    let answer = behind.alike(&get("/redirect/307?absolute=true"));
    assert_eq!(answer.field("location"), Some("http://gateway.test/"));
    behind.alike(&get("/slash"));
}

fn cookies(behind: &Behind) {
    let answer = behind.alike(&get("/cookies/set?a=1&b=two&c=x%20y"));
    assert_eq!(answer.all("set-cookie").len(), 4, "{}", answer.head);
    let pairs: Vec<&str> =
        answer.all("set-cookie").iter().filter_map(|line| line.split(';').next()).collect();
    let answer = behind.alike(&get("/cookies").header("Cookie", &pairs.join("; ")));
    assert_eq!(answer.json()["cookies"]["b"], "two");
}

fn compression(behind: &Behind) {
    let packed = behind.alike(&get("/large").header("Accept-Encoding", "gzip"));
    assert_eq!(packed.field("content-encoding"), Some("gzip"));
    assert_eq!(&packed.body[..2], [0x1f, 0x8b], "it is gzip on the wire");
    let whole = behind.alike(&get("/large"));
    assert_eq!(whole.field("content-encoding"), None);
    assert!(whole.body.len() > 4 * packed.body.len());
}

fn files(behind: &Behind) {
    let whole = behind.alike(&get("/static/data.bin"));
    assert_eq!(whole.body.len(), 65_536);
    let etag = whole.field("etag").unwrap();
    let part = behind.alike(&get("/static/data.bin").header("Range", "bytes=10-19"));
    assert_eq!((part.status, &*part.body), (206, &[10_u8, 11, 12, 13, 14, 15, 16, 17, 18, 19][..]));
    assert_eq!(part.field("content-range"), Some("bytes 10-19/65536"));
    let end = behind.alike(&get("/static/data.bin").header("Range", "bytes=-2"));
    assert_eq!((end.status, &*end.body), (206, &[254_u8, 255][..]));
    assert_eq!(behind.alike(&get("/static/data.bin").header("Range", "bytes=70000-")).status, 416);
    let other = get("/static/data.bin").header("Range", "bytes=0-1").header("If-Range", "\"another\"");
    assert_eq!(behind.alike(&other).status, 200);
    assert_eq!(behind.alike(&get("/static/data.bin").header("If-None-Match", etag)).status, 304);
    let since = whole.field("last-modified").unwrap();
    assert_eq!(behind.alike(&get("/static/data.bin").header("If-Modified-Since", since)).status, 304);
    let head = behind.alike_to_head(&Request::new("HEAD", "/static/data.bin"));
    assert_eq!((head.number("content-length"), head.body.len()), (65_536, 0));
    let page = behind.alike(&get("/static/page.html"));
    assert!(page.field("content-type").is_some_and(|kind| kind.starts_with("text/html")));
}

fn background(behind: &Behind) {
    let answer = Request::new("POST", "/background/job").body("").send_to(behind.address());
    assert_eq!(answer.status, 202);
    until("the work after the answer", || {
        let answer = get("/background/job").send_to(behind.address());
        (answer.json()["finished"] == true).then_some(())
    });
}

/// Requests one after the other on one connection, some of them with bodies the application may not read.
fn one_connection(behind: &Behind) {
    let mut connection = Connection::open(behind.address());
    for _ in 0..20 {
        assert_eq!(get("/").on(&mut connection).status, 200);
        assert_eq!(Request::post("/items", JSON).on(&mut connection).status, 201);
        assert_eq!(Request::new("HEAD", "/download/1000").on(&mut connection).number("content-length"), 1000);
        assert_eq!(get("/status/304").on(&mut connection).status, 304);
        assert_eq!(get("/status/204").on(&mut connection).status, 204);
        assert_eq!(get("/stream/70000").on(&mut connection).body.len(), 70_000);
    }
    // Two at once, answered in their order.
    connection.send([get("/status/418").bytes(), get("/status/404").bytes()].concat());
    let answers: [Response; 2] = [connection.response(), connection.response()];
    assert_eq!(answers.map(|answer| answer.status), [418, 404]);
}

fn interim_and_trailers(behind: &Behind) {
    let request = get("/hints");
    let hinted = Whole::of(behind.address(), &request, false);
    hinted.must_be_like(&Whole::of(behind.direct, &request, false), "early hints");
    assert_eq!(hinted.interim.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [103]);
    let trailed = behind.alike(&get("/trailers").header("TE", "trailers").header("Connection", "TE"));
    assert_eq!(trailed.text(), "with a trailer\n");
    assert_eq!(trailed.trailers, [("X-Checksum".to_owned(), "abc".to_owned())]);
}

fn get(target: &str) -> Request {
    Request::get(target)
}
