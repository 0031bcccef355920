//! Tables and properties of bodies.

use super::*;
use crate::write;
use BodyError as E;
use proptest::prelude::*;

/// What came out of a body: the payload, every byte passed on, and how it ended.
#[derive(Debug, PartialEq, Default)]
struct Outcome {
    payload: Vec<u8>,
    passed: Vec<u8>,
    error: Option<BodyError>,
    left: Vec<u8>,
}

/// Gives the pieces one after the other, as an engine would: what is not consumed is kept and given again.
fn feed<'p>(mut decoder: BodyDecoder, pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
    let mut outcome = Outcome::default();
    for piece in pieces {
        outcome.left.extend_from_slice(piece);
        while !decoder.is_done() {
            match decoder.advance(&outcome.left) {
                Ok((0, Piece::More)) => break,
                Ok((consumed, piece @ (Piece::Data | Piece::Framing))) if consumed > 0 => {
                    let bytes: Vec<u8> = outcome.left.drain(..consumed).collect();
                    outcome.passed.extend_from_slice(&bytes);
                    if piece == Piece::Data {
                        outcome.payload.extend_from_slice(&bytes);
                    }
                }
                Ok(odd) => panic!("{odd:?} of a body that is not over"),
                Err(error) => {
                    outcome.left.clear();
                    return Outcome { error: Some(error), ..outcome };
                }
            }
        }
    }
    if decoder.is_done() {
        assert_eq!(decoder.advance(b"x"), Ok((0, Piece::End)));
    }
    if let Err(error) = decoder.on_eof() {
        outcome.left.clear();
        outcome.error = Some(error);
    }
    outcome
}

fn whole(decoder: &BodyDecoder, bytes: &[u8]) -> Outcome {
    feed(decoder.clone(), [bytes])
}

fn bytewise(decoder: &BodyDecoder, bytes: &[u8]) -> Outcome {
    feed(decoder.clone(), bytes.chunks(1))
}

#[track_caller]
fn good(decoder: &BodyDecoder, bytes: &[u8], payload: &[u8], left: &[u8]) {
    let expected = Outcome {
        payload: payload.to_vec(),
        passed: bytes[..bytes.len() - left.len()].to_vec(),
        error: None,
        left: left.to_vec(),
    };
    assert_eq!(whole(decoder, bytes), expected, "{}", String::from_utf8_lossy(bytes));
    assert_eq!(bytewise(decoder, bytes), expected, "{}", String::from_utf8_lossy(bytes));
}

#[track_caller]
fn bad(decoder: &BodyDecoder, bytes: &[u8], error: BodyError) {
    let outcome = whole(decoder, bytes);
    assert_eq!(outcome.error, Some(error), "{}", String::from_utf8_lossy(bytes));
    assert_eq!(bytewise(decoder, bytes), outcome, "{}", String::from_utf8_lossy(bytes));
}

fn request() -> BodyDecoder {
    BodyDecoder::new(Body::Chunked)
}

fn response() -> BodyDecoder {
    BodyDecoder::for_response(Body::Chunked)
}

#[test]
fn bodies_end_where_their_framing_says() {
    assert!(BodyDecoder::new(Body::Empty).is_done());
    assert!(BodyDecoder::new(Body::Length(0)).is_done());
    good(&BodyDecoder::new(Body::Empty), b"GET", b"", b"GET");
    good(&BodyDecoder::new(Body::Length(3)), b"abcGET", b"abc", b"GET");
    good(&BodyDecoder::for_response(Body::UntilClose), b"abc\r\n0\r\n\r\n", b"abc\r\n0\r\n\r\n", b"");
    good(&BodyDecoder::for_response(Body::UntilClose), b"", b"", b"");
    good(&request(), b"0\r\n\r\nGET", b"", b"GET");
    good(&request(), b"3\r\nabc\r\n0\r\n\r\nGET", b"abc", b"GET");
    good(&request(), b"3\r\nabc\r\n00A\r\n0123456789\r\n000\r\n\r\n", b"abc0123456789", b"");
    good(&request(), b"0000000000000001\r\n\n\r\n0\r\n\r\n", b"\n", b"");
    good(&request(), b"2\r\n\r\n\r\n0\r\n\r\n\r\n", b"\r\n", b"\r\n");
    good(&request(), b"1\r\na\r\n0\r\nServer-Timing: a\r\ngrpc-status:0\r\nX: \xe4\t\r\n\r\nG", b"a", b"G");
    good(&response(), b"1;a\r\nx\r\n0;b=\"c d\";e\r\n\r\n", b"x", b"");
    good(&response(), b"1; a = \t\x80\r\nx\r\n0\r\n\r\n", b"x", b"");
}

