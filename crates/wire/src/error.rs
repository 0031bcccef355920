//! Every refusal, with its stable name, its status and what it stops.

/// Declares an error: each variant with its name, its status and its sentence.
macro_rules! refusals {
    ($(#[$meta:meta])* $error:ident { $($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        #[non_exhaustive]
        pub enum $error {
            $($(#[$doc])* #[error($text)] $variant,)+
        }

        impl $error {
            /// Every one, for tests and tables that must be complete.
            pub const ALL: &'static [$error] = &[$($error::$variant),+];

            /// The stable name, for logs and metrics.
            pub fn name(self) -> &'static str {
                match self { $($error::$variant => $name,)+ }
            }

            /// The status to answer with.
            pub fn status(self) -> u16 {
                match self { $($error::$variant => $status,)+ }
            }
        }
    };
}

refusals! {
    /// Why a request is refused. The connection must be closed after it: where the next request would begin
    /// is not known.
    RequestError {
        /// An empty line before the request line. RFC 9112 section 2.2 lets a server skip one; it is what a
        /// body longer than its length leaves behind, so nothing is skipped here.
        LeadingBlankLine = "leading-blank-line", 400, "an empty line stands before the request line";
        /// A TLS `ClientHello` on a plain listener.
        TlsHandshake = "tls-handshake", 400, "the connection speaks TLS, this listener does not";
        /// The HTTP/2 connection preface (RFC 9113 section 3.4): hand the connection over or refuse it.
        Http2Preface = "http2-preface", 505, "the connection speaks HTTP/2";
        /// A method that is no token (RFC 9110 section 9.1) or has lower-case letters: no registered method
        /// has any, and an application that ignores letter case would run a rule meant for another method.
        InvalidMethod = "invalid-method", 400, "the method is not an upper-case token";
        /// A method longer than any that exists (RFC 9112 section 3).
        MethodTooLong = "method-too-long", 501, "the method is too long";
        /// A blank too many, or a tab, in the request line. RFC 9112 section 3 warns of readers that split at
        /// any white space and find another target.
        RequestLineBlanks = "request-line-blanks", 400, "the request line has a blank too many";
        /// Control characters, bytes over 0x7E or `#` in the target (RFC 9112 section 3.2, RFC 3986).
        InvalidTarget = "invalid-target", 400, "the request target has a character that may not stand in it";
        /// The target is longer than [`crate::Caps::target`].
        TargetTooLong = "target-too-long", 414, "the request target is too long";
        /// What follows the target is not `HTTP/1.x`: HTTP/0.9, another letter case, or a blank in the target
        /// (RFC 9112 section 2.3).
        InvalidVersion = "invalid-version", 400, "what follows the target is not a version of HTTP";
        /// A version other than 1.0 and 1.1 (RFC 9110 section 15.6.6).
        UnsupportedVersion = "unsupported-version", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here";
        /// A line that ends in LF alone. RFC 9112 section 2.2 lets a reader take it for a line end; one that
        /// does and one that doesn't see two different messages.
        BareLf = "bare-lf", 400, "a line ends in LF without CR";
        /// A CR that is not followed by LF (RFC 9112 section 2.2: invalid); some take it for a line end.
        BareCr = "bare-cr", 400, "a CR is not followed by LF";
        /// A blank before the first field (RFC 9112 section 2.2): some skip that line, some fold it.
        BlankBeforeFirstField = "blank-before-first-field", 400, "a blank stands before the first field";
        /// A line that begins with a blank and so continues the one before (RFC 9112 section 5.2): hides a
        /// field from whoever does not fold.
        ObsFold = "obs-fold", 400, "a field is folded over several lines";
        /// A blank between name and colon (RFC 9112 section 5.1): `Content-Length :` is seen by some only.
        BlankBeforeColon = "blank-before-colon", 400, "a blank stands between a field name and its colon";
        /// A field name that is no token, is empty, or has no colon (RFC 9110 section 5.1).
        InvalidFieldName = "invalid-field-name", 400, "a field name is not a token followed by a colon";
        /// NUL or another control character in a value (RFC 9110 section 5.5): cuts the value short for some.
        ControlInValue = "control-in-value", 400, "a field value has a control character";
        /// More fields than [`crate::Caps::fields`] (RFC 6585 section 5).
        TooManyFields = "too-many-fields", 431, "there are too many fields";
        /// The head is longer than [`crate::Caps::head`] (RFC 6585 section 5).
        HeadTooLarge = "head-too-large", 431, "the head is too large";
        /// Any other head that `httparse` refuses.
        MalformedHead = "malformed-head", 400, "the head is malformed";
        /// HTTP/1.1 without `Host` (RFC 9112 section 3.2).
        MissingHost = "missing-host", 400, "Host is missing";
        /// More than one `Host` (RFC 9112 section 3.2): routed by one, answered for the other.
        DuplicateHost = "duplicate-host", 400, "Host stands more than once";
        /// A `Host` that is not a host with an optional port (RFC 9110 section 7.2): user names, paths,
        /// blanks and lists end up in links and caches of the application.
        InvalidHost = "invalid-host", 400, "Host is not a host name or address with an optional port";
        /// A `Content-Length` that is not digits only (RFC 9110 section 8.6): signs, blanks, lists, hex.
        InvalidContentLength = "invalid-content-length", 400, "Content-Length is not a number";
        /// A `Content-Length` over 2⁶³−1: wraps to another length in some readers.
        ContentLengthTooLarge = "content-length-too-large", 400, "Content-Length is out of range";
        /// More than one `Content-Length`, even if equal (RFC 9112 section 6.3, number 5, allows to refuse).
        DuplicateContentLength = "duplicate-content-length", 400, "Content-Length stands more than once";
        /// `Transfer-Encoding` and `Content-Length` (RFC 9112 section 6.1): request smuggling, CL.TE and TE.CL.
        LengthAndTransferEncoding = "length-and-transfer-encoding", 400, "both Content-Length and Transfer-Encoding stand in the head";
        /// `Transfer-Encoding` in HTTP/1.0, which does not have it (RFC 9112 section 6.1).
        TransferEncodingOnHttp10 = "transfer-encoding-on-http10", 400, "HTTP/1.0 has no Transfer-Encoding";
        /// More than one `Transfer-Encoding`: request smuggling, TE.TE.
        DuplicateTransferEncoding = "duplicate-transfer-encoding", 400, "Transfer-Encoding stands more than once";
        /// A `Transfer-Encoding` that does not end in `chunked`, or has it twice (RFC 9112 section 6.3,
        /// number 4): obfuscated (`xchunked`), so that one reader sees it and another does not.
        InvalidTransferEncoding = "invalid-transfer-encoding", 400, "Transfer-Encoding is not chunked";
        /// Another coding before `chunked` (RFC 9112 section 6.1: 501).
        UnsupportedTransferCoding = "unsupported-transfer-coding", 501, "the only transfer coding spoken here is chunked";
        /// `content_length` or `transfer_encoding`: the framing for an application behind CGI or WSGI, which
        /// see no difference between `_` and `-`, and an unknown field for everybody else.
        UnderscoredFraming = "underscored-framing", 400, "a framing field is written with an underscore";
        /// `Expect` with anything but one `100-continue` (RFC 9110 section 10.1.1).
        ExpectationFailed = "expectation-failed", 417, "the only expectation met here is 100-continue";
        /// A `Connection` that is no list of tokens, or lists more than 16.
        InvalidConnection = "invalid-connection", 400, "Connection is not a short list of tokens";
        /// `Connection` names a field of the request that is not hop-by-hop (RFC 9110 section 7.6.1 says
        /// a sender must not): proxies that obey remove it, and with it a credential or a client address.
        ConnectionNominatesField = "connection-nominates-field", 400, "Connection names a field that is meant for the recipient";
        /// An `Upgrade` that is not text (RFC 9110 section 7.8).
        InvalidUpgrade = "invalid-upgrade", 400, "Upgrade is not a list of protocols";
        /// More than one `Upgrade`: which protocol was switched to would depend on the reader.
        DuplicateUpgrade = "duplicate-upgrade", 400, "Upgrade stands more than once";
        /// CONNECT: this is not a forward proxy (RFC 9110 section 9.3.6).
        ConnectMethod = "connect-method", 501, "CONNECT is not supported";
        /// A target in none of the forms of RFC 9112 section 3.2, or in one its method does not have.
        InvalidTargetForm = "invalid-target-form", 400, "the request target has no form that fits the method";
        /// A backslash in the path: some take it for a slash and find another path than the one checked.
        BackslashInPath = "backslash-in-path", 400, "a backslash stands in the path";
        /// An absolute target whose authority is not the one in `Host`. RFC 9112 section 3.2.2 prefers the
        /// target; an application that reads `Host` would be addressed by another name than was checked.
        HostMismatch = "host-mismatch", 400, "the target names another host than Host does";
    }
}

refusals! {
    /// Why a response of the application cannot be passed on (502 towards the client). Its connection must be
    /// closed.
    ResponseError {
        /// An empty line, or something else than `HTTP/1.0` or `HTTP/1.1`, a blank and three digits from 100
        /// on (RFC 9112 section 4).
        InvalidStatusLine = "invalid-status-line", 502, "the status line is not one of HTTP/1.1";
        /// A line that ends in LF alone (RFC 9112 section 2.2).
        BareLf = "bare-lf", 502, "a line ends in LF without CR";
        /// A CR that is not followed by LF (RFC 9112 section 2.2): response splitting.
        BareCr = "bare-cr", 502, "a CR is not followed by LF";
        /// A blank before the first field (RFC 9112 section 2.2).
        BlankBeforeFirstField = "blank-before-first-field", 502, "a blank stands before the first field";
        /// A folded field (RFC 9112 section 5.2: discard the message, or unfold it).
        ObsFold = "obs-fold", 502, "a field is folded over several lines";
        /// A blank between name and colon (RFC 9112 section 5.1).
        BlankBeforeColon = "blank-before-colon", 502, "a blank stands between a field name and its colon";
        /// A field name that is no token, is empty, or has no colon (RFC 9110 section 5.1).
        InvalidFieldName = "invalid-field-name", 502, "a field name is not a token followed by a colon";
        /// NUL or another control character in a value (RFC 9110 section 5.5).
        ControlInValue = "control-in-value", 502, "a field value has a control character";
        /// More fields than [`crate::Caps::fields`].
        TooManyFields = "too-many-fields", 502, "there are too many fields";
        /// The head is longer than [`crate::Caps::head`].
        HeadTooLarge = "head-too-large", 502, "the head is too large";
        /// Any other head that `httparse` refuses.
        MalformedHead = "malformed-head", 502, "the head is malformed";
        /// A `Content-Length` that is not digits only (RFC 9110 section 8.6).
        InvalidContentLength = "invalid-content-length", 502, "Content-Length is not a number";
        /// A `Content-Length` over 2⁶³−1.
        ContentLengthTooLarge = "content-length-too-large", 502, "Content-Length is out of range";
        /// Several `Content-Length` that differ (RFC 9112 section 6.3, number 5): response smuggling.
        DifferingContentLength = "differing-content-length", 502, "Content-Length stands more than once and differs";
        /// `Transfer-Encoding` and `Content-Length` (RFC 9112 section 6.1): response smuggling.
        LengthAndTransferEncoding = "length-and-transfer-encoding", 502, "both Content-Length and Transfer-Encoding stand in the head";
        /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112 section 6.1: faulty framing).
        TransferEncodingOnHttp10 = "transfer-encoding-on-http10", 502, "HTTP/1.0 has no Transfer-Encoding";
        /// A `Transfer-Encoding` other than exactly one `chunked`.
        InvalidTransferEncoding = "invalid-transfer-encoding", 502, "Transfer-Encoding is not chunked";
        /// 101 without one `Upgrade` and `Connection: upgrade` (RFC 9110 section 15.2.2).
        InvalidSwitch = "invalid-switch", 502, "101 does not say which protocol is switched to";
    }
}

refusals! {
    /// Why a body is refused. The connection must be closed: where the next message would begin is not known.
    BodyError {
        /// A chunk size that is not one to sixteen hex digits (RFC 9112 section 7.1): signs, blanks, `0x`.
        InvalidChunkSize = "invalid-chunk-size", 400, "a chunk size is not a hexadecimal number";
        /// A chunk size over 2⁶³−1.
        ChunkTooLarge = "chunk-too-large", 400, "a chunk size is out of range";
        /// A chunk extension in a request (RFC 9112 section 7.1.1): nobody sends any, and readers that take a
        /// LF inside one for the line end see another body (CVE-2025-55315 and its kind).
        ChunkExtension = "chunk-extension", 400, "a chunk has an extension";
        /// A line of the framing that ends in LF alone (RFC 9112 section 2.2): TERM.EXT smuggling.
        BareLf = "bare-lf", 400, "a line of the chunked framing ends in LF without CR";
        /// A CR that is not followed by LF.
        BareCr = "bare-cr", 400, "a CR in the chunked framing is not followed by LF";
        /// A chunk-size line of a response longer than [`crate::MAX_CHUNK_LINE`].
        ChunkLineTooLong = "chunk-line-too-long", 400, "a chunk-size line is too long";
        /// A control character in a chunk extension of a response.
        ControlInExtension = "control-in-extension", 400, "a chunk extension has a control character";
        /// Something else than CRLF behind the data of a chunk (RFC 9112 section 7.1).
        MissingChunkEnd = "missing-chunk-end", 400, "the data of a chunk is not followed by CRLF";
        /// A trailer line that is not a field of [`parse_request`](crate::parse_request)'s kind: folded,
        /// with a blank before its colon, or with a name that is no token.
        InvalidTrailer = "invalid-trailer", 400, "a trailer is not a field";
        /// A control character in the value of a trailer.
        ControlInTrailer = "control-in-trailer", 400, "a trailer has a control character";
        /// A trailer that frames, routes, authenticates or describes the content (RFC 9110 section 6.5.1):
        /// applications that merge trailers into the head would take it for checked.
        ForbiddenTrailer = "forbidden-trailer", 400, "a field that may not be a trailer stands in the trailer section";
        /// The trailer section is longer than [`crate::MAX_TRAILERS`].
        TrailersTooLarge = "trailers-too-large", 431, "the trailer section is too large";
        /// The connection closed before the body was whole (RFC 9112 section 8).
        Truncated = "truncated", 400, "the body ends before it is whole";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_words_and_stand_once() {
        let sides = [
            RequestError::ALL.iter().map(|error| error.name()).collect::<Vec<_>>(),
            ResponseError::ALL.iter().map(|error| error.name()).collect(),
            BodyError::ALL.iter().map(|error| error.name()).collect(),
        ];
        for names in sides {
            for (at, name) in names.iter().enumerate() {
                assert!(
                    name.bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                );
                assert!(!names[..at].contains(name), "{name} stands twice");
            }
        }
    }

    #[test]
    fn only_the_documented_statuses_are_used() {
        for error in RequestError::ALL {
            assert!([400, 414, 417, 431, 501, 505].contains(&error.status()), "{error:?}");
        }
        assert!(ResponseError::ALL.iter().all(|error| error.status() == 502));
        assert!(BodyError::ALL.iter().all(|error| [400, 431].contains(&error.status())));
    }
}
