//! Cross-origin resource sharing (the Fetch standard, section 3.2): which pages may read the answers.
//!
//! CORS protects nobody by refusing: a browser keeps an answer from a page of an origin that the answer does
//! not name. So a foreign origin is answered without the fields, unless the configuration wants it refused.
//! What the application says itself is dropped ([`upstream_field`]): two layers that answer differently, or
//! twice, are a classic hole.

mod origin;

use portcullis_core::Head;
use portcullis_core::head::Once;

pub use origin::{ConfigError, OriginProblem};

/// The fields by which limits are shown, and the id of the request: what a page must be able to read.
pub const DEFAULT_EXPOSE: [&str; 7] = [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
];

/// Methods that `*` stands for.
const ALL_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Request fields that every page may send (the Fetch standard, "CORS-safelisted request-header name").
const SAFELISTED: [&str; 4] = ["Accept", "Accept-Language", "Content-Language", "Content-Type"];

/// What the configuration says about other origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The origins that may read answers, as browsers send them; or `*` alone.
    pub origins: Vec<String>,
    /// Whether pages may send cookies and other credentials of the browser.
    pub credentials: bool,
    /// The methods a preflight allows; `*` alone for the usual ones.
    pub methods: Vec<String>,
    /// The request fields a preflight allows; `*` alone for whatever is asked for.
    pub headers: Vec<String>,
    /// The response fields a page may read, exactly.
    pub expose: Vec<String>,
    /// How long a browser may remember a preflight, in seconds.
    pub max_age_s: u32,
    /// Whether requests of foreign origins are refused with 403.
    pub reject: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            credentials: false,
            methods: ["GET", "POST", "PUT", "DELETE", "OPTIONS"].map(str::to_owned).to_vec(),
            headers: vec!["*".to_owned()],
            expose: DEFAULT_EXPOSE.map(str::to_owned).to_vec(),
            max_age_s: 600,
            reject: false,
        }
    }
}

/// The stage, with every value that does not depend on the request built once.
#[derive(Debug)]
pub struct Cors {
    origins: Vec<Box<str>>,
    any_origin: bool,
    credentials: bool,
    methods: Vec<Box<str>>,
    /// `None`: whatever is asked for.
    headers: Option<Vec<Box<str>>>,
    allow_methods: Box<str>,
    allow_headers: Box<str>,
    expose: Box<str>,
    max_age: Box<str>,
    reject: bool,
}

/// What the `Origin` of a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// There is none: no browser, or a page reading from its own origin.
    None,
    /// It is our own: not a cross-origin request.
    Same,
    /// It is allowed; its place in the configuration.
    Allowed(usize),
    /// It is another one, or there are several.
    Foreign,
}

/// What a preflight comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preflight {
    /// The page may send its request.
    Allowed,
    /// The origin is not allowed.
    Foreign,
    /// The method is not allowed.
    Method,
    /// A request field is not allowed.
    Headers,
}

