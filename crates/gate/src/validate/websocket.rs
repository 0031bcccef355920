//! A meter for the frames that a WebSocket client sends (RFC 6455): sizes and framing, without I/O.
//!
//! The relay shows it the bytes it holds and forwards as many as the meter clears. A frame is judged when its
//! header is whole and before the first byte of it is cleared, so what was forwarded always ends within a
//! message that is allowed or between two frames: a close frame may follow at once. Payloads are neither kept
//! nor unmasked; the cost is that of the header.
//!
//! Sizes are counted as they travel. Where compression (RFC 7692) is negotiated, a small message may unfold
//! into a large one: where messages are limited, keep `Sec-WebSocket-Extensions` from the application.

mod message;
#[cfg(test)]
mod tests;

use std::fmt;

pub use message::{FirstMessage, Found, OwnFrame, Read};

/// The longest header of a frame from a client: two bytes, eight of length, four of the masking key.
pub const LONGEST_HEADER: usize = 14;

/// Counts the messages of one connection, from the client to the application.
#[derive(Debug, Clone)]
pub struct Meter {
    max_message: u64,
    compressed: bool,
    /// Bytes of payload that the header of the current frame announced and that are still to come.
    payload_left: u64,
    /// Payload bytes of the message under way, as announced so far; nothing between two messages.
    message: Option<u64>,
    /// The client has sent its close frame.
    closed: bool,
    /// Bytes of pongs, as announced so far.
    pong_bytes: u64,
    violation: Option<Violation>,
}

/// What [`Meter::clear`] says of the bytes it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    /// How many bytes, from the first, may be forwarded now. The others are the beginning of a frame header:
    /// show them again, with what follows them.
    pub bytes: usize,
    /// How many of the frames that begin in these bytes begin a message (text or binary).
    pub messages: u32,
    /// Why nothing after these bytes may be forwarded: close the connection with [`Violation::code`].
    pub violation: Option<Violation>,
}

/// Why a connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The message is, or will be, larger than allowed.
    TooBig,
    /// More messages came than are allowed in a time.
    TooMany,
    /// The bytes are not what RFC 6455 lets a client send.
    Protocol(Breach),
}

/// How a client broke the framing of RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// A reserved bit without an extension that gives it a meaning (section 5.2; RFC 7692 section 6.1).
    ReservedBit,
    /// An opcode that nobody has defined (section 5.2).
    UnknownOpcode,
    /// A frame without a mask (section 5.1).
    Unmasked,
    /// A length in more bytes than it needs, or of more than 63 bits (section 5.2).
    Length,
    /// A control frame of more than 125 bytes (section 5.5).
    LongControl,
    /// A control frame in fragments (section 5.5).
    FragmentedControl,
    /// A close frame with half a status code (section 5.5.1).
    CloseCode,
    /// A continuation where no message is under way (section 5.4).
    Continuation,
    /// A new message before the end of the one under way (section 5.4).
    Interrupted,
}

impl Violation {
    /// The status code of the close frame (RFC 6455 section 7.4.1, and of the range for applications).
    pub fn code(self) -> u16 {
        match self {
            Violation::TooBig => 1009,
            Violation::TooMany => 4429,
            Violation::Protocol(_) => 1002,
        }
    }

    /// A stable word for close frames and logs.
    pub fn reason(self) -> &'static str {
        match self {
            Violation::TooBig => "message too big",
            Violation::TooMany => "too many messages",
            Violation::Protocol(breach) => breach.reason(),
        }
    }
}

