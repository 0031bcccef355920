//! What was sent to an endpoint, as the audit log may keep it: without its secrets.

use portcullis_core::redact;
use serde_json::{Map, Value};

use super::bodies::forms;
use super::shape::{Kind, Shape};
use crate::audit;

/// The longest text that is kept, in bytes.
const LONGEST: usize = 1024;
/// The longest name of a member.
const LONGEST_NAME: usize = 256;
/// The longest body that is kept, in bytes of JSON; of a longer one only the names of its members are.
const LONGEST_DATA: usize = 4096;

/// A body.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// What it should be.
    pub shapes: &'a [&'static Shape],
    /// As it came.
    pub body: &'a [u8],
}

impl Sent<'_> {
    /// The body as JSON without its secrets: passwords, tokens and codes, whatever they look like, by the shape
    /// of the body; in every other text what looks like one, and like an address or a number to call. Of members
    /// that no shape knows the values are left out, and of what is no JSON object everything.
    pub fn redacted(&self) -> Option<String> {
        if self.body.is_empty() {
            return None;
        }
        let Ok(Value::Object(body)) = serde_json::from_slice(self.body) else {
            return Some(Value::from(redact::VALUE).to_string());
        };
        let known =
            |name: &str| self.shapes.iter().flat_map(|shape| shape.fields).find(|field| field.name == name);
        let kept: Map<String, Value> = body
            .into_iter()
            .map(|(name, value)| {
                let value =
                    known(&name).map_or_else(|| redact::VALUE.into(), |field| redacted(field.kind, value));
                (audit::text(&name, LONGEST_NAME), value)
            })
            .collect();
        let json = Value::Object(kept.clone()).to_string();
        if json.len() <= LONGEST_DATA {
            return Some(json);
        }
        let names = kept.into_iter().take(16).map(|(name, _)| (name, Value::from(redact::VALUE))).collect();
        Some(Value::Object(names).to_string())
    }
}

fn redacted(kind: Kind, value: Value) -> Value {
    match (kind, value) {
        (Kind::Text(form), Value::String(text)) => {
            if [&forms::PASSWORD, &forms::TOKEN, &forms::CODE]
                .iter()
                .any(|secret| std::ptr::eq(*secret, form))
            {
                return redact::VALUE.into();
            }
            // What stands in the place of a name may be a password typed into the wrong field.
            let named = std::ptr::eq(form, &raw const forms::USER_NAME)
                || std::ptr::eq(form, &raw const forms::ANY_NAME);
            if named && forms::USER_NAME.judge(&text).is_some() {
                return redact::VALUE.into();
            }
            audit::text(&text, LONGEST).into()
        }
        (Kind::Integer(..) | Kind::Boolean | Kind::Yes, value @ (Value::Number(_) | Value::Bool(_))) => value,
        (_, Value::Null) => Value::Null,
        (Kind::Texts(..), Value::Array(items)) => items
            .into_iter()
            .map(|item| {
                item.as_str().map_or_else(|| redact::VALUE.into(), |it| Value::from(audit::text(it, LONGEST)))
            })
            .collect(),
        (Kind::Lists(form, most), Value::Object(members)) => {
            let one = |(name, value): (String, Value)| {
                (audit::text(&name, LONGEST_NAME), redacted(Kind::Texts(form, most), value))
            };
            Value::Object(members.into_iter().map(one).collect())
        }
        _ => redact::VALUE.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::bodies::asked;

    fn data(shape: &'static Shape, body: &str) -> String {
        Sent { shapes: &[shape], body: body.as_bytes() }.redacted().unwrap_or_default()
    }

    #[test]
    fn b_aud_02_a_body_is_kept_without_its_secrets() {
        assert_eq!(
            data(
                &asked::REGISTER,
                r#"{"username":"newuser","email":"user@example.com","password":"SecurePassword123!","role":"free"}"#
            ),
            r#"{"email":"[EMAIL_REDACTED]","password":"[redacted]","role":"free","username":"newuser"}"#
        );
        let odd = r#"{"username":"Hunter2! is it","password":7,"totp":"123456","pasword":"x","a@b.co":1}"#;
        assert_eq!(
            data(&asked::LOGIN, odd),
            r#"{"[EMAIL_REDACTED]":"[redacted]","password":"[redacted]","pasword":"[redacted]","totp":"[redacted]","username":"[redacted]"}"#
        );
        assert_eq!(data(&asked::REFRESH, r#"{"refresh_token":"abc"}"#), r#"{"refresh_token":"[redacted]"}"#);
        for body in ["not json", "[1]", "\"password\"", "{\"a\":"] {
            assert_eq!(data(&asked::LOGIN, body), "\"[redacted]\"", "{body}");
        }
        assert_eq!(data(&asked::LOGIN, ""), "");
    }

    #[test]
    fn what_is_no_secret_stays() {
        let body = r#"{"name":"ci","scopes":["GET /a"],"bindings":{"account":["primary"]},"role":null,"expires_in":60}"#;
        let kept: Value = serde_json::from_str(&data(&asked::NEW_KEY, body)).unwrap();
        assert_eq!(kept, serde_json::from_str::<Value>(body).unwrap());
        let long =
            format!(r#"{{"name":"{}","scopes":["{}"]}}"#, "a b ".repeat(200), "GET /a/b ".repeat(1000));
        let kept = data(&asked::NEW_KEY, &long);
        assert!(kept.len() <= LONGEST_DATA, "{}", kept.len());
        serde_json::from_str::<Value>(&kept).unwrap();
    }
}
