//! Names that lead to no public server, whatever a resolver says of them.

/// Top-level names that are not the public DNS's, and names that stand for this machine, in lower case. A name is
/// local where it ends in one of these, after a dot or as a whole.
///
/// From the IANA registry of special-use domain names (RFC 6761, 6762, 7686, 8375, 9476), ICANN's reservation of
/// `internal`, and what routers, hypervisors and clusters call themselves. `test`, `example` and `invalid` are left to
/// the resolver: it has no address for them.
const LOCAL: [(&str, &str); 17] = [
    ("localhost", "this machine"),
    ("localdomain", "this machine"),
    ("localhost4", "this machine"),
    ("localhost6", "this machine"),
    ("local", "the local link"),
    ("internal", "the private network"),
    ("intranet", "the private network"),
    ("private", "the private network"),
    ("corp", "the private network"),
    ("lan", "the private network"),
    ("home", "the private network"),
    ("home.arpa", "the private network"),
    ("onion", "another network"),
    ("alt", "another network"),
    ("arpa", "the DNS itself"),
    ("metadata.goog", "a metadata service"),
    ("metadata.tencentyun.com", "a metadata service"),
];

/// What a name (in lower case, without a dot at its end) stands for that is not the public Internet.
pub(crate) fn local(name: &str) -> Option<&'static str> {
    if !name.contains('.') && !LOCAL.iter().any(|(own, _)| *own == name) {
        // Resolvers complete it by what is near.
        return Some("a name without a dot");
    }
    LOCAL.iter().find(|(own, _)| is_under(name, own)).map(|(_, what)| *what)
}

fn is_under(name: &str, own: &str) -> bool {
    name.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_names_are_known_and_others_left_alone() {
        for name in [
            "localhost",
            "a.localhost",
            "localhost.localdomain",
            "printer.local",
            "metadata.google.internal",
            "instance-data",
            "metadata",
            "kubernetes.default.svc.cluster.local",
            "router.lan",
            "box.home.arpa",
            "1.0.0.127.in-addr.arpa",
            "metadata.goog",
            "x.metadata.tencentyun.com",
            "db",
            "x.onion",
        ] {
            assert!(local(name).is_some(), "{name}");
        }
        for name in [
            "example.com",
            "notlocalhost.com",
            "localhost.com",
            "mylocal.org",
            "internal.example.com",
            "arpa.net",
            "hooks.test",
        ] {
            assert_eq!(local(name), None, "{name}");
        }
    }
}
