//! Following the framing of a body, so that its bytes can be passed on as they are.

use crate::error::BodyError;
use crate::head::Body;
use crate::list::is_value_byte;
use crate::trailer;

/// The longest chunk-size line, CRLF included: sixteen digits in a request, and with an extension in a response.
pub const MAX_CHUNK_LINE: usize = 512;

/// The longest trailer section, its last CRLF included.
pub const MAX_TRAILERS: usize = 4096;

/// Follows the framing of one body. It copies and keeps no byte: the caller passes on what is consumed.
///
/// Framing is consumed an element at a time (a chunk-size line, the CRLF behind a chunk, a trailer line), once
/// the whole element is there and found right; so what was not checked is never passed on. A buffer of
/// [`MAX_TRAILERS`] bytes is enough for any element.
///
/// ```
/// use portcullis_wire::{Body, BodyDecoder, Piece};
///
/// let mut rest: &[u8] = b"5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
/// let (mut decoder, mut payload) = (BodyDecoder::new(Body::Chunked), Vec::new());
/// while !decoder.is_done() {
///     let (consumed, piece) = decoder.advance(rest)?;
///     assert_ne!(piece, Piece::More, "the body is whole");
///     if piece == Piece::Data {
///         payload.extend_from_slice(&rest[..consumed]);
///     }
///     rest = &rest[consumed..];
/// }
/// assert_eq!(payload, b"hello");
/// assert_eq!(rest, b"GET / HTTP/1.1\r\n");
/// # Ok::<(), portcullis_wire::BodyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BodyDecoder {
    state: State,
    extensions: bool,
}

/// What the consumed bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Payload.
    Data,
    /// Chunk-size lines, line ends and trailers: pass them on verbatim, or drop them and frame anew.
    Framing,
    /// The body was over before; nothing is consumed.
    End,
    /// Nothing is consumed: give the same bytes again together with more.
    More,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes of payload to come, then the end.
    Length(u64),
    /// Payload until the connection closes.
    UntilClose,
    /// A chunk-size line is next.
    Size,
    /// So many bytes of a chunk to come, never 0.
    Chunk(u64),
    /// The CRLF behind the data of a chunk is next.
    ChunkEnd,
    /// Trailer lines or the last CRLF; so many bytes of trailers were consumed.
    Trailers(usize),
    Done,
}

impl BodyDecoder {
    /// For the body of a request: chunk extensions are refused.
    pub fn new(body: Body) -> BodyDecoder {
        let state = match body {
            Body::Empty | Body::Length(0) => State::Done,
            Body::Length(length) => State::Length(length),
            Body::Chunked => State::Size,
            Body::UntilClose => State::UntilClose,
        };
        BodyDecoder { state, extensions: false }
    }

    /// For the body of a response: chunk extensions are checked, bounded and part of the framing
    /// (RFC 9112 section 7.1.1 asks a recipient to ignore them).
    pub fn for_response(body: Body) -> BodyDecoder {
        BodyDecoder { extensions: true, ..BodyDecoder::new(body) }
    }

    /// Consumes the next piece of the body from the beginning of `input`: how many bytes, and what they are.
    /// More than 0 with [`Piece::Data`] and [`Piece::Framing`], 0 with [`Piece::End`] and [`Piece::More`].
    ///
    /// After an error, close the connection: the same bytes give the same error again.
    pub fn advance(&mut self, input: &[u8]) -> Result<(usize, Piece), BodyError> {
        match self.state {
            State::Done => return Ok((0, Piece::End)),
            _ if input.is_empty() => return Ok((0, Piece::More)),
            State::UntilClose => return Ok((input.len(), Piece::Data)),
            State::Length(left) => {
                let taken = take(left, input);
                self.state = match left - taken as u64 {
                    0 => State::Done,
                    left => State::Length(left),
                };
                return Ok((taken, Piece::Data));
            }
            State::Chunk(left) => {
                let taken = take(left, input);
                self.state = match left - taken as u64 {
                    0 => State::ChunkEnd,
                    left => State::Chunk(left),
                };
                return Ok((taken, Piece::Data));
            }
            State::Size | State::ChunkEnd | State::Trailers(_) => {}
        }
        match self.framing(input) {
            Ok(Some((consumed, state))) => {
                self.state = state;
                Ok((consumed, Piece::Framing))
            }
            Ok(None) => Ok((0, Piece::More)),
            Err(error) => Err(error),
        }
    }

