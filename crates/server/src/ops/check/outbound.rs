//! Where URLs and calls may lead.

use std::net::IpAddr;

use super::{Item, Subject};
use crate::config::model::Config;

/// What nobody outside should make this machine call: itself, and the service that tells it its secrets.
const CLOSE: [&str; 4] = ["127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254"];

/// T-WH-01, T-WH-05: what is allowed beside the public Internet opens neither this machine nor its cloud.
pub(super) fn allowed(subject: &Subject<'_>) -> Item {
    const ID: &str = "outbound";
    const TITLE: &str = "where URLs lead";
    let config = subject.config;
    let rules = &config.outbound.rules;
    let close = CLOSE.iter().filter_map(|text| text.parse::<IpAddr>().ok());
    let opened: Vec<String> = close
        .filter(|address| rules.allow.iter().any(|place| place.holds(*address)))
        .filter(|address| !rules.deny.iter().any(|place| place.holds(*address)))
        .map(|address| address.to_string())
        .collect();
    if !opened.is_empty() && judges(config) {
        return Item::warn(
            ID,
            TITLE,
            format!("`outbound.allow` opens {}", opened.join(", ")),
            "name the hosts that are meant, or keep these out with `outbound.deny`",
        );
    }
    if judges(config) {
        Item::pass(ID, TITLE, "to the public Internet, and to what `outbound.allow` names")
    } else {
        Item::pass(ID, TITLE, "no route says that it takes URLs, and the application calls by itself")
    }
}

/// Whether anything is judged by the rules.
fn judges(config: &Config) -> bool {
    config.egress.is_some() || config.routes.iter().any(|route| route.validate.judges_urls())
}
