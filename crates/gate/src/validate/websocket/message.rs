//! The first message of a client, put together from its frames before anything is forwarded; and the frames by
//! which the gateway answers itself.

use std::fmt;

use super::{BINARY, CLOSE, FIN, Header, LONGEST_CONTROL, MASK, Meter, PING, PONG, TEXT, Violation};

/// Reads frames until the first message is whole.
pub struct FirstMessage {
    meter: Meter,
    /// What of the message has come.
    text: Vec<u8>,
    binary: bool,
}

/// What [`FirstMessage::read`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// How many bytes, from the first, were used.
    pub bytes: usize,
    /// What they came to.
    pub found: Found,
}

/// What the frames came to.
#[derive(Clone, PartialEq, Eq)]
pub enum Found {
    /// More has to come. What was not used is the beginning of a frame: show it again, with what follows it.
    Nothing,
    /// A ping, which asks for this pong.
    Ping(OwnFrame),
    /// A text message.
    Text(String),
    /// A message that is not text: binary, or no UTF-8.
    Other,
    /// The client says goodbye.
    Close,
    /// What no client may send; nothing can be read any more.
    Violation(Violation),
}

impl FirstMessage {
    /// Awaits a message of up to `most` bytes, in frames as RFC 6455 lets a client send them without any extension.
    pub fn new(most: u64) -> Self {
        Self { meter: Meter::new(most, false), text: Vec::new(), binary: false }
    }

    /// Reads one frame, if it is whole. `bytes` are those that were received and not used by an earlier call.
    pub fn read(&mut self, bytes: &[u8]) -> Read {
        let nothing = Read { bytes: 0, found: Found::Nothing };
        let violated = |violation| Read { bytes: 0, found: Found::Violation(violation) };
        let header = match Header::read(bytes) {
            Ok(Some(header)) => header,
            Ok(None) => return nothing,
            Err(breach) => return violated(Violation::Protocol(breach)),
        };
        // Judged by its header before anything of its payload is waited for.
        let mut judge = self.meter.clone();
        if let Some(violation) = judge.clear(&bytes[..header.size]).violation {
            return violated(violation);
        }
        // No longer than `most`, so it fits.
        let size = header.size + header.length as usize;
        let Some(frame) = bytes.get(..size) else { return nothing };
        self.meter.clear(frame);
        let payload = unmasked(frame, header.size);
        let found = match header.opcode {
            PING => Found::Ping(OwnFrame::pong(&payload)),
            PONG => Found::Nothing,
            CLOSE => Found::Close,
            opcode => {
                self.binary |= opcode == BINARY;
                self.text.extend_from_slice(&payload);
                if header.last { self.finish() } else { Found::Nothing }
            }
        };
        Read { bytes: size, found }
    }

    fn finish(&mut self) -> Found {
        match String::from_utf8(std::mem::take(&mut self.text)) {
            Ok(text) if !self.binary => Found::Text(text),
            _ => Found::Other,
        }
    }
}

/// The payload of a masked frame (RFC 6455 section 5.3).
fn unmasked(frame: &[u8], header: usize) -> Vec<u8> {
    let key = &frame[header - 4..header];
    frame[header..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

/// A whole frame of the gateway's own.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnFrame(Vec<u8>);

impl OwnFrame {
    /// A ping without payload, to the client.
    pub fn ping() -> Self {
        Self(vec![FIN | PING, 0])
    }

    /// The answer to a ping of the client; its payload is at most 125 bytes.
    fn pong(payload: &[u8]) -> Self {
        let payload = &payload[..payload.len().min(LONGEST_CONTROL)];
        Self::build(PONG, payload, None)
    }

    /// A text message to the client.
    pub fn text(text: &[u8]) -> Self {
        Self::build(TEXT, text, None)
    }

    /// A text message to the application, which takes the gateway for the client. `key` must come from a source
    /// that nobody foresees (RFC 6455 section 5.3).
    pub fn text_to_application(text: &[u8], key: [u8; 4]) -> Self {
        Self::build(TEXT, text, Some(key))
    }

    /// The frame on the wire.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn build(opcode: u8, payload: &[u8], key: Option<[u8; 4]>) -> Self {
        let mask = if key.is_some() { MASK } else { 0 };
        let mut bytes = Vec::with_capacity(payload.len() + super::LONGEST_HEADER);
        bytes.push(FIN | opcode);
        match payload.len() {
            short @ ..=125 => bytes.push(mask | short as u8),
            long @ ..=0xffff => {
                bytes.push(mask | 0x7e);
                bytes.extend_from_slice(&(long as u16).to_be_bytes());
            }
            longer => {
                bytes.push(mask | 0x7f);
                bytes.extend_from_slice(&(longer as u64).to_be_bytes());
            }
        }
        match key {
            None => bytes.extend_from_slice(payload),
            Some(key) => {
                bytes.extend_from_slice(&key);
                bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
            }
        }
        Self(bytes)
    }
}

// What they hold may be a credential.
impl fmt::Debug for OwnFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnFrame({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Nothing => f.write_str("Nothing"),
            Found::Ping(_) => f.write_str("Ping"),
            Found::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Found::Other => f.write_str("Other"),
            Found::Close => f.write_str("Close"),
            Found::Violation(violation) => write!(f, "Violation({violation})"),
        }
    }
}

