//! The meter of WebSocket frames beside tungstenite: what the meter lets pass is framed by both alike; and the first
//! message, however its bytes were split.
#![no_main]

use std::io::{self, Read, Write};

use libfuzzer_sys::fuzz_target;
use portcullis_gate::validate::websocket::{FirstMessage, Found, Meter};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

const MOST: usize = 300;

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_first() else { return };
    let whole = metered(bytes, bytes.len().max(1));
    assert_eq!(metered(bytes, 1), whole, "byte by byte");
    assert_eq!(metered(bytes, usize::from(step).max(1)), whole, "in steps of {step}");
    let (cleared, messages) = whole;

    let config = WebSocketConfig::default().max_message_size(Some(MOST)).max_frame_size(Some(MOST));
    let mut other = WebSocket::from_raw_socket(Wire(&bytes[..cleared]), Role::Server, Some(config));
    let mut heard = 0;
    loop {
        match other.read() {
            Ok(Message::Text(_) | Message::Binary(_)) => heard += 1,
            Ok(_) => {}
            // The end of what was cleared, or of the conversation.
            Err(Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed) => break,
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => break,
            // What stands in payloads is not the meter's business.
            Err(Error::Utf8(_)) => break,
            Err(Error::Protocol(ProtocolError::InvalidCloseSequence)) => break,
            // It counts what has come of a message, the meter what was announced.
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                panic!("larger than the meter lets pass: {:x?}", &bytes[..cleared])
            }
            Err(error) => panic!("{error} in what the meter let pass: {:x?}", &bytes[..cleared]),
        }
    }
    assert!(heard <= messages, "{heard} messages where the meter saw {messages} begin");

    let first = first_message(bytes, bytes.len().max(1));
    assert_eq!(first_message(bytes, 1), first, "the first message, byte by byte");
    assert_eq!(first_message(bytes, usize::from(step).max(1)), first, "in steps of {step}");
});

/// How many bytes pass, and how many messages begin in them.
fn metered(bytes: &[u8], step: usize) -> (usize, u32) {
    let mut meter = Meter::new(MOST as u64, false);
    let (mut passed, mut messages, mut shown) = (0, 0, 0);
    while shown < bytes.len() {
        shown = (shown + step).min(bytes.len());
        let cleared = meter.clear(&bytes[passed..shown]);
        passed += cleared.bytes;
        messages += cleared.messages;
        if cleared.violation.is_some() {
            break;
        }
    }
    (passed, messages)
}

/// What a login would be read from: how many bytes it took, and what it was.
fn first_message(bytes: &[u8], step: usize) -> (usize, Option<Found>) {
    let mut first = FirstMessage::new(MOST as u64);
    let (mut used, mut shown) = (0, 0);
    while shown < bytes.len() {
        shown = (shown + step).min(bytes.len());
        loop {
            let read = first.read(&bytes[used..shown]);
            used += read.bytes;
            match read.found {
                Found::Nothing if read.bytes == 0 => break,
                Found::Nothing | Found::Ping(_) => {}
                found => return (used, Some(found)),
            }
        }
    }
    (used, None)
}

/// Bytes to be read, and nobody who listens.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(out)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
