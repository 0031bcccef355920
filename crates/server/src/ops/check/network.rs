//! Who can reach the listeners, and who can read what passes.

use super::{Item, Subject};
use crate::config::production;

/// P-BP-01, P-BP-04: the gateway listens where it should.
pub(super) fn bind_address(subject: &Subject<'_>) -> Item {
    const ID: &str = "bind-address";
    const TITLE: &str = "bind address";
    let listeners = &subject.config.server.listeners;
    let addresses: Vec<String> = listeners.iter().map(|it| it.address.to_string()).collect();
    if listeners.iter().all(|it| it.address.is_loopback()) {
        return Item::pass(ID, TITLE, format!("{}: this machine only", addresses.join(", ")));
    }
    match production::exposed(subject.config).next() {
        Some(listener) => Item::warn(
            ID,
            TITLE,
            format!("{} can be reached by other machines, in clear", listener.address),
            "127.0.0.1, a Unix socket, [server.tls], or server.trusted_proxies for what ends TLS in front",
        )
        .unsafe_in_production(subject),
        None => Item::pass(ID, TITLE, format!("{}: reached over TLS", addresses.join(", "))),
    }
}

/// P-BP-01, P-BP-03: nobody on the way reads what passes.
pub(super) fn tls(subject: &Subject<'_>) -> Item {
    const ID: &str = "tls";
    const TITLE: &str = "TLS";
    let server = &subject.config.server;
    if let Some(tls) = &server.tls {
        if super::authentication::readable_by_others(&tls.key) {
            let finding = format!("{} can be read by every user of this machine", tls.key.display());
            return Item::warn(ID, TITLE, finding, format!("chmod 600 {}", tls.key.display()));
        }
        if server.listeners.iter().any(|it| it.tls) {
            return Item::pass(ID, TITLE, "ended here, 1.2 and 1.3");
        }
    }
    if !server.trusted_proxies.is_empty() {
        return Item::pass(ID, TITLE, "ended by the trusted proxies in front");
    }
    if server.listeners.iter().all(|it| it.address.is_loopback()) {
        return if subject.production {
            Item::warn(
                ID,
                TITLE,
                "none here, and nothing in front is named",
                "[server.tls] cert and key; or name what ends TLS on this machine: server.trusted_proxies = [\"127.0.0.1\"]",
            )
        } else {
            Item::pass(ID, TITLE, "not needed while only this machine connects")
        };
    }
    Item::warn(ID, TITLE, "none", "[server.tls] cert and key").unsafe_in_production(subject)
}
