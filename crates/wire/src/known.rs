//! The field names that a proxy treats in a way of their own.

/// A field name that means something to a proxy. Everything else is [`Known::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Known {
    /// `Connection`.
    Connection,
    /// `Keep-Alive`.
    KeepAlive,
    /// `Proxy-Connection`.
    ProxyConnection,
    /// `Proxy-Authenticate`.
    ProxyAuthenticate,
    /// `Proxy-Authorization`.
    ProxyAuthorization,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `TE`.
    Te,
    /// `Trailer`.
    Trailer,
    /// `Upgrade`.
    Upgrade,
    /// `HTTP2-Settings`.
    Http2Settings,
    /// `Content-Length`.
    ContentLength,
    /// `Content-Type`.
    ContentType,
    /// `Content-Encoding`.
    ContentEncoding,
    /// `Content-Range`.
    ContentRange,
    /// `Host`.
    Host,
    /// `Expect`.
    Expect,
    /// `Date`.
    Date,
    /// `Server`.
    Server,
    /// `X-Powered-By`.
    XPoweredBy,
    /// `Via`.
    Via,
    /// `Age`.
    Age,
    /// `Vary`.
    Vary,
    /// `Location`.
    Location,
    /// `Retry-After`.
    RetryAfter,
    /// `Cache-Control`.
    CacheControl,
    /// `Max-Forwards`.
    MaxForwards,
    /// `Range`.
    Range,
    /// `Origin`.
    Origin,
    /// `Authorization`.
    Authorization,
    /// `WWW-Authenticate`.
    WwwAuthenticate,
    /// `Cookie`.
    Cookie,
    /// `Set-Cookie`.
    SetCookie,
    /// `Forwarded`.
    Forwarded,
    /// Any `X-Forwarded-…`.
    XForwarded,
    /// `X-Real-IP`.
    XRealIp,
    /// Any `X-Auth-…`: who it is, as the gateway tells the application.
    XAuth,
    /// `X-API-Key`.
    XApiKey,
    /// `X-Request-Id`.
    XRequestId,
    /// `Traceparent`.
    Traceparent,
    /// `Sec-WebSocket-Key`.
    SecWebSocketKey,
    /// `Sec-WebSocket-Extensions`.
    SecWebSocketExtensions,
    /// Any other.
    Other,
}

/// Whether the field name `name` is `other`, in any letter case.
pub fn name_is(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

impl Known {
    /// The class of a field name, in any letter case.
    pub fn of(name: &str) -> Known {
        classify(name.as_bytes())
    }

    /// The class that `name` has for an application behind CGI or WSGI, where `X_Forwarded_For` and
    /// `X-Forwarded-For` are one variable: [`Known::Other`] where `name` has no underscore.
    ///
    /// What the gateway vouches for must be removed in this spelling too.
    pub fn behind_underscores(name: &str) -> Known {
        // The longest known name has 24 bytes; of the prefixes the first 24 are enough.
        let mut folded = [0_u8; 25];
        if !name.as_bytes().contains(&b'_') {
            return Known::Other;
        }
        let len = name.len().min(folded.len());
        for (to, from) in folded.iter_mut().zip(name.bytes()) {
            *to = if from == b'_' { b'-' } else { from };
        }
        classify(&folded[..len])
    }

    /// Whether the field is for the next hop only and so never passed on (RFC 9110 section 7.6.1).
    /// `Transfer-Encoding` and `Upgrade` are too; who passes framing or an upgrade on writes them again.
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Known::Connection
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::ProxyAuthenticate
                | Known::ProxyAuthorization
                | Known::TransferEncoding
                | Known::Te
                | Known::Trailer
                | Known::Upgrade
                | Known::Http2Settings
        )
    }

    /// Whether `Connection` may name the field. Everything else that is known is meant for the recipient.
    pub(crate) fn may_be_nominated(self) -> bool {
        matches!(
            self,
            Known::KeepAlive
                | Known::ProxyConnection
                | Known::Te
                | Known::Trailer
                | Known::Upgrade
                | Known::Http2Settings
                | Known::Other
        )
    }

    /// Whether the field may stand in a trailer section: nothing that frames, routes, authenticates or
    /// describes the content, nothing the gateway vouches for (RFC 9110 section 6.5.1).
    pub(crate) fn may_be_trailer(self) -> bool {
        self == Known::Other
    }
}

