//! Whether one client can use all there is, or guess without end.

use super::{Item, Subject};
use crate::config::model::{Limit, Mode};
use crate::config::production;

/// P-BP-01, K-CK-01: a limit is set, and refuses.
pub(super) fn requests(subject: &Subject<'_>) -> Item {
    const ID: &str = "rate-limits";
    const TITLE: &str = "rate limits";
    const MEND: &str = "[[limits]] with rate = \"100/minute per ip\"";
    let config = subject.config;
    if !config.limiter {
        let name = production::name_of(config, "limiter.enabled");
        return Item::fail(ID, TITLE, format!("{name} is false: none is in force"), format!("{name}=true"));
    }
    let words = |limit: &Limit| format!("{} per {}", limit.rate, limit.scope);
    let enforced = |limit: &&Limit| limit.mode == Mode::Enforce;
    let tiers: Vec<String> = config
        .roles
        .iter()
        .filter_map(|role| Some(format!("{} for {}", words(role.limits.iter().find(enforced)?), role.name)))
        .collect();
    let general = config.limits.iter().find(enforced).map(|limit| format!("{} on every route", words(limit)));
    if let Some(general) = general {
        return Item::pass(ID, TITLE, [general].into_iter().chain(tiers).collect::<Vec<_>>().join(", "));
    }
    if !tiers.is_empty() {
        return Item::pass(ID, TITLE, tiers.join(", "));
    }
    let of_route = config.routes.iter().filter(|route| route.mode == Mode::Enforce).find_map(|route| {
        route.limits.iter().find(enforced).map(|limit| format!("{} on {}", words(limit), route.pattern.text))
    });
    if let Some(words) = of_route {
        return Item::pass(ID, TITLE, words);
    }
    let observed = !config.limits.is_empty() || config.routes.iter().any(|route| !route.limits.is_empty());
    if observed {
        return Item::warn(ID, TITLE, "they only observe and refuse nobody", "mode = \"enforce\"");
    }
    Item::fail(ID, TITLE, "there are none: one client can use all there is", MEND)
}

/// Wrong credentials are slow (R4).
pub(super) fn failures(subject: &Subject<'_>) -> Item {
    const ID: &str = "guessing";
    const TITLE: &str = "guessing";
    /// More than a person mistypes and far from what a search needs.
    const MANY_A_MINUTE: u64 = 100;
    let rate = subject.config.auth.failures;
    let a_minute = u64::from(rate.count()) * 60 / u64::from(rate.window_s());
    if a_minute > MANY_A_MINUTE {
        let finding = format!("{rate} wrong credentials of one address are answered");
        return Item::warn(ID, TITLE, finding, "[auth.failures] limit = \"20/minute per ip\"");
    }
    Item::pass(ID, TITLE, format!("after {rate} wrong credentials an address is refused"))
}

/// One request cannot be arbitrarily large.
pub(super) fn size(subject: &Subject<'_>) -> Item {
    const ID: &str = "body-size";
    const TITLE: &str = "body size";
    const LARGE: u64 = 100 << 20;
    let config = subject.config;
    if config.server.caps.body > LARGE {
        let finding = format!("every route takes {} MiB", config.server.caps.body >> 20);
        return Item::warn(
            ID,
            TITLE,
            finding,
            "a small server.caps.body, and body = { max = … } on routes that need more",
        );
    }
    Item::pass(
        ID,
        TITLE,
        format!("at most {} KiB where a route says nothing", config.server.caps.body.div_ceil(1024)),
    )
}
