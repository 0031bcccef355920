//! Whether accounts are kept as they should be, and who can get one.

use super::{Item, Subject};
use crate::config::model::{BUILT_IN, StoreUrl};
use crate::config::production;

const NONE: &str = "no accounts are kept";

/// B-ENV-11: whoever gets the file cannot read it.
pub(super) fn store(subject: &Subject<'_>) -> Item {
    const ID: &str = "store";
    const TITLE: &str = "account store";
    let Some(accounts) = &subject.config.accounts else { return Item::pass(ID, TITLE, NONE) };
    let store = &accounts.store;
    let place = store.url.shown();
    match (&store.url, &store.encryption_key) {
        (StoreUrl::Sqlite(_), None) => {
            let name = production::name_of(subject.config, "store.encryption_key");
            let mend = format!("{name}=$(portcullis generate encryption-key)");
            Item::warn(ID, TITLE, format!("{place} is not encrypted"), mend).unsafe_in_production(subject)
        }
        (StoreUrl::Sqlite(_), Some(_)) => Item::pass(ID, TITLE, format!("{place}, encrypted")),
        (StoreUrl::Postgres { .. }, None) => Item::warn(
            ID,
            TITLE,
            format!("{place} holds what signs tokens and makes second factors in clear"),
            "store.encryption_key = \"env:NAME\"; `portcullis generate encryption-key` makes one",
        ),
        (StoreUrl::Postgres { .. }, Some(_)) => {
            Item::pass(ID, TITLE, format!("{place}; what must be read again is encrypted"))
        }
    }
}

/// B-AUTH-21, E-ENV-09: who guesses passwords waits.
pub(super) fn lockout(subject: &Subject<'_>) -> Item {
    const ID: &str = "lockout";
    const TITLE: &str = "lockout";
    /// More than a person mistypes in a row.
    const MANY: u32 = 20;
    let Some(accounts) = &subject.config.accounts else { return Item::pass(ID, TITLE, NONE) };
    let lockout = &accounts.lockout;
    let finding = format!(
        "after {} failed logins in {} s an account waits",
        lockout.attempts,
        lockout.window.as_secs()
    );
    if lockout.attempts > MANY {
        return Item::warn(ID, TITLE, finding, "auth.lockout.attempts = 5");
    }
    Item::pass(ID, TITLE, finding)
}

/// B-AUTH-02: nobody gets a role by registering that others have to be given.
pub(super) fn registration(subject: &Subject<'_>) -> Item {
    const ID: &str = "registration";
    const TITLE: &str = "registration";
    let Some(accounts) = &subject.config.accounts else { return Item::pass(ID, TITLE, NONE) };
    let registration = &accounts.registration;
    let endpoint = subject.config.endpoints.auth.as_deref().filter(|_| registration.enabled);
    let Some(endpoint) = endpoint else { return Item::pass(ID, TITLE, "nobody registers by themselves") };
    let finding = format!("everybody can, at {endpoint}/register, and is {}", registration.role);
    if registration.role == BUILT_IN[0] {
        return Item::pass(ID, TITLE, finding);
    }
    Item::warn(ID, TITLE, finding, format!("auth.registration.role = \"{}\"", BUILT_IN[0]))
}
