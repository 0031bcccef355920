//! The meter against frames written by hand, against a model, and in every split.

use proptest::prelude::*;

use super::*;

/// A frame as a test writes one.
#[derive(Debug, Clone)]
struct Frame {
    last: bool,
    reserved: u8,
    opcode: u8,
    masked: bool,
    /// Bytes of the length field: 0, 2 or 8.
    extended: usize,
    length: usize,
}

impl Frame {
    fn new(opcode: u8, length: usize) -> Self {
        let extended = if length < 126 { 0 } else { 2 + 6 * usize::from(length > 65_535) };
        Self { last: true, reserved: 0, opcode, masked: true, extended, length }
    }

    fn more(self) -> Self {
        Self { last: false, ..self }
    }

    fn reserved(self, bits: u8) -> Self {
        Self { reserved: bits, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mask = if self.masked { MASK } else { 0 };
        let mut bytes = vec![if self.last { FIN } else { 0 } | self.reserved | self.opcode];
        match self.extended {
            0 => bytes.push(mask | self.length as u8),
            2 => {
                bytes.push(mask | 0x7e);
                bytes.extend_from_slice(&(self.length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask | 0x7f);
                bytes.extend_from_slice(&(self.length as u64).to_be_bytes());
            }
        }
        if self.masked {
            bytes.extend_from_slice(b"mask");
        }
        bytes.resize(bytes.len() + self.length, b'x');
        bytes
    }
}

fn wire(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}

/// Shows the meter the bytes in pieces, as a relay does that keeps what is not cleared.
fn fed(mut meter: Meter, bytes: &[u8], pieces: impl IntoIterator<Item = usize>) -> Cleared {
    let mut sum = Cleared { bytes: 0, messages: 0, violation: None };
    let mut pieces = pieces.into_iter();
    let mut shown = 0;
    while shown < bytes.len() {
        shown = (shown + pieces.next().unwrap_or(usize::MAX - shown)).min(bytes.len());
        let cleared = meter.clear(&bytes[sum.bytes..shown]);
        sum.bytes += cleared.bytes;
        sum.messages += cleared.messages;
        sum.violation = cleared.violation;
    }
    sum
}

/// What is cleared of the frames at once, with a limit of 1024 bytes.
fn judged(frames: &[Frame]) -> Cleared {
    fed(Meter::new(1024, false), &wire(frames), [])
}

#[track_caller]
fn assert_breach(frames: &[Frame], breach: Breach) {
    let before: usize = frames[..frames.len() - 1].iter().map(|frame| frame.bytes().len()).sum();
    let cleared = judged(frames);
    assert_eq!((cleared.bytes, cleared.violation), (before, Some(Violation::Protocol(breach))));
}

#[test]
fn messages_up_to_the_limit_pass() {
    let frames =
        [Frame::new(TEXT, 0), Frame::new(BINARY, 125), Frame::new(TEXT, 126), Frame::new(TEXT, 1024)];
    let cleared = judged(&frames);
    assert_eq!(cleared, Cleared { bytes: wire(&frames).len(), messages: 4, violation: None });
}

#[test]
fn a_message_over_the_limit_ends_before_its_header() {
    let first = Frame::new(TEXT, 10);
    for length in [1025, 70_000] {
        let cleared = judged(&[first.clone(), Frame::new(TEXT, length)]);
        let expected =
            Cleared { bytes: first.bytes().len(), messages: 1, violation: Some(Violation::TooBig) };
        assert_eq!(cleared, expected);
    }
    assert_eq!(
        (Violation::TooBig.code(), Violation::TooBig.to_string()),
        (1009, "message too big".to_owned())
    );
    // The header alone tells: nothing of the payload has to come.
    let header = [FIN | BINARY, MASK | 0x7f, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(header.len(), LONGEST_HEADER);
    let cleared = Meter::new(1 << 32, false).clear(&header);
    assert_eq!((cleared.bytes, cleared.violation), (LONGEST_HEADER, None));
    let cleared = Meter::new((1 << 32) - 1, false).clear(&header);
    assert_eq!((cleared.bytes, cleared.violation), (0, Some(Violation::TooBig)));
}

#[test]
fn fragments_count_together_and_control_frames_between_them_do_not() {
    let mut frames = vec![
        Frame::new(TEXT, 600).more(),
        Frame::new(PING, 125),
        Frame::new(CONTINUATION, 424).more(),
        Frame::new(PONG, 0),
        Frame::new(CONTINUATION, 0),
        // The next message begins at nothing.
        Frame::new(BINARY, 1024),
    ];
    assert_eq!(judged(&frames), Cleared { bytes: wire(&frames).len(), messages: 2, violation: None });
    frames[4].length = 1;
    let cleared = judged(&frames);
    assert_eq!(cleared.bytes, wire(&frames[..4]).len());
    assert_eq!(cleared.violation, Some(Violation::TooBig));
}

#[test]
fn sizes_that_overflow_are_too_big() {
    let mut bytes = Frame::new(TEXT, 10).more().bytes();
    let before = bytes.len();
    bytes.extend_from_slice(&[FIN | CONTINUATION, MASK | 0x7f]);
    bytes.extend_from_slice(&(i64::MAX as u64).to_be_bytes());
    bytes.extend_from_slice(b"mask");
    let cleared = Meter::new(i64::MAX as u64, false).clear(&bytes);
    assert_eq!((cleared.bytes, cleared.violation), (before, Some(Violation::TooBig)));
}

#[test]
fn every_breach_of_the_framing_is_named() {
    let text = || Frame::new(TEXT, 5);
    for reserved in [RSV1, 0x20, 0x10, RESERVED] {
        for opcode in [TEXT, BINARY, PING, CLOSE] {
            assert_breach(&[text(), Frame::new(opcode, 5).reserved(reserved)], Breach::ReservedBit);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_breach(&[text(), Frame::new(opcode, 5)], Breach::UnknownOpcode);
    }
    assert_breach(&[text(), Frame { masked: false, ..text() }], Breach::Unmasked);
    assert_breach(&[text(), Frame { extended: 2, ..text() }], Breach::Length);
    assert_breach(&[text(), Frame { extended: 2, ..Frame::new(TEXT, 125) }], Breach::Length);
    assert_breach(&[text(), Frame { extended: 8, ..Frame::new(TEXT, 65_535) }], Breach::Length);
    assert_breach(&[text(), Frame::new(PING, 126)], Breach::LongControl);
    assert_breach(&[text(), Frame::new(PING, 5).more()], Breach::FragmentedControl);
    assert_breach(&[text(), Frame::new(CLOSE, 1)], Breach::CloseCode);
    assert_breach(&[text(), Frame::new(CONTINUATION, 5)], Breach::Continuation);
    assert_breach(&[text().more(), text()], Breach::Interrupted);
    assert_eq!(Violation::Protocol(Breach::Unmasked).code(), 1002);
    // 64 bits of length.
    let cleared = Meter::new(u64::MAX, false).clear(&[FIN | TEXT, MASK | 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(cleared.violation, Some(Violation::Protocol(Breach::Length)));
}

#[test]
fn the_first_reserved_bit_is_for_the_first_frame_of_a_compressed_message() {
    let judged = |frames: &[Frame]| fed(Meter::new(1024, true), &wire(frames), []).violation;
    let breach = Some(Violation::Protocol(Breach::ReservedBit));
    let begins = || Frame::new(TEXT, 5).reserved(RSV1).more();
    assert_eq!(judged(&[begins(), Frame::new(CONTINUATION, 5)]), None);
    assert_eq!(judged(&[begins(), Frame::new(CONTINUATION, 5).reserved(RSV1)]), breach);
    assert_eq!(judged(&[Frame::new(PING, 5).reserved(RSV1)]), breach);
    assert_eq!(judged(&[Frame::new(TEXT, 5).reserved(0x20)]), breach);
}

#[test]
fn after_a_violation_nothing_passes() {
    let mut meter = Meter::new(4, false);
    let violation = Some(Violation::TooBig);
    assert_eq!(meter.clear(&Frame::new(TEXT, 5).bytes()).violation, violation);
    assert_eq!(meter.clear(&Frame::new(TEXT, 1).bytes()), Cleared { bytes: 0, messages: 0, violation });
}

#[test]
fn a_close_frame_is_noticed() {
    let mut meter = Meter::new(4, false);
    meter.clear(&Frame::new(TEXT, 1).bytes());
    assert!(!meter.is_closed());
    assert!(!meter.is_over());
    meter.clear(&Frame::new(CLOSE, 2).bytes());
    // What follows is kept back, and is no breach.
    assert_eq!(
        meter.clear(&wire(&[Frame::new(TEXT, 5), Frame { masked: false, ..Frame::new(PING, 0) }])),
        Cleared { bytes: 0, messages: 0, violation: None }
    );
    assert!(meter.is_over());
    assert!(meter.is_closed());
}

#[test]
fn close_frames_are_whole_frames() {
    assert_eq!(CloseFrame::to_client(1009, "big").as_bytes(), b"\x88\x05\x03\xf1big");
    assert_eq!(CloseFrame::to_client(1001, "").as_bytes(), b"\x88\x02\x03\xe9");
    let masked = CloseFrame::to_application(1009, "big", [1, 2, 3, 4]);
    assert_eq!(masked.as_bytes(), [0x88, 0x85, 1, 2, 3, 4, 3 ^ 1, 0xf1 ^ 2, b'b' ^ 3, b'i' ^ 4, b'g' ^ 1]);
    // The longest reason that fits, cut between two characters.
    let long = CloseFrame::to_application(1002, &"\u{e4}".repeat(100), [0; 4]);
    assert_eq!(long.as_bytes().len(), 2 + 4 + 2 + 122);
    assert!(std::str::from_utf8(&long.as_bytes()[8..]).is_ok());
    let mut meter = Meter::new(0, false);
    let cleared = meter.clear(long.as_bytes());
    assert_eq!((cleared.bytes, cleared.violation, meter.is_closed()), (long.as_bytes().len(), None, true));
}

/// What the rules of RFC 6455 say of the frames, without any bytes: how many frames pass, and what ends them.
fn model(frames: &[Frame], max_message: u64, compressed: bool) -> (usize, Option<u16>) {
    let (mut open, mut size, mut closed) = (false, 0_u64, false);
    for (index, frame) in frames.iter().enumerate() {
        let control = frame.opcode >= 8;
        let first = matches!(frame.opcode, 1 | 2);
        let shortest = [0, 126, 65_536][frame.extended.div_ceil(4)];
        if closed {
            return (index, None);
        }
        let allowed = frame.masked
            && matches!(frame.opcode, 0 | 1 | 2 | 8 | 9 | 10)
            && (frame.reserved == 0 || (frame.reserved == 0x40 && compressed && first))
            && frame.length >= shortest
            && (!control || (frame.last && frame.length < 126))
            && (control || first != open)
            && !(frame.opcode == 8 && frame.length == 1);
        if !allowed {
            return (index, Some(1002));
        }
        closed |= frame.opcode == 8;
        if control {
            continue;
        }
        size = if first { 0 } else { size } + frame.length as u64;
        if size > max_message {
            return (index, Some(1009));
        }
        open = !frame.last;
    }
    (frames.len(), None)
}

/// Frames of which most are right, so that sequences get far.
fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let opcode = prop_oneof![6 => Just(0), 6 => Just(1), 3 => Just(2), 1 => 8..11_u8, 1 => 0..16_u8];
    let length = prop_oneof![8 => 0..200_usize, 1 => 1000..1100_usize, 1 => 65_500..65_600_usize];
    let odd = |chance: u32| prop::bool::weighted(1.0 / f64::from(chance));
    let frame = (any::<bool>(), odd(12), 0..8_u8, opcode, odd(20), odd(20), length).prop_map(
        |(last, reserved, bits, opcode, unmasked, wide, length)| {
            let mut frame = Frame { last, masked: !unmasked, ..Frame::new(opcode, length) };
            if reserved {
                frame.reserved = bits << 4;
            }
            if wide {
                frame.extended = 8;
            }
            frame
        },
    );
    prop::collection::vec(frame, 0..12)
}

proptest! {
    #[test]
    fn frames_pass_as_far_as_the_rules_say(
        frames in frames(),
        max in prop_oneof![0..400_u64, 900..70_000_u64],
        compressed: bool,
        pieces in prop::collection::vec(1..300_usize, 0..40),
    ) {
        let bytes = wire(&frames);
        let cleared = fed(Meter::new(max, compressed), &bytes, pieces);
        let (passed, code) = model(&frames, max, compressed);
        prop_assert_eq!(cleared.violation.map(Violation::code), code);
        prop_assert_eq!(cleared.bytes, wire(&frames[..passed]).len());
        let begun = frames[..passed].iter().filter(|frame| matches!(frame.opcode, 1 | 2)).count();
        prop_assert_eq!(cleared.messages as usize, begun);
    }

    #[test]
    fn any_split_of_any_bytes_gives_the_same(
        bytes in prop::collection::vec(prop_oneof![2 => any::<u8>(), 1 => Just(0x81), 1 => Just(0x85), 1 => Just(0)], 0..300),
        pieces in prop::collection::vec(1..20_usize, 0..100),
    ) {
        let at_once = fed(Meter::new(50, false), &bytes, []);
        prop_assert_eq!(fed(Meter::new(50, false), &bytes, pieces), at_once);
        prop_assert_eq!(fed(Meter::new(50, false), &bytes, std::iter::repeat(1)), at_once);
    }
}

#[test]
fn a_boundary_is_found_wherever_the_bytes_are_cut() {
    // A text of five bytes, an empty pong, and a binary message of 300.
    let mut stream = b"\x81\x05hello\x8a\x00\x82\x7e\x01\x2c".to_vec();
    stream.resize(stream.len() + 300, 0x81);
    let ends = [7, 9, stream.len()];
    for cut in 0..=stream.len() {
        let mut boundary = Boundary::default();
        boundary.follow(&stream[..cut]);
        assert_eq!(boundary.is_between(), cut == 0 || ends.contains(&cut), "{cut}");
        let end = cut + boundary.finish(&stream[cut..]);
        assert!(boundary.is_between() && (end == 0 || ends.contains(&end)), "{cut}");
        assert_eq!(end, ends.into_iter().find(|end| *end >= cut).filter(|_| cut > 0).unwrap_or(0), "{cut}");
        assert_eq!(boundary.finish(&stream[end..]), 0, "{cut}");
    }
}

#[test]
fn where_there_are_no_frames_there_is_no_boundary() {
    let mut boundary = Boundary::default();
    // A length in more bytes than it needs.
    boundary.follow(b"\x81\x7e\x00\x01x");
    assert!(!boundary.is_between() && boundary.is_lost());
    assert_eq!(boundary.finish(b"anything"), 0);
    assert!(boundary.is_lost());
}
