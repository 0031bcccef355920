//! What reaches the application, and what of it reaches clients.

use std::net::IpAddr;

use super::{Item, Subject};
use crate::config::Origin;
use crate::config::model::{HeaderAction, ReplaceErrors, UpstreamAddress};

/// K-INT-02, K-CK-01: the gateway stands in front, and nobody walks around it.
pub(super) fn in_front(subject: &Subject<'_>) -> Item {
    const ID: &str = "in-front";
    const TITLE: &str = "gateway in front";
    let config = subject.config;
    let own_machine = |address: &&UpstreamAddress| match address {
        UpstreamAddress::Unix(_) => true,
        UpstreamAddress::Tcp { host, .. } => {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    };
    let all: Vec<&UpstreamAddress> =
        config.upstreams.iter().flat_map(|upstream| &upstream.addresses).collect();
    match all.iter().find(|address| !own_machine(address)) {
        None => Item::pass(ID, TITLE, format!("the application at {} is reached through it", all[0])),
        Some(address) => Item::warn(
            ID,
            TITLE,
            format!("{address} may be reached around it, by who is in that network"),
            "let the application take connections of the gateway only, by firewall or network policy",
        ),
    }
}

/// K-HDR-01: security headers are on every answer.
pub(super) fn headers(subject: &Subject<'_>) -> Item {
    const ID: &str = "security-headers";
    const TITLE: &str = "security headers";
    let expected =
        ["X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Strict-Transport-Security"];
    let set = |name: &&&str| {
        let rule = subject.config.headers.iter().find(|rule| rule.name.eq_ignore_ascii_case(name));
        rule.is_some_and(|rule| matches!(rule.action, HeaderAction::Set { .. }))
    };
    let missing: Vec<&str> = expected.iter().filter(|name| !set(name)).copied().collect();
    if missing.is_empty() {
        return Item::pass(ID, TITLE, "on every answer; HSTS over TLS");
    }
    Item::warn(
        ID,
        TITLE,
        format!("without {}", missing.join(", ")),
        "headers.secure = true, or set them under [headers]",
    )
}

/// K-ERR-02: no stack trace leaves.
pub(super) fn errors(subject: &Subject<'_>) -> Item {
    const ID: &str = "error-bodies";
    const TITLE: &str = "error bodies";
    match (subject.config.replace_errors, subject.production) {
        (ReplaceErrors::ServerErrors, _) => {
            Item::pass(ID, TITLE, "5xx of the application say nothing of its insides")
        }
        (ReplaceErrors::AllErrors, _) => {
            Item::pass(ID, TITLE, "4xx and 5xx of the application say nothing of its insides")
        }
        // In development people want to see them.
        (ReplaceErrors::Never, false) if subject.loaded.origin("errors.replace") == Origin::Default => {
            Item::pass(ID, TITLE, "shown in development, replaced in production")
        }
        (ReplaceErrors::Never, false) => {
            Item::pass(ID, TITLE, "shown in development; in production as errors.replace says")
        }
        (ReplaceErrors::Never, true) => Item::warn(
            ID,
            TITLE,
            "answers of the application leave as they are, stack traces too",
            "errors.replace = \"5xx\"",
        ),
    }
}

/// R10: the application does not see credentials that the gateway checked.
pub(super) fn credentials(subject: &Subject<'_>) -> Item {
    const ID: &str = "passed-credentials";
    const TITLE: &str = "credentials taken off";
    match subject.config.upstreams.iter().find(|upstream| upstream.pass_credentials) {
        None => Item::pass(ID, TITLE, "the application does not see them"),
        Some(upstream) => Item::warn(
            ID,
            TITLE,
            format!("`{}` sees the credentials of its clients", upstream.name),
            "pass_credentials = false, where the application does not check them itself",
        ),
    }
}
