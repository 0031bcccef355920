//! Properties of reading requests: the fast reader and the exact one agree, and no split changes anything.

use super::*;
use crate::write;
use proptest::prelude::*;

const CAPS: Caps = Caps { head: 400, target: 40, fields: 6 };

/// The head of a request, owned, so that two readings can be compared.
#[derive(Debug, PartialEq)]
struct Read {
    fields: Vec<(String, Vec<u8>)>,
    host: String,
    body: Body,
    persistent: bool,
    expect_continue: bool,
    upgrade: Option<String>,
    len: usize,
}

fn read(bytes: &[u8]) -> Result<Option<Read>, RequestError> {
    let mut scratch = Scratch::new();
    let head = parse_request(bytes, &CAPS, &mut scratch)?;
    Ok(head.map(|head| Read {
        fields: head.fields.iter().map(|field| (field.name.to_owned(), field.value.to_owned())).collect(),
        host: head.host.to_owned(),
        body: head.body,
        persistent: head.persistent,
        expect_continue: head.expect_continue,
        upgrade: head.upgrade.map(str::to_owned),
        len: head.len,
    }))
}

/// The same by the exact reader alone.
fn read_exactly(bytes: &[u8]) -> Result<Option<Read>, RequestError> {
    let within = &bytes[..bytes.len().min(CAPS.head)];
    let too_large = if bytes.len() >= CAPS.head { Err(RequestError::HeadTooLarge) } else { Ok(None) };
    let Some((version, start)) = scan::request_line(within, CAPS.target)? else { return too_large };
    let (mut claims, mut fields) = (Claims::new(version), Vec::new());
    let len = scan::fields(&within[start..], CAPS.fields, |name, value| {
        fields.push(Field { name, value });
        claims.take(name, value)
    })?;
    let Some(len) = len else { return too_large };
    let settled = claims.settle(&fields)?;
    Ok(Some(Read {
        fields: fields.iter().map(|field| (field.name.to_owned(), field.value.to_owned())).collect(),
        host: settled.host.to_owned(),
        body: settled.body,
        persistent: settled.persistent,
        expect_continue: settled.expect_continue,
        upgrade: settled.upgrade.map(str::to_owned),
        len: start + len,
    }))
}

/// The first decided answer when the bytes come one at a time.
fn read_bytewise(bytes: &[u8]) -> Result<Option<Read>, RequestError> {
    (0..bytes.len())
        .map(|len| read(&bytes[..len]))
        .find(|answer| *answer != Ok(None))
        .unwrap_or_else(|| read(bytes))
}

/// Requests near the border between good and bad: lines of good ones, then a few bytes replaced, put in or
/// taken out.
fn near_requests() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /a?b HTTP/1.1\r\n",
        "GET http://a/ HTTP/1.0\r\n",
        "PRI * HTTP/2.0\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "GET /a-target-of-more-than-forty-characters-in-all HTTP/1.1\r\n",
    ]);
    let field = prop::sample::select(vec![
        "Host: a\r\n",
        "Host: b:80\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Connection: close, upgrade\r\n",
        "Connection: x-token, te\r\n",
        "X-Token: abc  \t\r\n",
        "Upgrade: websocket\r\n",
        "Expect: 100-continue\r\n",
        "content_length: 1\r\n",
        "Empty:\r\n",
        "X: \u{e4}\r\n",
    ]);
    let byte = prop::sample::select(b"\r\n \t:\0,;#\\/.-+0159aAzZ\x7f\x80\xff\x16".to_vec());
    let edit = (any::<prop::sample::Index>(), 0..4_u8, byte);
    (line, prop::collection::vec(field, 0..9), prop::collection::vec(edit, 0..3)).prop_map(
        |(line, fields, edits)| {
            let mut bytes = [line, "Host: a\r\n", &fields.concat(), "\r\n"].concat().into_bytes();
            for (at, kind, byte) in edits {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    2 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at + 1),
                }
            }
            bytes
        },
    )
}

fn token(pattern: &'static str) -> impl Strategy<Value = String> {
    proptest::string::string_regex(pattern).expect("a pattern")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_fast_reader_agrees_with_the_exact_one(bytes in near_requests()) {
        prop_assert_eq!(read(&bytes), read_exactly(&bytes));
    }

    #[test]
    fn any_bytes_are_read_alike(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(read(&bytes), read_exactly(&bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_split_changes_anything(bytes in near_requests()) {
        prop_assert_eq!(read_bytewise(&bytes), read(&bytes));
    }

    #[test]
    fn nothing_that_is_accepted_has_another_line_end(bytes in near_requests()) {
        if let Ok(Some(head)) = read(&bytes) {
            let head = &bytes[..head.len];
            let lone = |at: usize, byte: u8| match byte {
                b'\n' => at == 0 || head[at - 1] != b'\r',
                b'\r' => head.get(at + 1) != Some(&b'\n'),
                byte => byte == 0 || byte == 0x7F,
            };
            prop_assert!(!head.iter().enumerate().any(|(at, byte)| lone(at, *byte)));
        }
    }

    #[test]
    fn what_was_written_is_read_back(
        method in token("[A-Z-]{1,12}"),
        path in token("/[!-\"$-\\[\\]-~]{0,20}"),
        host in token("[a-z0-9.-]{1,12}(:[1-9][0-9]{0,3})?"),
        fields in prop::collection::vec((token("x-[a-zA-Z0-9!#$%&'*+.^`|~-]{1,9}"), "[!-~]([ -~\t]{0,20}[!-~])?"), 0..4),
        length: Option<u32>,
    ) {
        let mut bytes = Vec::new();
        write::request_line(&mut bytes, &method, &path);
        write::field(&mut bytes, "Host", &host);
        for (name, value) in &fields {
            write::field(&mut bytes, name, value);
        }
        if let Some(length) = length {
            write::number_field(&mut bytes, "Content-Length", u64::from(length));
        }
        bytes.extend_from_slice(write::END);
        let len = bytes.len();
        bytes.extend_from_slice(b"the body");

        let mut scratch = Scratch::new();
        let head = parse_request(&bytes, &CAPS, &mut scratch).expect("accepted").expect("whole");
        prop_assert_eq!((head.method, head.target, head.host, head.len), (&*method, &*path, &*host, len));
        prop_assert_eq!(head.body, length.map_or(Body::Empty, |length| Body::Length(u64::from(length))));
        let read: Vec<_> = head.fields[1..=fields.len()].iter().map(|field| (field.name, field.value)).collect();
        let written: Vec<_> = fields.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
        prop_assert_eq!(read, written);
    }
}
