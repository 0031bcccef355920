//! The opening handshake of a WebSocket, for who answers it without asking anybody (RFC 6455 section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::head::Field;
use crate::list::tokens;

/// What a client asks for in its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// What proves that the handshake was understood: the value of `Sec-WebSocket-Accept`.
    pub accept: Box<str>,
    /// The subprotocol that the client likes best; nothing where it offers none.
    pub protocol: Option<Box<str>>,
}

/// What is wrong with a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Another version than 13 is spoken; answer 426 with `Sec-WebSocket-Version: 13` (section 4.2.2).
    #[error("the version of the WebSocket protocol is not 13")]
    Version,
    /// `Sec-WebSocket-Key` is not the base64 of 16 bytes, or stands more than once (section 4.2.1).
    #[error("Sec-WebSocket-Key is not 16 bytes in base64")]
    Key,
    /// It is not a `GET` (section 4.1).
    #[error("a WebSocket is opened with GET")]
    Method,
    /// What is offered as a subprotocol is no token (section 11.3.4).
    #[error("Sec-WebSocket-Protocol holds no list of tokens")]
    Protocol,
}

/// What a server appends to the key before it hashes it (section 1.3).
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

impl Handshake {
    /// Reads the fields of a request that asks for a WebSocket.
    pub fn read(method: &str, fields: &[Field<'_>]) -> Result<Self, HandshakeError> {
        if method != "GET" {
            return Err(HandshakeError::Method);
        }
        if once(fields, "sec-websocket-version") != Some(b"13") {
            return Err(HandshakeError::Version);
        }
        let key = once(fields, "sec-websocket-key").ok_or(HandshakeError::Key)?;
        if !STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
            return Err(HandshakeError::Key);
        }
        let protocol = fields
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case("sec-websocket-protocol"))
            .flat_map(|field| tokens(field.value))
            .next()
            .map(|name| std::str::from_utf8(name).ok().filter(|name| is_token(name)));
        let protocol = match protocol {
            None => None,
            Some(None) => return Err(HandshakeError::Protocol),
            Some(Some(name)) => Some(name.into()),
        };
        let digest = Sha1::new().chain_update(key).chain_update(MAGIC).finalize();
        Ok(Self { accept: STANDARD.encode(digest).into(), protocol })
    }

    /// Whether the answer of a server to this handshake is one that the client would take: the same proof, no
    /// extension, and the subprotocol that it was offered alone.
    pub fn is_met_by(&self, fields: &[Field<'_>]) -> bool {
        let has = |name: &str| fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
        once(fields, "sec-websocket-accept") == Some(self.accept.as_bytes())
            && !has("sec-websocket-extensions")
            && match &self.protocol {
                None => !has("sec-websocket-protocol"),
                Some(name) => once(fields, "sec-websocket-protocol") == Some(name.as_bytes()),
            }
    }
}

/// The value of a field that stands exactly once.
fn once<'b>(fields: &[Field<'b>], name: &str) -> Option<&'b [u8]> {
    let mut found = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
    let value = found.next()?.value.trim_ascii();
    found.next().is_none().then_some(value)
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("Sec-WebSocket-Version", "13");

    fn fields<'a>(pairs: &'a [(&'a str, &'a str)]) -> Vec<Field<'a>> {
        pairs.iter().map(|(name, value)| Field { name, value: value.as_bytes() }).collect()
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Handshake, HandshakeError> {
        Handshake::read("GET", &fields(pairs))
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        let protocol = ("Sec-WebSocket-Protocol", "chat, superchat");
        let handshake = read(&[KEY, VERSION, protocol]).unwrap();
        assert_eq!(&*handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(handshake.protocol.as_deref(), Some("chat"));
        let accept = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let met = |pairs: &[(&str, &str)]| handshake.is_met_by(&fields(pairs));
        assert!(met(&[accept, ("Sec-WebSocket-Protocol", "chat")]));
        assert!(!met(&[accept]), "the client was told another protocol");
        assert!(!met(&[accept, ("Sec-WebSocket-Protocol", "superchat")]));
        assert!(!met(&[("Sec-WebSocket-Protocol", "chat")]));
        let deflate = ("Sec-WebSocket-Extensions", "permessage-deflate");
        assert!(!met(&[accept, ("Sec-WebSocket-Protocol", "chat"), deflate]));
        let plain = read(&[KEY, VERSION]).unwrap();
        assert!(plain.is_met_by(&fields(&[accept])));
        assert!(!plain.is_met_by(&fields(&[accept, ("Sec-WebSocket-Protocol", "chat")])));
    }

    #[test]
    fn what_no_client_sends_is_refused() {
        assert_eq!(read(&[KEY]), Err(HandshakeError::Version));
        assert_eq!(read(&[KEY, ("Sec-WebSocket-Version", "8")]), Err(HandshakeError::Version));
        assert_eq!(read(&[KEY, VERSION, VERSION]), Err(HandshakeError::Version));
        assert_eq!(read(&[VERSION]), Err(HandshakeError::Key));
        assert_eq!(read(&[VERSION, KEY, KEY]), Err(HandshakeError::Key));
        for key in ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZTEyMw=="] {
            assert_eq!(read(&[VERSION, ("Sec-WebSocket-Key", key)]), Err(HandshakeError::Key), "{key}");
        }
        let odd = ("Sec-WebSocket-Protocol", "a b");
        assert_eq!(read(&[KEY, VERSION, odd]), Err(HandshakeError::Protocol));
        assert_eq!(Handshake::read("POST", &fields(&[KEY, VERSION])), Err(HandshakeError::Method));
    }
}
