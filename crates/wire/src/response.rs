//! Reading the head of a response.

use crate::error::ResponseError;
use crate::head::{
    Body, Caps, Field, LengthFault, MAX_FIELDS, Scratch, Version, content_length, lines_end_in_crlf,
};
use crate::known::Known;
use crate::list::lists;
use crate::scan;

/// The head of a response, borrowed from the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHead<'b, 's> {
    /// The status, 100 to 999.
    pub status: u16,
    /// The reason phrase; empty where there is none, or one with bytes over 0x7F.
    pub reason: &'b str,
    /// The version.
    pub version: Version,
    /// All fields in the order of arrival.
    pub fields: &'s [Field<'b>],
    /// How the end of the body is found (RFC 9112 section 6.3).
    pub body: Body,
    /// `Content-Length`, also where there is no body (to HEAD, with 304): it may stand several times with
    /// the same value, so drop the fields and write this one. Never send it with 1xx and 204
    /// (RFC 9110 section 8.6).
    pub content_length: Option<u64>,
    /// Whether the connection can carry another request. Bytes beyond the body still forbid it.
    pub persistent: bool,
    /// With 101: the protocol that is switched to.
    pub upgrade: Option<&'b str>,
    /// Bytes of the head, with the empty line that ends it.
    pub len: usize,
}

/// Reads the head of a response to a request of the method `request_method` from the beginning of `bytes`.
/// `None`: more bytes are needed. A status below 200, other than 101, is followed by another head.
///
/// [`Caps::target`] has no meaning here. Errors come as early, and are as steady, as in
/// [`parse_request`](crate::parse_request).
pub fn parse_response<'b, 's>(
    bytes: &'b [u8],
    caps: &Caps,
    request_method: &str,
    scratch: &'s mut Scratch<'b>,
) -> Result<Option<ResponseHead<'b, 's>>, ResponseError> {
    let mut response = httparse::Response::new(&mut []);
    let fields = &mut scratch.fields[..caps.fields.min(MAX_FIELDS)];
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, fields);
    let Ok(httparse::Status::Complete(len)) = parsed else { return explain(bytes, caps) };
    let (Some(status), Some(reason)) = (response.code, response.reason) else { return explain(bytes, caps) };
    let fields: &'s [Field<'b>] = response.headers;
    let version = Version::of_minor(response.version);
    let sound = len <= caps.head
        && status >= 100
        && bytes.starts_with(b"HTTP/1.")
        && memchr::memchr(b'\n', bytes).is_some_and(|end| bytes[end - 1] == b'\r')
        && lines_end_in_crlf(bytes, fields, len);
    if !sound {
        return explain(bytes, caps);
    }
    let mut claims = Claims::new(version, status);
    for field in fields {
        claims.take(field.name, field.value)?;
    }
    let Settled { body, content_length, persistent, upgrade } = claims.settle(request_method)?;
    Ok(Some(ResponseHead { status, reason, version, fields, body, content_length, persistent, upgrade, len }))
}

/// Says what is wrong with a head that was not accepted, or that more bytes are needed.
#[cold]
fn explain<'b, 's>(bytes: &'b [u8], caps: &Caps) -> Result<Option<ResponseHead<'b, 's>>, ResponseError> {
    let within = &bytes[..bytes.len().min(caps.head)];
    let too_large = if bytes.len() >= caps.head { Err(ResponseError::HeadTooLarge) } else { Ok(None) };
    let Some((version, start)) = scan::status_line(within)? else { return too_large };
    let mut claims = Claims::new(version, 0);
    let end =
        scan::fields(&within[start..], caps.fields.min(MAX_FIELDS), |name, value| claims.take(name, value))?;
    match end {
        None => too_large,
        Some(_) => Err(ResponseError::MalformedHead),
    }
}

/// What the fields say about the message as a whole, taken up one by one.
struct Claims<'b> {
    version: Version,
    status: u16,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade_listed: bool,
    upgrade: Option<&'b [u8]>,
    upgrades: usize,
}

/// What they say together.
struct Settled<'b> {
    body: Body,
    content_length: Option<u64>,
    persistent: bool,
    upgrade: Option<&'b str>,
}

impl<'b> Claims<'b> {
    fn new(version: Version, status: u16) -> Claims<'b> {
        Claims {
            version,
            status,
            length: None,
            chunked: false,
            close: false,
            keep_alive: false,
            upgrade_listed: false,
            upgrade: None,
            upgrades: 0,
        }
    }

    fn take(&mut self, name: &'b str, value: &'b [u8]) -> Result<(), ResponseError> {
        match Known::of(name) {
            Known::ContentLength => return self.content_length(value),
            Known::TransferEncoding => return self.transfer_encoding(value),
            Known::Connection => {
                self.close |= lists(value, "close");
                self.keep_alive |= lists(value, "keep-alive");
                self.upgrade_listed |= lists(value, "upgrade");
            }
            Known::Upgrade => {
                self.upgrade = Some(value);
                self.upgrades += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        let length = content_length(value).map_err(|fault| match fault {
            LengthFault::Invalid => ResponseError::InvalidContentLength,
            LengthFault::TooLarge => ResponseError::ContentLengthTooLarge,
        })?;
        if self.length.replace(length).is_some_and(|before| before != length) {
            return Err(ResponseError::DifferingContentLength);
        }
        self.one_length()
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        if self.version == Version::Http10 {
            return Err(ResponseError::TransferEncodingOnHttp10);
        }
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(ResponseError::InvalidTransferEncoding);
        }
        self.chunked = true;
        self.one_length()
    }

    fn one_length(&self) -> Result<(), ResponseError> {
        if self.chunked && self.length.is_some() {
            return Err(ResponseError::LengthAndTransferEncoding);
        }
        Ok(())
    }

    fn settle(self, request_method: &str) -> Result<Settled<'b>, ResponseError> {
        let announced = match self.length {
            _ if self.chunked => Body::Chunked,
            Some(length) => Body::Length(length),
            None => Body::UntilClose,
        };
        let bodiless = matches!(self.status, 100..200 | 204);
        let body =
            if bodiless || self.status == 304 || request_method == "HEAD" { Body::Empty } else { announced };
        // 1xx and 204 may not announce a body (RFC 9110 section 8.6, RFC 9112 section 6.1). One that does
        // may send it too, and it would be read as the next response: use the connection no more.
        let contradicts = bodiless && matches!(announced, Body::Chunked | Body::Length(1..));
        let kept = match self.version {
            Version::Http11 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        };
        Ok(Settled {
            body,
            content_length: self.length,
            persistent: kept && !contradicts && body != Body::UntilClose,
            upgrade: if self.status == 101 { Some(self.switched()?) } else { None },
        })
    }

    fn switched(&self) -> Result<&'b str, ResponseError> {
        let one = self.upgrade.filter(|protocol| {
            self.upgrades == 1
                && self.upgrade_listed
                && self.version == Version::Http11
                && !protocol.is_empty()
        });
        one.and_then(|protocol| std::str::from_utf8(protocol).ok()).ok_or(ResponseError::InvalidSwitch)
    }
}

#[cfg(test)]
mod tests;
