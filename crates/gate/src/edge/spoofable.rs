//! Request fields by which a client could pretend to be the gateway, a proxy, or another request.

/// The longest of the names below, and room to see that a name is longer.
const ROOM: usize = 32;

/// Whether the request field `name` (any letter case, `_` for `-` as behind CGI and WSGI) is kept from the
/// application: fields that name the client, the original request, the method or the user on behalf of
/// somebody who verified it, and `Proxy`, which CGI turns into the proxy of outgoing calls (httpoxy).
///
/// `X-Auth-…` is ours, but for names under which clients send credentials of the application itself
/// (`X-Auth-Token`, `X-Auth-Key`, `X-Auth-Email`, `X-Auth-Signature`, `X-Auth-Timestamp`).
pub fn spoofable(name: &str) -> bool {
    let bytes = name.as_bytes();
    // Nearly all fields of a request end here.
    let (Some(first), Some(second)) = (bytes.first(), bytes.get(1)) else { return false };
    let likely = match first.to_ascii_lowercase() {
        b'x' => matches!(second, b'-' | b'_'),
        b'f' => matches!(second, b'o' | b'O' | b'a' | b'A' | b'l' | b'L' | b'r' | b'R'),
        b't' => matches!(second, b'r' | b'R'),
        b'c' => matches!(second, b'f' | b'F' | b'l' | b'L'),
        b'p' => matches!(second, b'r' | b'R'),
        b'r' => matches!(second, b'e' | b'E'),
        b'w' => matches!(second, b'l' | b'L'),
        b's' => matches!(second, b's' | b'S'),
        _ => false,
    };
    if !likely {
        return false;
    }
    let mut folded = [0_u8; ROOM];
    for (to, from) in folded.iter_mut().zip(bytes) {
        *to = if *from == b'_' { b'-' } else { from.to_ascii_lowercase() };
    }
    is_named(&folded[..bytes.len().min(ROOM)])
}

fn is_named(name: &[u8]) -> bool {
    if let Some(rest) = name.strip_prefix(b"x-auth-") {
        return !matches!(rest, b"token" | b"key" | b"email" | b"signature" | b"timestamp");
    }
    let prefixes: [&[u8]; 7] = [
        b"x-forwarded-",
        b"x-original-",
        b"x-remote-",
        b"x-ssl-client-",
        b"ssl-client-",
        b"x-client-cert",
        b"x-webauth-",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            // The client's address, scheme and host.
            b"forwarded"
                | b"x-forwarded"
                | b"forwarded-for"
                | b"x-real-ip"
                | b"x-client-ip"
                | b"x-cluster-client-ip"
                | b"x-originating-ip"
                | b"x-proxyuser-ip"
                | b"x-azure-clientip"
                | b"x-azure-socketip"
                | b"x-envoy-external-address"
                | b"x-envoy-peer-metadata"
                | b"true-client-ip"
                | b"client-ip"
                | b"cf-connecting-ip"
                | b"cf-connecting-ipv6"
                | b"cf-pseudo-ipv4"
                | b"cf-visitor"
                | b"fastly-client-ip"
                | b"fly-client-ip"
                | b"proxy-client-ip"
                | b"wl-proxy-client-ip"
                | b"x-scheme"
                | b"x-url-scheme"
                | b"x-host"
                | b"front-end-https"
                // The original request: what some frameworks route by in place of the request line.
                | b"x-rewrite-url"
                | b"x-envoy-original-path"
                | b"x-http-method"
                | b"x-http-method-override"
                | b"x-method-override"
                | b"x-middleware-subrequest"
                // The user.
                | b"remote-user"
                | b"remote-addr"
                | b"x-user-id"
                | b"x-client-verify"
                | b"x-client-dn"
                | b"proxy"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_could_pretend_is_taken_off() {
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "x-forwarded-anything-that-is-longer-than-the-buffer",
            "X_Forwarded_For",
            "x-forwarded_HOST",
            "X-Forwarded",
            "X-Real-IP",
            "X-Client-IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Auth-User",
            "X-Auth-Role",
            "X_AUTH_METHOD",
            "X-Auth-Assertion",
            "X-HTTP-Method-Override",
            "X-Middleware-Subrequest",
            "SSL-Client-Verify",
            "Remote_User",
            "Proxy",
            "WL-Proxy-Client-IP",
            "Front-End-Https",
            "Client-IP",
        ] {
            assert!(spoofable(name), "{name}");
        }
    }

    #[test]
    fn what_applications_need_stays() {
        for name in [
            "",
            "X",
            "X-",
            "Host",
            "Accept",
            "Cookie",
            "Content-Type",
            "Content-Length",
            "Authorization",
            "From",
            "Referer",
            "Range",
            "Priority",
            "Pragma",
            "Proxies",
            "Traceparent",
            "Transfer-Encoding",
            "X-Requested-With",
            "X-API-Key",
            "X-Auth-Token",
            "X-Ingest-Token",
            "X-Device-ID",
            "X-Request-Id",
            "X-CSRF-Token",
            "X-Forwarde",
            "Sec-WebSocket-Key",
            "X-a-name-that-is-much-longer-than-the-buffer-is",
        ] {
            assert!(!spoofable(name), "{name}");
        }
    }
}
