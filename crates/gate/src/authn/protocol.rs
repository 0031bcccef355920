//! An access token among the subprotocols of a WebSocket: `new WebSocket(url, ['bearer', token])`.
//!
//! The one field of a handshake that a page can set. The list must hold `bearer` and the token right behind it; both
//! are taken out before the application sees the others.

use portcullis_core::{Head, Upgrade};

/// The subprotocol that announces a token.
pub const NAME: &str = "bearer";
/// The field it stands in, in lower case (RFC 6455 section 11.3.4).
pub const FIELD: &str = "sec-websocket-protocol";

/// The token; an error where two are announced. None where it is no WebSocket, or no token stands there.
pub(super) fn presented<'a>(head: &Head<'a>) -> Option<Result<&'a [u8], ()>> {
    if head.upgrade != Upgrade::WebSocket {
        return None;
    }
    let mut tokens = head.all(FIELD).filter_map(|value| pair(value).map(|pair| pair.token));
    let token = tokens.next()?;
    let again = head.all(FIELD).any(|value| entries(value).filter(|entry| is_name(entry)).count() > 1);
    Some(if again || tokens.next().is_some() { Err(()) } else { Ok(token) })
}

/// Whether the handshake announces a token.
pub fn is_presented(head: &Head<'_>) -> bool {
    presented(head).is_some()
}

/// Appends the subprotocols of a field value to `out`, but a token and what announces it. Appends nothing where no
/// other is left.
pub fn without(value: &[u8], out: &mut Vec<u8>) {
    let withheld = pair(value).map(|pair| pair.at);
    let kept = entries(value)
        .enumerate()
        .filter(|(at, _)| withheld.is_none_or(|first| *at != first && *at != first + 1));
    for (index, (_, entry)) in kept.enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(entry);
    }
}

struct Pair<'a> {
    /// Where the name stands in the list.
    at: usize,
    token: &'a [u8],
}

fn pair(value: &[u8]) -> Option<Pair<'_>> {
    let at = entries(value).position(is_name)?;
    Some(Pair { at, token: entries(value).nth(at + 1)? })
}

fn entries(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}

fn is_name(entry: &[u8]) -> bool {
    entry.eq_ignore_ascii_case(NAME.as_bytes())
}

#[cfg(test)]
mod tests {
    use portcullis_core::Field;

    use super::*;

    fn of(values: &[&str], upgrade: Upgrade) -> Option<Result<String, ()>> {
        let fields: Vec<Field<'_>> = values
            .iter()
            .map(|value| Field { name: "Sec-WebSocket-Protocol", value: value.as_bytes() })
            .collect();
        let head = Head {
            method: "GET",
            path: "/",
            query: None,
            authority: "",
            secure: true,
            upgrade,
            fields: &fields,
        };
        presented(&head).map(|token| token.map(|token| String::from_utf8_lossy(token).into_owned()))
    }

    #[test]
    fn a_token_stands_behind_its_name() {
        let of = |values: &[&str]| of(values, Upgrade::WebSocket);
        let token = || Some(Ok("a.b-c_d".to_owned()));
        assert_eq!(of(&["bearer, a.b-c_d"]), token());
        assert_eq!(of(&["chat,BEARER,a.b-c_d , other"]), token());
        assert_eq!(of(&["chat", "bearer,a.b-c_d"]), token());
        assert_eq!(of(&["bearer"]), None);
        assert_eq!(of(&["chat, bearer"]), None);
        assert_eq!(of(&["a.b-c_d"]), None);
        assert_eq!(of(&["bearer, a, bearer, b"]), Some(Err(())));
        assert_eq!(of(&["bearer, a", "bearer, b"]), Some(Err(())));
        assert_eq!(of(&["bearer, bearer"]), Some(Err(())));
    }

    #[test]
    fn only_a_websocket_has_subprotocols() {
        assert_eq!(of(&["bearer, token"], Upgrade::None), None);
        assert_eq!(of(&["bearer, token"], Upgrade::Other), None);
    }

    #[test]
    fn the_others_are_left() {
        let left = |value: &str| {
            let mut out = Vec::new();
            without(value.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(left("bearer, a.b.c"), "");
        assert_eq!(left("chat,bearer,a.b.c,other"), "chat, other");
        assert_eq!(left("chat, other"), "chat, other");
        assert_eq!(left("bearer"), "bearer");
    }
}