impl Breach {
    fn reason(self) -> &'static str {
        match self {
            Breach::ReservedBit => "reserved bit set",
            Breach::UnknownOpcode => "unknown opcode",
            Breach::Unmasked => "frame not masked",
            Breach::Length => "wrong length",
            Breach::LongControl => "control frame too long",
            Breach::FragmentedControl => "control frame in fragments",
            Breach::CloseCode => "wrong close frame",
            Breach::Continuation => "nothing to continue",
            Breach::Interrupted => "message not finished",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Meter {
    /// A meter that lets messages of up to `max_message` bytes pass (`u64::MAX` for any). `compressed` says
    /// that the handshake settled on permessage-deflate, which gives the first reserved bit its meaning.
    pub fn new(max_message: u64, compressed: bool) -> Self {
        Self {
            max_message,
            compressed,
            payload_left: 0,
            message: None,
            closed: false,
            pong_bytes: 0,
            violation: None,
        }
    }

    /// Judges the bytes that were read and not yet forwarded: the rest of what an earlier call left, and what
    /// came since. Bytes that a call has cleared must not be shown again. After a violation nothing is
    /// cleared any more.
    pub fn clear(&mut self, bytes: &[u8]) -> Cleared {
        self.clear_counted(bytes, || true)
    }

    /// The same, where `begins` is asked at the first frame of each message whether it may come at all.
    pub fn clear_counted(&mut self, bytes: &[u8], mut begins: impl FnMut() -> bool) -> Cleared {
        let mut cleared = Cleared { bytes: 0, messages: 0, violation: self.violation };
        while cleared.violation.is_none() {
            let rest = &bytes[cleared.bytes..];
            let payload = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(rest.len());
            self.payload_left -= payload as u64;
            cleared.bytes += payload;
            // What follows the close frame is nothing to anybody (section 5.5.1).
            if self.is_over() {
                break;
            }
            match Header::read(&rest[payload..]) {
                // More payload or the rest of the header is still to come.
                Ok(None) => break,
                Ok(Some(header)) => match self.admit(&header) {
                    Ok(()) if matches!(header.opcode, TEXT | BINARY) && !begins() => {
                        self.violation = Some(Violation::TooMany);
                    }
                    Ok(()) => {
                        cleared.bytes += header.size;
                        cleared.messages += u32::from(matches!(header.opcode, TEXT | BINARY));
                        self.payload_left = header.length;
                    }
                    Err(violation) => self.violation = Some(violation),
                },
                Err(breach) => self.violation = Some(Violation::Protocol(breach)),
            }
            cleared.violation = self.violation;
        }
        cleared
    }

    /// Whether a frame of the gateway's own may follow what was cleared: no frame is under way.
    pub fn is_between(&self) -> bool {
        self.payload_left == 0
    }

    /// How many of the bytes that were cleared are pongs, whose payload may still be to come.
    pub fn pong_bytes(&self) -> u64 {
        self.pong_bytes
    }

    /// Whether the client has sent its close frame.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the client has said everything: nothing that follows its close frame is ever cleared.
    pub fn is_over(&self) -> bool {
        self.closed && self.payload_left == 0
    }

    /// Judges a frame by its header, and counts it.
    fn admit(&mut self, header: &Header) -> Result<(), Violation> {
        let breach = |breach| Err(Violation::Protocol(breach));
        // Only the first frame of a message says whether it is compressed.
        let compressible = self.compressed && matches!(header.opcode, TEXT | BINARY);
        if header.reserved & !(if compressible { RSV1 } else { 0 }) != 0 {
            return breach(Breach::ReservedBit);
        }
        if !header.masked {
            return breach(Breach::Unmasked);
        }
        let before = match (header.opcode, self.message) {
            (CLOSE | PING | PONG, _) => return self.admit_control(header),
            (CONTINUATION, None) => return breach(Breach::Continuation),
            (CONTINUATION, Some(before)) => before,
            (TEXT | BINARY, Some(_)) => return breach(Breach::Interrupted),
            (TEXT | BINARY, None) => 0,
            _ => return breach(Breach::UnknownOpcode),
        };
        let size = before.saturating_add(header.length);
        if size > self.max_message {
            return Err(Violation::TooBig);
        }
        self.message = (!header.last).then_some(size);
        Ok(())
    }

    /// A control frame may stand within a message and does not count towards it.
    fn admit_control(&mut self, header: &Header) -> Result<(), Violation> {
        let breach = |breach| Err(Violation::Protocol(breach));
        if !header.last {
            return breach(Breach::FragmentedControl);
        }
        if header.length > LONGEST_CONTROL as u64 {
            return breach(Breach::LongControl);
        }
        if header.opcode == PONG {
            self.pong_bytes += header.size as u64 + header.length;
        }
        if header.opcode == CLOSE {
            if header.length == 1 {
                return breach(Breach::CloseCode);
            }
            self.closed = true;
        }
        Ok(())
    }
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASK: u8 = 0x80;

/// The longest payload of a control frame (RFC 6455 section 5.5).
const LONGEST_CONTROL: usize = 125;

/// The header of a frame (RFC 6455 section 5.2).
#[derive(Debug, Clone, Copy)]
struct Header {
    last: bool,
    reserved: u8,
    opcode: u8,
    masked: bool,
    /// Bytes of payload.
    length: u64,
    /// Bytes of the header itself, with the masking key.
    size: usize,
}

impl Header {
    /// The header that stands at the front; nothing as long as it is not whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Breach> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let masked = second & MASK != 0;
        let (length, extended) = match second & !MASK {
            126 => match rest.first_chunk::<2>() {
                None => return Ok(None),
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
            },
            127 => match rest.first_chunk::<8>() {
                None => return Ok(None),
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
            },
            short => (u64::from(short), 0),
        };
        let shortest = match extended {
            2 => 126,
            8 => u64::from(u16::MAX) + 1,
            _ => 0,
        };
        if length < shortest || length > i64::MAX as u64 {
            return Err(Breach::Length);
        }
        let size = 2 + extended + if masked { 4 } else { 0 };
        if bytes.len() < size {
            return Ok(None);
        }
        Ok(Some(Self {
            last: first & FIN != 0,
            reserved: first & RESERVED,
            opcode: first & OPCODE,
            masked,
            length,
            size,
        }))
    }
}

/// Follows frames that nobody judges, so that one of the gateway's own can stand between two of them.
#[derive(Debug, Clone, Default)]
pub struct Boundary {
    payload_left: u64,
    /// What has come of a header that is not whole.
    header: [u8; LONGEST_HEADER],
    header_len: usize,
    /// What came is no frame: where the next one begins cannot be told any more.
    lost: bool,
}

impl Boundary {
    /// Follows these bytes, all of which go on.
    pub fn follow(&mut self, bytes: &[u8]) {
        self.advance(bytes, false);
    }

    /// How many of these bytes, from the first, belong to the frame under way; they count as followed.
    pub fn finish(&mut self, bytes: &[u8]) -> usize {
        self.advance(bytes, true)
    }

    /// Whether a frame of the gateway's own may follow.
    pub fn is_between(&self) -> bool {
        self.payload_left == 0 && self.header_len == 0 && !self.lost
    }

    /// Whether what came is no frame, so that no end of one can be found any more.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    fn advance(&mut self, bytes: &[u8], to_the_end_of_one: bool) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.lost && !(to_the_end_of_one && self.is_between()) {
            let rest = &bytes[at..];
            if self.payload_left > 0 {
                let payload = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(rest.len());
                self.payload_left -= payload as u64;
                at += payload;
                continue;
            }
            self.header[self.header_len] = rest[0];
            self.header_len += 1;
            at += 1;
            match Header::read(&self.header[..self.header_len]) {
                Ok(None) => {}
                Ok(Some(header)) => {
                    self.header_len = 0;
                    self.payload_left = header.length;
                }
                Err(_) => self.lost = true,
            }
        }
        at
    }
}

