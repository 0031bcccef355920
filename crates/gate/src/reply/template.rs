//! What a refusal says where the configuration says it: text with placeholders.

use std::borrow::Cow;

/// A template of a body, checked when the configuration is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(super) content_type: Box<str>,
    pub(super) fields: Vec<(Cow<'static, str>, Box<str>)>,
    /// `None` for the problem document of the gateway.
    pub(super) pieces: Option<Vec<Piece>>,
    /// What the log says of it; empty for the gateway's own words.
    log: Box<str>,
    /// The status in place of the refusal's own.
    status: Option<u16>,
    /// How it is told over a WebSocket.
    parting: Option<Parting>,
}

/// How a refusal is told over a WebSocket, where the configuration says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parting {
    pub(super) message: Option<Vec<Piece>>,
    pub(super) code: Option<u16>,
    pub(super) reason: Option<Box<str>>,
}

impl Parting {
    /// A message in the form of [`Template::new`] before the close frame, its status code and its reason; none for
    /// the gateway's own.
    pub fn new(
        message: Option<&str>,
        code: Option<u16>,
        reason: Option<&str>,
    ) -> Result<Self, UnknownPlaceholder> {
        Ok(Self { message: message.map(pieces).transpose()?, code, reason: reason.map(Into::into) })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Box<str>),
    Slot(Slot),
}

/// What a template can be filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Limit,
    Window,
    Remaining,
    Reset,
    RetryAfter,
    RequestId,
    Detail,
    Title,
    Code,
    Status,
    /// What is wrong with an invalid request, as the problem document lists it.
    Errors,
    /// The same as FastAPI lists it.
    FastapiErrors,
    Timestamp,
}

impl Slot {
    const ALL: [(&'static str, Slot); 13] = [
        ("limit", Slot::Limit),
        ("window", Slot::Window),
        ("remaining", Slot::Remaining),
        ("reset", Slot::Reset),
        ("retry_after", Slot::RetryAfter),
        ("request_id", Slot::RequestId),
        ("detail", Slot::Detail),
        ("title", Slot::Title),
        ("code", Slot::Code),
        ("status", Slot::Status),
        ("errors", Slot::Errors),
        ("fastapi_errors", Slot::FastapiErrors),
        ("timestamp", Slot::Timestamp),
    ];

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, slot)| *slot == self).map_or("", |(name, _)| name)
    }
}

/// A placeholder that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no placeholder {{{name}}}; valid ones are {valid}")]
pub struct UnknownPlaceholder {
    /// The name as written.
    pub name: String,
    /// The names there are.
    pub valid: String,
}

impl Template {
    /// Reads a template. `{name}` is a placeholder where `name` is made of small letters and `_`; every
    /// other brace is text, so JSON stands as it is.
    pub fn new(content_type: &str, body: &str) -> Result<Self, UnknownPlaceholder> {
        Ok(Self { pieces: Some(pieces(body)?), ..Self::of(content_type) })
    }

    /// The gateway's own body, to which fields may be added.
    pub fn problem() -> Self {
        Self::of("application/problem+json")
    }

    fn of(content_type: &str) -> Self {
        Self {
            content_type: content_type.into(),
            fields: Vec::new(),
            pieces: None,
            log: "".into(),
            parting: None,
            status: None,
        }
    }

    /// The same, with fields of its own.
    #[must_use]
    pub fn with_fields(mut self, fields: &[(String, String)]) -> Self {
        self.fields =
            fields.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.as_str().into())).collect();
        self
    }

    /// The same, with words of its own in the log.
    #[must_use]
    pub fn with_log(mut self, words: &str) -> Self {
        self.log = words.into();
        self
    }

    /// The same, told over a WebSocket in its own way.
    #[must_use]
    pub fn with_parting(mut self, parting: Parting) -> Self {
        self.parting = Some(parting);
        self
    }

    pub(super) fn parting(&self) -> Option<&Parting> {
        self.parting.as_ref()
    }

    /// The same, with a status of its own.
    #[must_use]
    pub fn with_status(mut self, status: Option<u16>) -> Self {
        self.status = status;
        self
    }

    /// The status in place of the refusal's own.
    pub(crate) fn status(&self) -> Option<u16> {
        self.status
    }

    /// What the log says of it; none for the gateway's own words.
    pub(crate) fn log(&self) -> Option<&str> {
        Some(&*self.log).filter(|words| !words.is_empty())
    }

    /// The media type of the body.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The fields of its own.
    pub fn fields(&self) -> &[(Cow<'static, str>, Box<str>)] {
        &self.fields
    }

    /// The body, where `write` appends what stands for the placeholder of a name; none for the problem
    /// document. What is appended must be escaped as the body needs it.
    pub fn body(&self, mut write: impl FnMut(&'static str, &mut String)) -> Option<Vec<u8>> {
        let pieces = self.pieces.as_ref()?;
        Some(fill(pieces, |slot, out| write(slot.name(), out)))
    }
}

fn pieces(body: &str) -> Result<Vec<Piece>, UnknownPlaceholder> {
    let mut pieces = Vec::new();
    let mut rest = body;
    let mut text = String::new();
    while let Some(open) = rest.find('{') {
        let after = &rest[open + 1..];
        let name_len = after.bytes().take_while(|byte| byte.is_ascii_lowercase() || *byte == b'_').count();
        text.push_str(&rest[..open]);
        if name_len > 0 && after.as_bytes().get(name_len) == Some(&b'}') {
            let name = &after[..name_len];
            let Some((_, slot)) = Slot::ALL.iter().find(|(known, _)| *known == name) else {
                let valid = Slot::ALL.map(|(known, _)| format!("{{{known}}}")).join(" ");
                return Err(UnknownPlaceholder { name: name.to_owned(), valid });
            };
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text).into()));
            }
            pieces.push(Piece::Slot(*slot));
            rest = &after[name_len + 1..];
        } else {
            text.push('{');
            rest = after;
        }
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
    Ok(pieces)
}

pub(super) fn fill(pieces: &[Piece], mut write: impl FnMut(Slot, &mut String)) -> Vec<u8> {
    let mut out = String::with_capacity(160);
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Slot(slot) => write(*slot, &mut out),
        }
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_by_others_too() {
        let template = Template::new("application/json", r#"{"detail":"{detail}","code":{status}}"#).unwrap();
        let body = template.body(|name, out| out.push_str(if name == "status" { "401" } else { name }));
        assert_eq!(body.as_deref(), Some(&br#"{"detail":"detail","code":401}"#[..]));
        assert_eq!(template.content_type(), "application/json");
        assert_eq!(Template::problem().body(|_, _| ()), None);
    }

    #[test]
    fn an_unknown_placeholder_is_an_error() {
        let error = Template::new("application/json", r#"{"a":"{limt}"}"#).unwrap_err();
        assert_eq!(error.name, "limt");
        assert!(error.to_string().contains("{limit}"));
    }
}
