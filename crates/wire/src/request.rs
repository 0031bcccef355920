//! Reading the head of a request.

use crate::error::RequestError;
use crate::head::{
    Body, Caps, Field, LengthFault, MAX_FIELDS, Scratch, Version, content_length, lines_end_in_crlf,
    start_line_ends_in_crlf,
};
use crate::host::is_authority;
use crate::known::Known;
use crate::list::{is_token, lists, tokens};
use crate::scan;

/// The head of a request, borrowed from the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead<'b, 's> {
    /// The method: a token without lower-case letters.
    pub method: &'b str,
    /// The request target as sent, not empty, visible ASCII; [`crate::split_target`] takes it apart.
    pub target: &'b str,
    /// The version.
    pub version: Version,
    /// All fields in the order of arrival.
    pub fields: &'s [Field<'b>],
    /// `Host`, a valid authority; empty where an HTTP/1.0 client sent none.
    pub host: &'b str,
    /// How the end of the body is found; never [`Body::UntilClose`].
    pub body: Body,
    /// Whether the client wants the connection to stay open (RFC 9112 section 9.3).
    pub persistent: bool,
    /// Whether the client waits for 100 (RFC 9110 section 10.1.1). False without a body to come, and in
    /// HTTP/1.0, where the field means nothing.
    pub expect_continue: bool,
    /// What the client wants to upgrade to: `Upgrade`, where `Connection` lists it, in HTTP/1.1.
    ///
    /// None where a body is announced (Java's client asks for `h2c` with every POST; the request is served
    /// as it is, and no body can be taken for frames), and none where `h2c` is asked for, which would take
    /// all further requests past the gateway. RFC 9110 section 7.8 lets a server ignore any upgrade.
    pub upgrade: Option<&'b str>,
    /// Bytes of the head, with the empty line that ends it.
    pub len: usize,
}

/// Reads the head of a request from the beginning of `bytes`. `None`: more bytes are needed.
///
/// An error comes with the first byte that makes it certain, and is the same however the bytes were split.
/// Fields that say something about the message as a whole (a missing `Host`) are judged at the end of the head.
/// Nothing is kept between calls, so each one costs a pass over all bytes (0.7 ns a byte while the head is not
/// whole). Against a client that drips bytes, call again only when the new ones have a LF in them or the cap is
/// reached.
pub fn parse_request<'b, 's>(
    bytes: &'b [u8],
    caps: &Caps,
    scratch: &'s mut Scratch<'b>,
) -> Result<Option<RequestHead<'b, 's>>, RequestError> {
    let mut request = httparse::Request::new(&mut []);
    let fields = &mut scratch.fields[..caps.fields.min(MAX_FIELDS)];
    let Ok(httparse::Status::Complete(len)) = request.parse_with_uninit_headers(bytes, fields) else {
        return explain(bytes, caps);
    };
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return explain(bytes, caps);
    };
    let fields: &'s [Field<'b>] = request.headers;
    let version = Version::of_minor(request.version);
    let start_line = method.len() + 1 + target.len() + 1 + b"HTTP/1.1".len();
    let sound = len <= caps.head
        && target.len() <= caps.target
        && method.len() <= scan::MAX_METHOD
        && bytes.starts_with(method.as_bytes())
        && method.bytes().all(scan::is_method_byte)
        // Blanks and control characters `httparse` has refused.
        && target.is_ascii()
        && memchr::memchr(b'#', target.as_bytes()).is_none()
        && start_line_ends_in_crlf(bytes, start_line)
        && lines_end_in_crlf(bytes, fields, len);
    if !sound {
        return explain(bytes, caps);
    }
    let mut claims = Claims::new(version);
    for field in fields {
        claims.take(field.name, field.value)?;
    }
    let Settled { host, body, persistent, expect_continue, upgrade } = claims.settle(fields)?;
    Ok(Some(RequestHead {
        method,
        target,
        version,
        fields,
        host,
        body,
        persistent,
        expect_continue,
        upgrade,
        len,
    }))
}

/// Whether a connection begins with the HTTP/2 preface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preface {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// So far it does; more bytes are needed.
    Maybe,
}

/// Whether a connection that begins with `prefix` speaks HTTP/2 (RFC 9113 section 3.4): ask before
/// [`parse_request`] where HTTP/2 is spoken without TLS.
pub fn http2_preface(prefix: &[u8]) -> Preface {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    match prefix.len().min(PREFACE.len()) {
        len if prefix[..len] != PREFACE[..len] => Preface::No,
        len if len == PREFACE.len() => Preface::Yes,
        _ => Preface::Maybe,
    }
}

/// Says what is wrong with a head that was not accepted, or that more bytes are needed.
#[cold]
fn explain<'b, 's>(bytes: &'b [u8], caps: &Caps) -> Result<Option<RequestHead<'b, 's>>, RequestError> {
    let within = &bytes[..bytes.len().min(caps.head)];
    let too_large = if bytes.len() >= caps.head { Err(RequestError::HeadTooLarge) } else { Ok(None) };
    let Some((version, start)) = scan::request_line(within, caps.target)? else { return too_large };
    let mut claims = Claims::new(version);
    let end =
        scan::fields(&within[start..], caps.fields.min(MAX_FIELDS), |name, value| claims.take(name, value))?;
    match end {
        None => too_large,
        Some(_) => Err(RequestError::MalformedHead),
    }
}

/// The most elements of all `Connection` fields; more are a way to make the gateway compare names.
const MAX_CONNECTION_TOKENS: usize = 16;

/// What the fields say about the message as a whole, taken up one by one.
struct Claims<'b> {
    version: Version,
    host: Option<&'b str>,
    length: Option<u64>,
    chunked: bool,
    expects: bool,
    connection_tokens: usize,
    close: bool,
    keep_alive: bool,
    upgrade_listed: bool,
    nominates: bool,
    upgrade: Option<&'b str>,
}