impl Cors {
    /// Checks the configuration and builds the stage.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        origin::check(&config)?;
        let any_origin = config.origins.iter().any(|origin| origin == "*");
        let boxed = |list: Vec<String>| list.into_iter().map(String::into_boxed_str).collect::<Vec<_>>();
        let methods = if config.methods.iter().any(|method| method == "*") {
            ALL_METHODS.map(Into::into).to_vec()
        } else {
            boxed(config.methods)
        };
        let headers = (!config.headers.iter().any(|header| header == "*")).then(|| boxed(config.headers));
        Ok(Self {
            any_origin,
            credentials: config.credentials,
            allow_methods: methods.join(", ").into(),
            allow_headers: headers.as_deref().map(|headers| headers.join(", ")).unwrap_or_default().into(),
            expose: config.expose.join(", ").into(),
            max_age: config.max_age_s.to_string().into(),
            origins: boxed(config.origins),
            methods,
            headers,
            reject: config.reject,
        })
    }

    /// Whether pages of this origin may act with cookies: it is named, not one of all, and credentials are
    /// allowed.
    pub fn trusts(&self, origin: Origin) -> bool {
        matches!(origin, Origin::Allowed(_)) && self.credentials && !self.any_origin
    }

    /// Whether requests of foreign origins are refused.
    pub fn rejects(&self) -> bool {
        self.reject
    }

    /// Where the page that sent this comes from. `secure`: whether the client came over TLS, to us or to the
    /// proxy in front (`Client::secure`).
    pub fn judge(&self, head: &Head<'_>, secure: bool) -> Origin {
        let origin = match head.once("origin") {
            Once::Absent => return Origin::None,
            // A browser sends one. Which of two somebody else reads is anyone's guess.
            Once::Repeated => return Origin::Foreign,
            Once::Value(origin) => origin,
        };
        if self.any_origin {
            return Origin::Allowed(0);
        }
        match self.origins.iter().position(|allowed| allowed.as_bytes() == origin) {
            Some(index) => Origin::Allowed(index),
            None if is_own(origin, head.authority, secure) => Origin::Same,
            None => Origin::Foreign,
        }
    }

    /// Whether this is a preflight, and what it comes to: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method`, which the gateway answers itself. `origin` is what [`Cors::judge`] said;
    /// our own needs no preflight, so one is none of ours.
    pub fn preflight(&self, head: &Head<'_>, origin: Origin) -> Option<Preflight> {
        if head.method != "OPTIONS" || matches!(origin, Origin::None | Origin::Same) {
            return None;
        }
        let method = match head.once("access-control-request-method") {
            Once::Absent => return None,
            Once::Repeated => return Some(Preflight::Method),
            Once::Value(method) => method,
        };
        Some(if origin == Origin::Foreign {
            Preflight::Foreign
        } else if !self.methods.iter().any(|allowed| allowed.as_bytes() == method) {
            Preflight::Method
        } else if self.allows_headers(head) {
            Preflight::Allowed
        } else {
            Preflight::Headers
        })
    }

    /// Emits the fields of an ordinary answer, refusals included: without them a page cannot even read the
    /// status. A foreign origin gets none but `Vary`.
    ///
    /// `Vary: Origin` is for caches and belongs on answers without `Origin`, too, or a cache gives a page an
    /// answer that was stored for somebody without one. It is a list: as a line of its own it adds to what the
    /// application sends.
    pub fn write_simple(&self, origin: Origin, put: &mut impl FnMut(&str, &[u8])) {
        if let Some(allowed) = self.allowed(origin) {
            put("Access-Control-Allow-Origin", allowed);
            if self.credentials {
                put("Access-Control-Allow-Credentials", b"true");
            }
            if !self.expose.is_empty() {
                put("Access-Control-Expose-Headers", self.expose.as_bytes());
            }
        }
        self.write_vary(put);
    }

    /// Emits the fields of the answer to a preflight that came to [`Preflight::Allowed`]. `requested` is the value
    /// of `Access-Control-Request-Headers`, echoed where every field is allowed.
    pub fn write_preflight(
        &self,
        origin: Origin,
        requested: Option<&[u8]>,
        put: &mut impl FnMut(&str, &[u8]),
    ) {
        if let Some(allowed) = self.allowed(origin) {
            put("Access-Control-Allow-Origin", allowed);
            if self.credentials {
                put("Access-Control-Allow-Credentials", b"true");
            }
            put("Access-Control-Allow-Methods", self.allow_methods.as_bytes());
            let headers =
                if self.headers.is_none() { requested } else { Some(self.allow_headers.as_bytes()) };
            if let Some(headers) = headers.filter(|headers| !headers.is_empty()) {
                put("Access-Control-Allow-Headers", headers);
            }
            put("Access-Control-Max-Age", self.max_age.as_bytes());
        }
        self.write_vary(put);
    }

    /// The value of `Access-Control-Allow-Origin`.
    fn allowed(&self, origin: Origin) -> Option<&[u8]> {
        let Origin::Allowed(index) = origin else { return None };
        self.origins.get(index).map(|allowed| allowed.as_bytes())
    }

    fn write_vary(&self, put: &mut impl FnMut(&str, &[u8])) {
        // The answer is the same for every origin where all are allowed.
        if !self.any_origin {
            put("Vary", b"Origin");
        }
    }

    fn allows_headers(&self, head: &Head<'_>) -> bool {
        let Some(allowed) = &self.headers else { return true };
        let requested = head.all("access-control-request-headers");
        requested.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).all(|name| {
            let listed = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            name.is_empty() || SAFELISTED.into_iter().any(listed) || allowed.iter().any(|known| listed(known))
        })
    }
}

/// Whether a field of the application's answer is dropped where the gateway answers for CORS.
pub fn upstream_field(name: &str) -> bool {
    const PREFIX: &[u8] = b"access-control-";
    name.as_bytes().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Whether `origin` is `authority` under our own scheme. Without TLS here `https` is ours too: a proxy in front
/// that ends it may not say so, and a page that came over TLS is the safer one.
pub(crate) fn is_own(origin: &[u8], authority: &str, secure: bool) -> bool {
    let (host, port): (&[u8], &str) = if let Some(host) = origin.strip_prefix(b"https://") {
        (host, ":443")
    } else if let Some(host) = origin.strip_prefix(b"http://").filter(|_| !secure) {
        (host, ":80")
    } else {
        return false;
    };
    let authority = authority.strip_suffix(port).unwrap_or(authority);
    !authority.is_empty() && host.eq_ignore_ascii_case(authority.as_bytes())
}

#[cfg(test)]
mod tests;
