//! Body framing, on both sides: no panic, no endless loop, the same bytes passed on however they were split;
//! and response heads, which come first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::{Body, BodyDecoder, BodyError, Caps, MAX_TRAILERS, Piece, Scratch, parse_response};

fuzz_target!(|input: &[u8]| {
    let Some((&[kind, step], bytes)) = input.split_first_chunk::<2>().map(|(first, rest)| (first, rest))
    else {
        return;
    };
    let body = match kind % 4 {
        0 => Body::Length(u64::from(kind)),
        1 => Body::UntilClose,
        _ => Body::Chunked,
    };
    let decoder = || if kind & 4 == 0 { BodyDecoder::new(body) } else { BodyDecoder::for_response(body) };
    let whole = follow(decoder(), bytes, bytes.len());
    assert_eq!(follow(decoder(), bytes, 1), whole, "byte by byte");
    assert_eq!(follow(decoder(), bytes, usize::from(step)), whole, "in steps of {step}");

    let caps = Caps { head: 2048, target: 0, fields: 32 };
    let mut scratch = Scratch::new();
    let method = if kind & 8 == 0 { "GET" } else { "HEAD" };
    let head = parse_response(bytes, &caps, method, &mut scratch);
    for len in (0..bytes.len()).step_by(bytes.len() / 32 + 1) {
        let mut scratch = Scratch::new();
        let part = parse_response(&bytes[..len], &caps, method, &mut scratch);
        assert!(part == Ok(None) || part == head, "{len} bytes: {part:?}, whole: {head:?}");
    }
    if let Ok(Some(head)) = head {
        assert!(bytes[..head.len].ends_with(b"\r\n\r\n") || bytes[..head.len].ends_with(b"\r\n"));
        let _ = follow(BodyDecoder::for_response(head.body), &bytes[head.len..], 7);
    }
});

/// Gives the bytes in steps, as an engine would: how many are payload, how many were passed on, and the end.
fn follow(mut decoder: BodyDecoder, bytes: &[u8], step: usize) -> (u64, usize, Result<(), BodyError>) {
    let (mut payload, mut passed, mut given) = (0, 0, 0);
    while !decoder.is_done() && given < bytes.len() {
        given = bytes.len().min(given + step.max(1));
        while passed < given {
            match decoder.advance(&bytes[passed..given]) {
                Ok((0, Piece::More)) => {
                    assert!(given - passed <= MAX_TRAILERS, "an element is bounded");
                    break;
                }
                Ok((0, Piece::End)) => break,
                Ok((consumed, Piece::Data)) if consumed > 0 => {
                    payload += consumed as u64;
                    passed += consumed;
                }
                Ok((consumed, Piece::Framing)) if consumed > 0 => passed += consumed,
                Ok(odd) => panic!("{odd:?}"),
                Err(error) => return (payload, passed, Err(error)),
            }
        }
    }
    (payload, passed, decoder.on_eof())
}