/// What they say together.
struct Settled<'b> {
    host: &'b str,
    body: Body,
    persistent: bool,
    expect_continue: bool,
    upgrade: Option<&'b str>,
}

impl<'b> Claims<'b> {
    fn new(version: Version) -> Claims<'b> {
        Claims {
            version,
            host: None,
            length: None,
            chunked: false,
            expects: false,
            connection_tokens: 0,
            close: false,
            keep_alive: false,
            upgrade_listed: false,
            nominates: false,
            upgrade: None,
        }
    }

    fn take(&mut self, name: &'b str, value: &'b [u8]) -> Result<(), RequestError> {
        match Known::of(name) {
            Known::Host => self.host(value),
            Known::ContentLength => self.content_length(value),
            Known::TransferEncoding => self.transfer_encoding(value),
            Known::Connection => self.connection(value),
            Known::Upgrade => self.upgrade(value),
            Known::Expect => self.expect(value),
            Known::Other if matches!(name.len(), 14 | 17) => match Known::behind_underscores(name) {
                Known::ContentLength | Known::TransferEncoding => Err(RequestError::UnderscoredFraming),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &'b [u8]) -> Result<(), RequestError> {
        let host = std::str::from_utf8(value).ok().filter(|host| is_authority(host));
        let host = host.ok_or(RequestError::InvalidHost)?;
        if self.host.replace(host).is_some() {
            return Err(RequestError::DuplicateHost);
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), RequestError> {
        let length = content_length(value).map_err(|fault| match fault {
            LengthFault::Invalid => RequestError::InvalidContentLength,
            LengthFault::TooLarge => RequestError::ContentLengthTooLarge,
        })?;
        if self.length.replace(length).is_some() {
            return Err(RequestError::DuplicateContentLength);
        }
        self.one_length()
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), RequestError> {
        if self.version == Version::Http10 {
            return Err(RequestError::TransferEncodingOnHttp10);
        }
        if self.chunked {
            return Err(RequestError::DuplicateTransferEncoding);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(other_coding(value));
        }
        self.chunked = true;
        self.one_length()
    }

    fn one_length(&self) -> Result<(), RequestError> {
        if self.chunked && self.length.is_some() {
            return Err(RequestError::LengthAndTransferEncoding);
        }
        Ok(())
    }

    fn connection(&mut self, value: &'b [u8]) -> Result<(), RequestError> {
        for token in tokens(value) {
            self.connection_tokens += 1;
            if self.connection_tokens > MAX_CONNECTION_TOKENS || !is_token(token) {
                return Err(RequestError::InvalidConnection);
            }
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade_listed = true;
            } else {
                let name = std::str::from_utf8(token).map_err(|_| RequestError::InvalidConnection)?;
                let known = Known::of(name);
                if !known.may_be_nominated() {
                    return Err(RequestError::ConnectionNominatesField);
                }
                self.nominates |= known == Known::Other;
            }
        }
        Ok(())
    }

    fn upgrade(&mut self, value: &'b [u8]) -> Result<(), RequestError> {
        let text = std::str::from_utf8(value).ok();
        let protocols = text.filter(|_| tokens(value).next().is_some() && tokens(value).all(is_protocol));
        let protocols = protocols.ok_or(RequestError::InvalidUpgrade)?;
        if self.upgrade.replace(protocols).is_some() {
            return Err(RequestError::DuplicateUpgrade);
        }
        Ok(())
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), RequestError> {
        if self.expects || !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(RequestError::ExpectationFailed);
        }
        self.expects = true;
        Ok(())
    }

    fn settle(self, fields: &[Field<'b>]) -> Result<Settled<'b>, RequestError> {
        let http11 = self.version == Version::Http11;
        if http11 && self.host.is_none() {
            return Err(RequestError::MissingHost);
        }
        if self.nominates && nominates_a_field(fields) {
            return Err(RequestError::ConnectionNominatesField);
        }
        let body = match self.length {
            _ if self.chunked => Body::Chunked,
            Some(length) => Body::Length(length),
            None => Body::Empty,
        };
        let body_follows = !matches!(body, Body::Empty | Body::Length(0));
        let upgrade = self.upgrade.filter(|protocols| {
            http11 && self.upgrade_listed && !body_follows && !lists(protocols.as_bytes(), "h2c")
        });
        Ok(Settled {
            host: self.host.unwrap_or(""),
            body,
            persistent: !self.close && (http11 || self.keep_alive),
            expect_continue: self.expects && http11 && body_follows,
            upgrade,
        })
    }
}

/// A field that stands in the request and that `Connection` names, without being hop-by-hop by its own nature.
#[cold]
fn nominates_a_field(fields: &[Field<'_>]) -> bool {
    let connections = || fields.iter().filter(|field| Known::of(field.name) == Known::Connection);
    let named = |field: &Field<'_>| connections().any(|connection| lists(connection.value, field.name));
    fields.iter().any(|field| Known::of(field.name) == Known::Other && named(field))
}

/// What a `Transfer-Encoding` other than `chunked` is refused as (RFC 9112 sections 6.1 and 6.3).
#[cold]
fn other_coding(value: &[u8]) -> RequestError {
    let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let once = tokens(value).filter(chunked).count() == 1;
    if once && tokens(value).last().is_some_and(|last| chunked(&last)) && tokens(value).count() > 1 {
        RequestError::UnsupportedTransferCoding
    } else {
        RequestError::InvalidTransferEncoding
    }
}

/// A protocol of `Upgrade`: a token, with an optional version behind a slash (RFC 9110 section 7.8).
fn is_protocol(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |byte| *byte == b'/');
    parts.all(is_token)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
