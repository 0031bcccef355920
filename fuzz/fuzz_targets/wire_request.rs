//! Request heads: no panic, the same answer however the bytes were split, and nothing accepted that a second
//! reader could take for something else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::{Body, Caps, RequestError, Scratch, Version, parse_request, split_target, write};

const CAPS: Caps = Caps { head: 4096, target: 1024, fields: 64 };

fuzz_target!(|bytes: &[u8]| {
    let mut scratch = Scratch::new();
    let whole = parse_request(bytes, &CAPS, &mut scratch);

    // The answer of a prefix is the answer of the whole, or that more bytes are needed. Every prefix of short
    // inputs, some of long ones.
    let step = bytes.len() / 64 + 1;
    for len in (0..bytes.len()).step_by(step) {
        let mut scratch = Scratch::new();
        let part = parse_request(&bytes[..len], &CAPS, &mut scratch);
        assert!(part == Ok(None) || part == whole, "{len} bytes: {part:?}, whole: {whole:?}");
    }

    let Ok(Some(head)) = whole else { return };
    let text = &bytes[..head.len];
    assert!(head.len <= CAPS.head && text.ends_with(b"\r\n\r\n"));
    assert!(text.iter().all(|byte| *byte >= b' ' && *byte != 0x7F || matches!(byte, b'\r' | b'\n' | b'\t')));
    let lines = text.split(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\r")).count();
    assert_eq!(lines, head.fields.len() + 2, "every line is the request line, a field or the end");
    let of = |name: &str| head.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    assert!(of("host") <= 1 && of("content-length") + of("transfer-encoding") <= 1);
    assert!(head.version == Version::Http10 || of("host") == 1);
    assert_eq!(head.body == Body::Empty, of("content-length") + of("transfer-encoding") == 0);
    assert_ne!(head.body, Body::UntilClose);
    if let Ok(target) = split_target(head.method, head.target, head.host) {
        assert!(target.path.starts_with('/') || target.path == "*");
    }

    // Written again it is read as the same.
    let mut again = Vec::new();
    write::request_line(&mut again, head.method, head.target);
    for field in head.fields {
        write::field_as_read(&mut again, field);
    }
    again.extend_from_slice(write::END);
    let mut scratch = Scratch::new();
    let reread = parse_request(&again, &CAPS, &mut scratch);
    if head.version == Version::Http10 && head.host.is_empty() {
        assert_eq!(reread, Err(RequestError::MissingHost));
    } else if again.len() <= CAPS.head {
        let reread = reread
            .ok()
            .flatten()
            .map(|again| (again.method, again.target, again.fields, again.host, again.body));
        assert_eq!(reread, Some((head.method, head.target, head.fields, head.host, head.body)));
    }
});
