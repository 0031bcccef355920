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

impl HeaderRule {
    /// A header with the gateway's value, whatever the application says.
    pub fn fixed(name: &str, value: &str) -> Self {
        Self { name: name.into(), value: value.into(), keep: false, tls_only: false }
    }

    /// A header with the gateway's value unless the application has its own.
    pub fn fallback(name: &str, value: &str) -> Self {
        Self { keep: true, ..Self::fixed(name, value) }
    }
}

/// What the headers stage is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Headers to set on every answer.
    pub set: Vec<HeaderRule>,
    /// Headers of the upstream that never leave, in any letter case.
    pub remove: Vec<Box<str>>,
}

impl Default for Config {
    /// Safe for an API and for the pages that an application serves beside it: where the application made
    /// its own choice about framing, referrers or content sources, that choice stays.
    fn default() -> Self {
        let mut hsts = HeaderRule::fixed("Strict-Transport-Security", "max-age=31536000; includeSubDomains");
        hsts.tls_only = true;
        Self {
            set: vec![
                HeaderRule::fixed("X-Content-Type-Options", "nosniff"),
                HeaderRule::fallback("X-Frame-Options", "DENY"),
                HeaderRule::fallback("Referrer-Policy", "strict-origin-when-cross-origin"),
                HeaderRule::fallback(
                    "Content-Security-Policy",
                    "frame-ancestors 'none'; object-src 'none'; base-uri 'self'",
                ),
                hsts,
            ],
            remove: ["Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Runtime"]
                .map(Into::into)
                .to_vec(),
        }
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
