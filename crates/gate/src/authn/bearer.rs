//! Access tokens, in `Authorization: Bearer` (RFC 6750 section 2.1), and among the subprotocols of a WebSocket. In a
//! query or a body they are not taken: those end up in logs.

use std::sync::Arc;

use portcullis_accounts::{Directory, Judgement, TokenError, Tokens};
use portcullis_core::head::Once;
use portcullis_core::{Head, Now};

use super::{Outcome, protocol};

/// The field that carries a token.
pub(super) const FIELD: &str = "authorization";

/// Accepts access tokens of users of a directory.
#[derive(Debug)]
pub struct Bearer {
    tokens: Arc<Tokens>,
    directory: Arc<Directory>,
}

impl Bearer {
    /// Accepts what `tokens` verifies, as long as `directory` lets its user come.
    pub fn new(tokens: Arc<Tokens>, directory: Arc<Directory>) -> Self {
        Self { tokens, directory }
    }

    pub(super) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(super) fn identify<'a>(&self, head: &Head<'a>, now: Now) -> Outcome<'a> {
        let value = match head.once(FIELD) {
            Once::Absent => {
                return match protocol::presented(head) {
                    None => Outcome::Absent,
                    Some(Ok(token)) => self.judge(token, now),
                    Some(Err(())) => Outcome::Rejected,
                };
            }
            Once::Repeated => return Outcome::Rejected,
            Once::Value(value) => value,
        };
        let Some(token) = bearer(value) else { return Outcome::Absent };
        self.judge(token, now)
    }

    /// Judges a token wherever it stood.
    pub(super) fn judge<'a>(&self, token: &'a [u8], now: Now) -> Outcome<'a> {
        let now_ms = now.unix_ms.cast_signed();
        let judgement = match self.tokens.access(token, now_ms) {
            Ok(claims) => self.directory.bearer(&claims, now_ms),
            Err(TokenError::Expired) => Judgement::Expired,
            Err(TokenError::Invalid(_)) => Judgement::Rejected,
        };
        Outcome::of(judgement, token, false)
    }
}

/// What stands behind the word `Bearer`; nothing where another scheme stands there, which is not ours to judge.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    match token.first() {
        None => Some(token),
        Some(b' ') => Some(token.trim_ascii()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_scheme_bearer_is_ours() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bEARER  abc "), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Bearer"), Some(&b""[..]), "a token that is missing is a wrong one");
        for other in ["Basic dXNlcjpwYXNz", "Bearerabc", "Bear", "", "Token abc"] {
            assert_eq!(bearer(other.as_bytes()), None, "{other}");
        }
    }
}
