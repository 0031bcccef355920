//! The first message of a WebSocket: `{"type":"auth","api_key":"…"}`, or a `token` in place of the key.
//!
//! A browser can send no header with the handshake, and what stands in its URL ends up in logs.

use std::fmt;

use portcullis_core::Denial;
use serde::Deserialize;
use serde_json::Value;

/// What a first message presents.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented {
    /// An API key.
    ApiKey(Box<str>),
    /// An access token.
    Token(Box<str>),
    /// It is a login, and holds neither.
    Nothing,
}

/// A login as it travels. A name that stands twice is an error: another parser could read the other value.
#[derive(Deserialize)]
struct Login {
    #[serde(rename = "type")]
    kind: Option<Value>,
    api_key: Option<Value>,
    token: Option<Value>,
}

impl Presented {
    /// Reads a text message.
    ///
    /// Errors: [`Denial::LoginMalformed`] where it is no JSON (RFC 8259), names something twice, or presents a key
    /// and a token at once; [`Denial::LoginExpected`] where it is anything but an object of the type `auth`.
    pub fn read(message: &str) -> Result<Self, Denial> {
        if !message.trim_start().starts_with('{') {
            let json = serde_json::from_str::<Value>(message).is_ok();
            return Err(if json { Denial::LoginExpected } else { Denial::LoginMalformed });
        }
        let login: Login = serde_json::from_str(message).map_err(|_| Denial::LoginMalformed)?;
        if login.kind.as_ref().and_then(Value::as_str) != Some("auth") {
            return Err(Denial::LoginExpected);
        }
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => Some(text.into_boxed_str()),
            _ => None,
        };
        match (text(login.api_key), text(login.token)) {
            (Some(_), Some(_)) => Err(Denial::LoginMalformed),
            (Some(key), None) => Ok(Presented::ApiKey(key)),
            (None, Some(token)) => Ok(Presented::Token(token)),
            (None, None) => Ok(Presented::Nothing),
        }
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Presented::ApiKey(_) => "ApiKey",
            Presented::Token(_) => "Token",
            Presented::Nothing => "Nothing",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_an_object_of_the_type_auth() {
        let read = |text: &str| Presented::read(text);
        assert_eq!(read(r#"{"type":"auth","api_key":"k"}"#), Ok(Presented::ApiKey("k".into())));
        assert_eq!(read(r#" {"token":"t","type":"\u0061uth","x":[1]}"#), Ok(Presented::Token("t".into())));
        assert_eq!(read(r#"{"type":"auth"}"#), Ok(Presented::Nothing));
        assert_eq!(read(r#"{"type":"auth","api_key":5,"token":null}"#), Ok(Presented::Nothing));
        for other in ["[1]", "5", "null", r#""auth""#, "{}", r#"{"type":"Auth"}"#, r#"{"type":["auth"]}"#] {
            assert_eq!(read(other), Err(Denial::LoginExpected), "{other}");
        }
        for broken in ["", "ping", "{", r#"{"type":"auth"} x"#, "{'type':'auth'}"] {
            assert_eq!(read(broken), Err(Denial::LoginMalformed), "{broken}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_no_login() {
        for ambiguous in [
            r#"{"type":"auth","api_key":"a","api_key":"b"}"#,
            r#"{"type":"ping","type":"auth","api_key":"a"}"#,
            r#"{"type":"auth","api_key":"a","token":"b"}"#,
            // The field by its position.
            r#"["auth","a",null]"#,
        ] {
            assert!(Presented::read(ambiguous).is_err(), "{ambiguous}");
        }
    }

    #[test]
    fn a_credential_is_not_printed() {
        let presented = Presented::read(r#"{"type":"auth","api_key":"topsecret"}"#).unwrap();
        assert_eq!(format!("{presented:?}"), "ApiKey");
    }
}