#[test]
fn what_is_cut_short_is_said() {
    for decoder in [request(), response(), BodyDecoder::new(Body::Length(9))] {
        let bytes = b"1\r\nx\r\n0\r\n\r\n";
        for len in 0..9 {
            bad(&decoder, &bytes[..len], E::Truncated);
        }
    }
    bad(&request(), b"0\r\n\r", E::Truncated);
    bad(&request(), b"0\r\nX: y\r\n", E::Truncated);
}

#[test]
fn chunked_framing_is_refused() {
    let table: &[(&[u8], E)] = &[
        (b"\r\n", E::InvalidChunkSize),
        (b"\n", E::InvalidChunkSize),
        (b" 5\r\nhello", E::InvalidChunkSize),
        (b"5 \r\nhello", E::InvalidChunkSize),
        (b"5\t\r\nhello", E::InvalidChunkSize),
        (b"+5\r\nhello", E::InvalidChunkSize),
        (b"-5\r\nhello", E::InvalidChunkSize),
        (b"0x5\r\nhello", E::InvalidChunkSize),
        (b"5h\r\nhello", E::InvalidChunkSize),
        (b"5_0\r\nhello", E::InvalidChunkSize),
        (b"5,\r\nhello", E::InvalidChunkSize),
        (b"g\r\n", E::InvalidChunkSize),
        (b"\x00\r\n", E::InvalidChunkSize),
        (b"5\x00\r\n", E::InvalidChunkSize),
        (b"00000000000000005\r\nhello", E::InvalidChunkSize),
        (b"10000000000000005\r\nhello", E::InvalidChunkSize),
        (b"8000000000000000\r\n", E::ChunkTooLarge),
        (b"ffffffffffffffff\r\n", E::ChunkTooLarge),
        (b"5\nhello\r\n0\r\n\r\n", E::BareLf),
        (b"5\rhello", E::BareCr),
        (b"5\r\r\nhello", E::BareCr),
        (b"5\r\nhello0\r\n\r\n", E::MissingChunkEnd),
        (b"5\r\nhello!\r\n0\r\n\r\n", E::MissingChunkEnd),
        (b"5\r\nhello\n0\r\n\r\n", E::BareLf),
        (b"5\r\nhello\r0\r\n\r\n", E::BareCr),
        (b"5\r\nhello\r\n\r\n0\r\n\r\n", E::InvalidChunkSize),
        (b"0\n\r\n", E::BareLf),
        (b"0\r\n\n", E::BareLf),
        (b"0\r\n\rX", E::BareCr),
        (b"0\r\nGET / HTTP/1.1\r\n\r\n", E::InvalidTrailer),
        (b"0\r\nX: y\n\r\n", E::BareLf),
        (b"0\r\nX: y\rz\r\n\r\n", E::BareCr),
        (b"0\r\nX : y\r\n\r\n", E::InvalidTrailer),
        (b"0\r\n X: y\r\n\r\n", E::InvalidTrailer),
        (b"0\r\nX: y\r\n z\r\n\r\n", E::InvalidTrailer),
        (b"0\r\n: y\r\n\r\n", E::InvalidTrailer),
        (b"0\r\nX: y\0\r\n\r\n", E::ControlInTrailer),
        (b"0\r\nX: \x1b\r\n\r\n", E::ControlInTrailer),
    ];
    for (bytes, error) in table {
        bad(&request(), bytes, *error);
        bad(&response(), bytes, *error);
    }
}

#[test]
fn chunk_extensions_are_for_responses_and_bounded() {
    for bytes in [&b"5;\r\nhello"[..], b"5;a=b\r\nhello", b"0;a\r\n\r\n", b"5;\nhello"] {
        bad(&request(), bytes, E::ChunkExtension);
    }
    bad(&request(), b"5 ;a\r\nhello", E::InvalidChunkSize);
    bad(&response(), b"5 ;a\r\nhello", E::InvalidChunkSize);
    bad(&response(), b";a\r\n", E::InvalidChunkSize);
    bad(&response(), b"5;a\nhello", E::BareLf);
    bad(&response(), b"5;a\rhello", E::BareCr);
    bad(&response(), b"5;a\0\r\n", E::ControlInExtension);
    let line = |len: usize| [b"1;", &b"a".repeat(len - 4)[..], b"\r\nx\r\n0\r\n\r\n"].concat();
    good(&response(), &line(MAX_CHUNK_LINE), b"x", b"");
    bad(&response(), &line(MAX_CHUNK_LINE + 1), E::ChunkLineTooLong);
}