    /// Whether the body is over. True from the beginning where there is none.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The connection closed: the end of a body without a length, otherwise an error unless it was over.
    pub fn on_eof(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(BodyError::Truncated),
        }
    }

    /// Payload bytes that are certain to come: all of a `Content-Length`, the rest of the current chunk.
    pub fn announced(&self) -> u64 {
        match self.state {
            State::Length(left) | State::Chunk(left) => left,
            State::UntilClose | State::Size | State::ChunkEnd | State::Trailers(_) | State::Done => 0,
        }
    }

    /// The next element of the framing: its length and what follows it. `None`: more bytes are needed.
    fn framing(&self, input: &[u8]) -> Result<Option<(usize, State)>, BodyError> {
        match self.state {
            State::ChunkEnd => Ok(line_end(input, BodyError::MissingChunkEnd)?.then_some((2, State::Size))),
            State::Trailers(before) => trailers(input, before),
            _ => Ok(size_line(input, self.extensions)?.map(|(len, size)| match size {
                0 => (len, State::Trailers(0)),
                size => (len, State::Chunk(size)),
            })),
        }
    }
}

fn take(left: u64, input: &[u8]) -> usize {
    usize::try_from(left).map_or(input.len(), |left| left.min(input.len()))
}

/// Whether `input`, not empty, begins with CRLF (`false`: so far it does); `otherwise` where it cannot.
fn line_end(input: &[u8], otherwise: BodyError) -> Result<bool, BodyError> {
    match (input[0], input.get(1)) {
        (b'\r', Some(b'\n')) => Ok(true),
        (b'\r', None) => Ok(false),
        (b'\r', Some(_)) => Err(BodyError::BareCr),
        (b'\n', _) => Err(BodyError::BareLf),
        _ => Err(otherwise),
    }
}

/// A chunk-size line: its length with CRLF, and the size. `None`: more bytes are needed.
fn size_line(input: &[u8], extensions: bool) -> Result<Option<(usize, u64)>, BodyError> {
    let mut size = 0_u64;
    for (at, byte) in input.iter().copied().enumerate() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b';' if at > 0 && extensions => {
                return Ok(extension(input, at)?.map(|len| (len, size)));
            }
            b';' if at > 0 => return Err(BodyError::ChunkExtension),
            _ if at > 0 => {
                return Ok(line_end(&input[at..], BodyError::InvalidChunkSize)?.then_some((at + 2, size)));
            }
            _ => return Err(BodyError::InvalidChunkSize),
        };
        if at == 16 {
            return Err(BodyError::InvalidChunkSize);
        }
        size = size << 4 | u64::from(digit);
        // Readers that count in signed 64 bits would see another size.
        if i64::try_from(size).is_err() {
            return Err(BodyError::ChunkTooLarge);
        }
    }
    Ok(None)
}

/// The length of a chunk-size line whose extension begins at `start`. `None`: more bytes are needed.
fn extension(input: &[u8], start: usize) -> Result<Option<usize>, BodyError> {
    for (at, byte) in input.iter().copied().enumerate().skip(start) {
        if at + 2 > MAX_CHUNK_LINE {
            return Err(BodyError::ChunkLineTooLong);
        }
        if !is_value_byte(byte) {
            return Ok(line_end(&input[at..], BodyError::ControlInExtension)?.then_some(at + 2));
        }
    }
    Ok(None)
}

/// A trailer line, or the CRLF that ends the body, after `before` bytes of trailers.
fn trailers(input: &[u8], before: usize) -> Result<Option<(usize, State)>, BodyError> {
    let room = MAX_TRAILERS - before;
    let within = &input[..input.len().min(room)];
    let next = if within.first() == Some(&b'\r') {
        line_end(within, BodyError::InvalidTrailer)?.then_some((2, State::Done))
    } else {
        trailer::line(within)?.map(|len| (len, State::Trailers(before + len)))
    };
    if next.is_none() && input.len() >= room {
        return Err(BodyError::TrailersTooLarge);
    }
    Ok(next)
}

#[cfg(test)]
mod tests;