/// The bytes of a close frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CloseFrame {
    bytes: [u8; 6 + LONGEST_CONTROL],
    len: usize,
}

impl CloseFrame {
    /// The frame for the client, unmasked as everything a server sends (RFC 6455 section 5.1). A reason of
    /// more than 123 bytes is cut at a character's end.
    pub fn to_client(code: u16, reason: &str) -> Self {
        Self::build(code, reason, None)
    }

    /// The frame for the application, which takes the gateway for the client: masked. `key` must come from a
    /// source that nobody foresees (RFC 6455 section 5.3).
    pub fn to_application(code: u16, reason: &str, key: [u8; 4]) -> Self {
        Self::build(code, reason, Some(key))
    }

    /// The frame on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn build(code: u16, reason: &str, key: Option<[u8; 4]>) -> Self {
        let reason = &reason.as_bytes()[..reason.floor_char_boundary(LONGEST_CONTROL - 2)];
        let payload = 2 + reason.len();
        let mut frame = Self { bytes: [0; 6 + LONGEST_CONTROL], len: 0 };
        frame.put(&[FIN | CLOSE, payload as u8 | if key.is_some() { MASK } else { 0 }]);
        frame.put(key.as_ref().map_or(&[][..], <[u8; 4]>::as_slice));
        let start = frame.len;
        frame.put(&code.to_be_bytes());
        frame.put(reason);
        for (byte, key) in
            frame.bytes[start..frame.len].iter_mut().zip(key.unwrap_or_default().iter().cycle())
        {
            *byte ^= key;
        }
        frame
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

impl fmt::Debug for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CloseFrame").field(&self.as_bytes()).finish()
    }
}
