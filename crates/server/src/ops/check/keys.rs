//! Whether keys are replaced now and then, as far as that can be known.

use portcullis_core::port::Store;
use portcullis_store::{OpenError, Options};

use super::{Item, Subject};
use crate::ops::accounts::{now_ms, open_url};
use crate::ops::key_age;

/// T-KEY-08: every key is replaced every 90 days.
pub(super) fn age(subject: &Subject<'_>) -> Item {
    const ID: &str = "key-age";
    const TITLE: &str = "age of keys";
    const MEND: &str = "another one: of several values all are valid until the old one is taken away; \
        `portcullis keys rotate` for those of users";
    let credentials = key_age::credentials(subject.config);
    let accounts = subject.config.accounts.as_ref().map(|accounts| &accounts.store);
    let Some(memory) = subject.config.audit.store.as_ref().or(accounts) else {
        let finding = match credentials.len() {
            0 => "no key opens anything".to_owned(),
            count => {
                format!("not known of {count}: without a store nothing remembers when a key was seen first")
            }
        };
        return Item::pass(ID, TITLE, finding);
    };
    let looked = open(memory).and_then(|store| {
        let (mut old, unknown) = match &store {
            Some(store) => {
                key_age::shared(&**store, &credentials, now_ms(), false).map_err(|error| error.to_string())?
            }
            None => (Vec::new(), credentials.len()),
        };
        let users =
            if subject.config.audit.store.is_some() { accounts.map_or(Ok(None), open)? } else { store };
        if let Some(store) = users.filter(|_| accounts.is_some()) {
            old.extend(key_age::of_users(&*store, now_ms()).map_err(|error| error.to_string())?);
        }
        Ok((old, unknown))
    });
    let (old, unknown) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            return Item::warn(ID, TITLE, format!("not known: {error}"), "a store that can be opened");
        }
    };
    match old.as_slice() {
        [] if unknown > 0 => Item::pass(
            ID,
            TITLE,
            format!("not known of {unknown} yet: the first `portcullis run` notes them"),
        ),
        [] => Item::pass(ID, TITLE, "none is older than 90 days"),
        [one] => Item::warn(ID, TITLE, one.to_string(), MEND),
        [first, rest @ ..] => {
            Item::warn(ID, TITLE, format!("{first}, and {} more are too old", rest.len()), MEND)
        }
    }
}

/// As it is, without changing it; nothing where there is none yet.
fn open(store: &crate::config::model::Store) -> Result<Option<std::sync::Arc<dyn Store>>, String> {
    let options = Options { create: false, read_only: true, ..Options::default() };
    match open_url(store, &options) {
        Ok(store) => Ok(Some(store)),
        Err(OpenError::Absent { .. } | OpenError::Older { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