impl fmt::Debug for FirstMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstMessage").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Breach, CONTINUATION};
    use super::*;

    fn broken(breach: Breach) -> Found {
        Found::Violation(Violation::Protocol(breach))
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = OwnFrame::build(0, payload, Some(*b"mask")).into_bytes();
        bytes[0] = first;
        bytes
    }

    /// Everything that is found, when the bytes come in pieces of that size.
    fn all(bytes: &[u8], piece: usize) -> Vec<Found> {
        let mut first = FirstMessage::new(200);
        let (mut used, mut shown, mut found) = (0, 0, Vec::new());
        while shown < bytes.len() {
            shown = (shown + piece).min(bytes.len());
            loop {
                let read = first.read(&bytes[used..shown]);
                used += read.bytes;
                let more = read.bytes > 0;
                if read.found != Found::Nothing {
                    found.push(read.found);
                }
                if !more || matches!(found.last(), Some(Found::Text(_) | Found::Other | Found::Close)) {
                    break;
                }
            }
            if matches!(found.last(), Some(Found::Ping(_)) | None) {
                continue;
            }
            break;
        }
        found
    }

    #[test]
    fn a_message_in_fragments_with_a_ping_between_is_put_together() {
        let mut bytes = frame(TEXT, "{\"a\":\"ü".as_bytes());
        bytes.extend(frame(FIN | PING, b"are you there"));
        bytes.extend(frame(CONTINUATION, b""));
        bytes.extend(frame(FIN | CONTINUATION, b"\"}"));
        for piece in [1, 2, 7, 1000] {
            let pong = OwnFrame::build(PONG, b"are you there", None);
            assert_eq!(
                all(&bytes, piece),
                [Found::Ping(pong), Found::Text("{\"a\":\"ü\"}".into())],
                "{piece}"
            );
        }
    }

    #[test]
    fn what_is_not_text_is_told_apart() {
        assert_eq!(all(&frame(FIN | BINARY, b"{}"), 3), [Found::Other]);
        assert_eq!(all(&frame(FIN | TEXT, b"\xff\xfe"), 3), [Found::Other]);
        assert_eq!(all(&frame(FIN | CLOSE, &[3, 232]), 3), [Found::Close]);
        assert_eq!(all(&frame(FIN | PONG, b""), 3), []);
    }

    #[test]
    fn a_breach_shows_at_the_header() {
        assert_eq!(all(&frame(FIN | TEXT, &[b'x'; 201])[..4], 9), []);
        assert_eq!(all(&frame(FIN | TEXT, &[b'x'; 201])[..8], 9), [Found::Violation(Violation::TooBig)]);
        assert_eq!(all(b"\x81\x01x", 9), [broken(Breach::Unmasked)]);
        assert_eq!(all(&frame(FIN | CONTINUATION, b"x"), 99), [broken(Breach::Continuation)]);
        let mut halves = frame(TEXT, &[b'x'; 150]);
        halves.extend(frame(FIN | CONTINUATION, &[b'x'; 51]));
        assert_eq!(all(&halves, 999), [Found::Violation(Violation::TooBig)]);
    }

    #[test]
    fn own_frames_are_as_long_as_they_say() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            for (frame, key) in
                [(OwnFrame::text(&payload), 0), (OwnFrame::text_to_application(&payload, *b"mask"), 4)]
            {
                let bytes = frame.into_bytes();
                let header = Header::read(&bytes).unwrap().unwrap();
                assert_eq!((header.length, header.masked), (length as u64, key == 4));
                assert_eq!(bytes.len(), header.size + length);
            }
        }
    }
}
