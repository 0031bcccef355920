//! What an origin in the configuration must look like to ever match one that a browser sends.

use std::net::Ipv6Addr;

use super::Config;

/// Why the configuration of CORS cannot stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Browsers refuse the pair, and servers that get around it by echoing the origin open every account.
    #[error(
        "`*` allows every page on the web and `credentials` sends it the user's cookies: name the origins, or set credentials = false"
    )]
    WildcardWithCredentials,
    /// `*` beside others.
    #[error("`*` stands beside other values of `{list}`: leave `*` or the others out")]
    WildcardMixed {
        /// The key of the list.
        list: &'static str,
    },
    /// `*` in `expose` means the name `*` where credentials are sent (the Fetch standard).
    #[error("`*` in `expose` means nothing where credentials are sent: name the fields")]
    WildcardExpose,
    /// An origin no browser sends.
    #[error("`{origin}` is an origin that no browser sends: {problem}")]
    Origin {
        /// The origin as configured.
        origin: String,
        /// What is wrong with it, and the mend.
        problem: OriginProblem,
    },
    /// A method that is none.
    #[error("`{0}` is no method: write it as it is sent, for example `GET`")]
    Method(String),
    /// A field name that is none.
    #[error("`{0}` is no field name: write names like `X-API-Key`, one each")]
    Header(String),
}

/// What is wrong with an origin; the text says how to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[expect(missing_docs, reason = "the message beside each says what it is")]
pub enum OriginProblem {
    #[error("write scheme://host, for example https://app.example.com")]
    NoScheme,
    #[error("leave the slash at the end out")]
    TrailingSlash,
    #[error("an origin has no path, query or fragment: leave it out")]
    Path,
    #[error("write it in small letters")]
    UpperCase,
    #[error("an origin has no user name: leave it out")]
    UserInfo,
    #[error("patterns are not known here: name each origin, or `*` for all")]
    Wildcard,
    #[error("the port is a number from 1 to 65535")]
    Port,
    #[error("browsers leave the default port out: leave it out too")]
    DefaultPort,
    #[error(
        "the host is missing or holds a character that no host holds; names in other scripts are written as xn--…"
    )]
    Host,
    #[error("an IPv6 address is written in brackets and in its shortest form")]
    Ipv6,
}

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let wildcard = |list: &'static str, values: &[String]| {
        let any = values.iter().any(|value| value == "*");
        if any && values.len() > 1 { Err(ConfigError::WildcardMixed { list }) } else { Ok(any) }
    };
    let any_origin = wildcard("origins", &config.origins)?;
    if any_origin && config.credentials {
        return Err(ConfigError::WildcardWithCredentials);
    }
    for origin in config.origins.iter().filter(|origin| *origin != "*") {
        check_origin(origin).map_err(|problem| ConfigError::Origin { origin: origin.clone(), problem })?;
    }
    let any_method = wildcard("methods", &config.methods)?;
    let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
    let is_method = |method: &String| token(method) && !method.bytes().any(|byte| byte.is_ascii_lowercase());
    if let Some(method) = config.methods.iter().find(|method| !any_method && !is_method(method)) {
        return Err(ConfigError::Method(method.clone()));
    }
    let any_header = wildcard("headers", &config.headers)?;
    let any_expose = wildcard("expose", &config.expose)?;
    if any_expose && config.credentials {
        return Err(ConfigError::WildcardExpose);
    }
    let mut names = Vec::new();
    names.extend(config.headers.iter().filter(|_| !any_header));
    names.extend(config.expose.iter().filter(|_| !any_expose));
    match names.into_iter().find(|name| !token(name)) {
        Some(name) => Err(ConfigError::Header(name.clone())),
        None => Ok(()),
    }
}

/// The serialisation of an origin (RFC 6454 section 6.2), which is what browsers send.
fn check_origin(origin: &str) -> Result<(), OriginProblem> {
    use OriginProblem as P;
    // Sandboxed frames and local files send `null`; naming it is a decision.
    if origin == "null" {
        return Ok(());
    }
    let (scheme, rest) = origin.split_once("://").ok_or(P::NoScheme)?;
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.bytes().all(in_scheme) {
        return Err(P::NoScheme);
    }
    if let Some(path) = rest.find(['/', '?', '#', '\\']) {
        return Err(if &rest[path..] == "/" { P::TrailingSlash } else { P::Path });
    }
    if rest.contains('@') {
        return Err(P::UserInfo);
    }
    if rest.contains('*') {
        return Err(P::Wildcard);
    }
    if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(P::UpperCase);
    }
    let port = if let Some(inner) = rest.strip_prefix('[') {
        let (address, port) = inner.split_once(']').ok_or(P::Ipv6)?;
        if address.parse::<Ipv6Addr>().map_err(|_| P::Ipv6)?.to_string() != address {
            return Err(P::Ipv6);
        }
        if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(P::Port)?) }
    } else {
        let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !host.bytes().all(in_host) {
            return Err(P::Host);
        }
        port
    };
    let Some(port) = port else { return Ok(()) };
    let plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    let number = port.parse::<u16>().ok().filter(|_| plain).ok_or(P::Port)?;
    let default = matches!((scheme, number), ("http", 80) | ("https", 443));
    if default { Err(P::DefaultPort) } else { Ok(()) }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
