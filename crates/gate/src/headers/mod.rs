//! Response headers: the security headers every answer carries, and what is taken off the upstream's.

/// The rules for one response header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRule {
    /// The field name as it is sent.
    pub name: Box<str>,
    /// The value.
    pub value: Box<str>,
    /// Whether the application's own value stays, where it sends one.
    pub keep: bool,
    /// Whether it is sent over TLS only (`Strict-Transport-Security`, RFC 6797 section 7.2).
    pub tls_only: bool,
}

/// What the headers stage is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Headers to set on every answer.
    pub set: Vec<HeaderRule>,
    /// Headers of the upstream that never leave, in any letter case.
    pub remove: Vec<Box<str>>,
}

/// The security headers of every answer: name, value, whether the application's own stands. After the OWASP
/// secure headers project: where an application chose its own framing, referrers or content sources, that
/// choice stays, and a policy that could break its pages is for the configuration to choose.
pub const SECURE: [(&str, &str, bool); 6] = [
    ("X-Content-Type-Options", "nosniff", false),
    ("X-Frame-Options", "DENY", true),
    ("Content-Security-Policy", "frame-ancestors 'none'", true),
    ("Referrer-Policy", "strict-origin-when-cross-origin", true),
    (HSTS, "max-age=31536000; includeSubDomains", false),
    ("X-XSS-Protection", "0", true),
];

/// Sent over TLS only (RFC 6797 section 7.2).
pub const HSTS: &str = "Strict-Transport-Security";

/// What an application says of itself, and nobody needs.
pub const REMOVED: [&str; 5] =
    ["Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Runtime"];

impl Default for Config {
    fn default() -> Self {
        let rule = |(name, value, keep): (&str, &str, bool)| HeaderRule {
            name: name.into(),
            value: value.into(),
            keep,
            tls_only: name == HSTS,
        };
        Self { set: SECURE.map(rule).into(), remove: REMOVED.map(Into::into).into() }
    }
}

/// The headers stage: which upstream headers pass, and what is added.
#[derive(Debug)]
pub struct Headers {
    set: Vec<HeaderRule>,
    remove: Vec<Box<str>>,
    /// One bit per length of a name that matters (names over 63 bytes share the last), so that most fields
    /// of an answer are passed with one test.
    lengths: u64,
}

impl Headers {
    /// Builds the stage. At most 64 headers are set; the configuration checks that.
    pub fn new(config: Config) -> Self {
        let lengths = config
            .set
            .iter()
            .map(|rule| rule.name.len())
            .chain(config.remove.iter().map(|name| name.len()))
            .fold(0, |bits, len| bits | 1 << len.min(63));
        Self { set: config.set, remove: config.remove, lengths }
    }

    /// Whether an upstream field passes. Marks in `seen` which of the kept headers the application sent.
    pub fn passes(&self, name: &str, seen: &mut u64) -> bool {
        if self.lengths & 1 << name.len().min(63) == 0 {
            return true;
        }
        for (index, rule) in self.set.iter().enumerate() {
            if rule.name.eq_ignore_ascii_case(name) {
                let first = *seen & 1 << index == 0;
                *seen |= 1 << index;
                // One value each: the application's first one stays where it may, a second never does.
                return rule.keep && first;
            }
        }
        !self.remove.iter().any(|removed| removed.eq_ignore_ascii_case(name))
    }

    /// The headers to add, given which ones the application sent and whether the client came over TLS.
    pub fn added(&self, seen: u64, secure: bool) -> impl Iterator<Item = (&str, &str)> {
        self.set
            .iter()
            .enumerate()
            .filter(move |(index, rule)| !(rule.keep && seen & 1 << index != 0) && (secure || !rule.tls_only))
            .map(|(_, rule)| (&*rule.name, &*rule.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &Headers, seen: u64, secure: bool) -> Vec<&str> {
        headers.added(seen, secure).map(|(name, _)| name).collect()
    }

    #[test]
    fn hsts_only_over_tls() {
        let headers = Headers::new(Config::default());
        assert!(!names(&headers, 0, false).contains(&"Strict-Transport-Security"));
        assert!(names(&headers, 0, true).contains(&"Strict-Transport-Security"));
    }

    #[test]
    fn one_value_each() {
        let headers = Headers::new(Config::default());
        let mut seen = 0;
        assert!(!headers.passes("x-content-type-options", &mut seen), "ours wins");
        assert!(headers.passes("content-security-policy", &mut seen), "the application's own stays");
        assert!(!headers.passes("Content-Security-Policy", &mut seen), "but only once");
        assert!(!headers.passes("server", &mut seen));
        assert!(headers.passes("content-type", &mut seen));
        let added = names(&headers, seen, false);
        assert!(added.contains(&"X-Content-Type-Options"));
        assert!(!added.contains(&"Content-Security-Policy"));
    }
}