/// By length first: most names of a head have the length of at most three known ones.
fn classify(name: &[u8]) -> Known {
    macro_rules! first_of {
        ($($text:literal => $known:ident),+) => {{
            $(if name.eq_ignore_ascii_case($text) { return Known::$known; })+
        }};
    }
    match name.len() {
        2 => first_of!(b"te" => Te),
        3 => first_of!(b"via" => Via, b"age" => Age),
        4 => first_of!(b"host" => Host, b"date" => Date, b"vary" => Vary),
        5 => first_of!(b"range" => Range),
        6 => first_of!(b"cookie" => Cookie, b"origin" => Origin, b"expect" => Expect, b"server" => Server),
        7 => first_of!(b"upgrade" => Upgrade, b"trailer" => Trailer),
        8 => first_of!(b"location" => Location),
        9 => first_of!(b"forwarded" => Forwarded, b"x-real-ip" => XRealIp, b"x-api-key" => XApiKey),
        10 => first_of!(b"connection" => Connection, b"keep-alive" => KeepAlive, b"set-cookie" => SetCookie),
        11 => first_of!(b"traceparent" => Traceparent, b"retry-after" => RetryAfter),
        12 => first_of!(b"content-type" => ContentType, b"x-request-id" => XRequestId,
                        b"x-powered-by" => XPoweredBy, b"max-forwards" => MaxForwards),
        13 => first_of!(b"authorization" => Authorization, b"cache-control" => CacheControl,
                        b"content-range" => ContentRange),
        14 => first_of!(b"content-length" => ContentLength, b"http2-settings" => Http2Settings),
        16 => first_of!(b"content-encoding" => ContentEncoding, b"proxy-connection" => ProxyConnection,
                        b"www-authenticate" => WwwAuthenticate),
        17 => first_of!(b"transfer-encoding" => TransferEncoding, b"sec-websocket-key" => SecWebSocketKey),
        18 => first_of!(b"proxy-authenticate" => ProxyAuthenticate),
        19 => first_of!(b"proxy-authorization" => ProxyAuthorization),
        24 => first_of!(b"sec-websocket-extensions" => SecWebSocketExtensions),
        _ => {}
    }
    if name.len() > 7 && name[0] | 0x20 == b'x' {
        if name[..7].eq_ignore_ascii_case(b"x-auth-") {
            return Known::XAuth;
        }
        if name.len() > 12 && name[..12].eq_ignore_ascii_case(b"x-forwarded-") {
            return Known::XForwarded;
        }
    }
    Known::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [(&str, Known); 44] = [
        ("Connection", Known::Connection),
        ("Keep-Alive", Known::KeepAlive),
        ("Proxy-Connection", Known::ProxyConnection),
        ("Proxy-Authenticate", Known::ProxyAuthenticate),
        ("Proxy-Authorization", Known::ProxyAuthorization),
        ("Transfer-Encoding", Known::TransferEncoding),
        ("TE", Known::Te),
        ("Trailer", Known::Trailer),
        ("Upgrade", Known::Upgrade),
        ("HTTP2-Settings", Known::Http2Settings),
        ("Content-Length", Known::ContentLength),
        ("Content-Type", Known::ContentType),
        ("Content-Encoding", Known::ContentEncoding),
        ("Content-Range", Known::ContentRange),
        ("Host", Known::Host),
        ("Expect", Known::Expect),
        ("Date", Known::Date),
        ("Server", Known::Server),
        ("X-Powered-By", Known::XPoweredBy),
        ("Via", Known::Via),
        ("Age", Known::Age),
        ("Vary", Known::Vary),
        ("Location", Known::Location),
        ("Retry-After", Known::RetryAfter),
        ("Cache-Control", Known::CacheControl),
        ("Max-Forwards", Known::MaxForwards),
        ("Range", Known::Range),
        ("Origin", Known::Origin),
        ("Authorization", Known::Authorization),
        ("WWW-Authenticate", Known::WwwAuthenticate),
        ("Cookie", Known::Cookie),
        ("Set-Cookie", Known::SetCookie),
        ("Forwarded", Known::Forwarded),
        ("X-Forwarded-For", Known::XForwarded),
        ("X-Forwarded-Proto", Known::XForwarded),
        ("X-Real-IP", Known::XRealIp),
        ("X-Auth-User", Known::XAuth),
        ("X-API-Key", Known::XApiKey),
        ("X-Request-Id", Known::XRequestId),
        ("Traceparent", Known::Traceparent),
        ("Sec-WebSocket-Key", Known::SecWebSocketKey),
        ("Sec-WebSocket-Extensions", Known::SecWebSocketExtensions),
        ("X-Forwarded", Known::Other),
        ("session_id", Known::Other),
    ];

    #[test]
    fn names_are_classified_in_any_letter_case() {
        for (name, known) in NAMES {
            assert_eq!(Known::of(name), known, "{name}");
            assert_eq!(Known::of(&name.to_ascii_uppercase()), known, "{name}");
            assert_eq!(Known::of(&name.to_ascii_lowercase()), known, "{name}");
            assert_eq!(
                Known::of(&format!("{name}s")) == known,
                known == Known::Other || matches!(known, Known::XAuth | Known::XForwarded),
                "{name}s"
            );
        }
    }

    #[test]
    fn underscores_hide_a_name_from_cgi_only() {
        for (name, known) in NAMES {
            let underscored = name.replace('-', "_");
            let expected = if underscored.contains('_') { known } else { Known::Other };
            assert_eq!(Known::behind_underscores(&underscored), expected, "{underscored}");
        }
        assert_eq!(Known::behind_underscores("X_Auth-Something_quite_long_behind_it"), Known::XAuth);
        assert_eq!(Known::behind_underscores("session_id"), Known::Other);
        assert_eq!(Known::behind_underscores("Content-Length"), Known::Other);
    }
}