#[test]
fn trailers_that_only_a_head_may_say_are_refused() {
    for name in [
        "Content-Length",
        "content-length",
        "Transfer-Encoding",
        "Host",
        "Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Range",
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "Content-Type",
        "Content-Encoding",
        "Cache-Control",
        "Location",
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-anything",
        "X-Real-IP",
        "X-Auth-User",
        "X-API-Key",
        "X-Request-Id",
        "Content_Length",
        "X_Forwarded_For",
        "X_Auth_Role",
    ] {
        bad(&request(), format!("0\r\nX: y\r\n{name}: 1\r\n\r\n").as_bytes(), E::ForbiddenTrailer);
        bad(&response(), format!("0\r\n{name}: 1\r\n\r\n").as_bytes(), E::ForbiddenTrailer);
    }
}

#[test]
fn the_trailer_section_is_bounded() {
    let section = |len: usize| [b"0\r\nX: ", &b"y".repeat(len - 7)[..], b"\r\n\r\n"].concat();
    good(&request(), &section(MAX_TRAILERS), b"", b"");
    bad(&request(), &section(MAX_TRAILERS + 1), E::TrailersTooLarge);
    let many = |lines: usize| [b"0\r\n", &b"Abc: 890\r\n".repeat(lines)[..], b"\r\n"].concat();
    good(&request(), &many((MAX_TRAILERS - 2) / 10), b"", b"");
    bad(&request(), &many(MAX_TRAILERS / 10 + 1), E::TrailersTooLarge);
}

#[test]
fn only_whole_elements_are_passed_on() {
    for (bytes, passed) in [
        (&b"5\r"[..], &b""[..]),
        (b"5\r\nhel", b"5\r\nhel"),
        (b"1\r\nx\r", b"1\r\nx"),
        (b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\n"),
        (b"0\r\nX: y", b"0\r\n"),
        (b"1\r\nx\r\n5;a\r\n", b"1\r\nx\r\n"),
    ] {
        assert_eq!(whole(&request(), bytes).passed, passed);
    }
}

#[test]
fn what_is_announced_is_what_must_come() {
    let mut decoder = BodyDecoder::new(Body::Length(7));
    assert_eq!(decoder.advance(b"abc"), Ok((3, Piece::Data)));
    assert_eq!(decoder.announced(), 4);
    let mut decoder = request();
    assert_eq!(decoder.announced(), 0);
    assert_eq!(decoder.advance(b"1f\r\n"), Ok((4, Piece::Framing)));
    assert_eq!(decoder.announced(), 31);
}

/// A body in chunks of the given payloads, with or without trailers.
fn chunked(chunks: &[Vec<u8>], trailers: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in chunks {
        write::chunk_header(&mut bytes, chunk.len());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(if trailers { b"0\r\nX-Sum: 1\r\nY:\r\n\r\n" } else { write::LAST_CHUNK });
    bytes
}

/// `bytes` cut into pieces of the given lengths, over and over.
fn cut<'b>(mut bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_chunking_in_any_pieces_gives_the_payload(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        trailers: bool,
        lengths in prop::collection::vec(1..30_usize, 1..6),
        left in prop::collection::vec(any::<u8>(), 0..10),
    ) {
        let body = chunked(&chunks, trailers);
        let bytes = [&body[..], &left].concat();
        let outcome = feed(request(), cut(&bytes, &lengths));
        let expected = Outcome { payload: chunks.concat(), passed: body, error: None, left };
        prop_assert_eq!(&outcome, &expected);
        prop_assert_eq!(feed(response(), cut(&bytes, &lengths)), expected);
    }

    #[test]
    fn a_damaged_body_fails_alike_in_any_pieces(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..6), 0..4),
        trailers: bool,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, prop::sample::select(b"\r\n ;:0f\0x".to_vec())), 1..3),
        lengths in prop::collection::vec(1..12_usize, 1..6),
        side: bool,
    ) {
        let mut bytes = chunked(&chunks, trailers);
        for (at, kind, byte) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let decoder = if side { request() } else { response() };
        let outcome = whole(&decoder, &bytes);
        prop_assert_eq!(&feed(decoder.clone(), cut(&bytes, &lengths)), &outcome);
        prop_assert_eq!(&bytewise(&decoder, &bytes), &outcome);
        prop_assert!(bytes.starts_with(&outcome.passed), "bytes are passed on as they came");
    }

    #[test]
    fn any_length_in_any_pieces_is_counted(
        payload in prop::collection::vec(any::<u8>(), 1..100),
        left in prop::collection::vec(any::<u8>(), 0..10),
        lengths in prop::collection::vec(1..30_usize, 1..6),
    ) {
        let bytes = [&payload[..], &left].concat();
        let decoder = BodyDecoder::new(Body::Length(payload.len() as u64));
        let outcome = feed(decoder, cut(&bytes, &lengths));
        prop_assert_eq!(outcome, Outcome { passed: payload.clone(), payload, error: None, left });
    }
}
