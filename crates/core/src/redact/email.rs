//! E-mail addresses, also with a percent-encoded `@`.

use super::{EMAIL, Found, unit};

/// How far a local part is followed back: 64 characters (RFC 5321), each percent-encoded.
const LOCAL: usize = 192;

/// The address around an `@` of `width` bytes at `at`.
///
/// The domain needs a dot and a top level of letters: `pkg@1.2.3` and `root@10.0.0.1` are none.
pub(super) fn around(bytes: &[u8], floor: usize, at: usize, width: usize) -> Option<Found> {
    let start = local(bytes, floor, at);
    let end = domain(bytes, at + width)?;
    (start < at).then_some(Found { start, end, marker: EMAIL })
}

fn local(bytes: &[u8], floor: usize, at: usize) -> usize {
    let mut start = at;
    while start > floor && at - start < LOCAL {
        let byte = bytes[start - 1];
        let inside = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_alphanumeric);
        let taken = byte.is_ascii_alphanumeric()
            || !byte.is_ascii()
            || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'~' | b'!' | b'#' | b'$' | b'*')
            // `o'brien@…`, but not the quote around an address.
            || (byte == b'\'' && start >= 2 && inside(start - 2) && inside(start));
        if !taken {
            break;
        }
        start -= 1;
    }
    start
}

fn domain(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    // The end of the last label that can be a top level, and where the label that is going on began.
    let mut end = None;
    let mut label = start;
    let mut dots = 0;
    loop {
        let (byte, width) = unit(bytes, at).unwrap_or((0, 0));
        let plain = width == 1 && (byte.is_ascii_alphanumeric() || byte == b'-' || !byte.is_ascii());
        if plain {
            at += 1;
            continue;
        }
        let top = &bytes[label..at];
        let is_top = top.len() >= 2 && top.iter().all(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
        if dots > 0 && (is_top || top.starts_with(b"xn--")) {
            end = Some(at);
        } else if label == at {
            return end;
        }
        if byte != b'.' {
            return end;
        }
        dots += 1;
        at += width;
        label = at;
    }
}
