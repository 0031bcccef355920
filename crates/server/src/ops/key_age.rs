//! How old the keys are that open the gateway: those of users, whose store knows when they were made, and those of
//! the configuration, of which a store remembers when it saw them first.

use portcullis_core::port::{Store, StoreError};

use crate::config::model::Config;

/// The age at which a key should be replaced: the guides say 90 days.
pub const OLD_MS: i64 = 90 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// How many rows are read at once.
const PAGE: u32 = 1000;

/// A key of the configuration, as it may be named: never itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// What it is, for people: `API_KEY`, the api-key.
    pub what: String,
    /// The public name of its value.
    pub fingerprint: String,
}

/// A key that is older than it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// What it is, for people.
    pub what: String,
    /// How old at least, in days.
    pub days: i64,
}

impl std::fmt::Display for Old {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is at least {} days old", self.what, self.days)
    }
}

/// The keys that callers share.
pub fn credentials(config: &Config) -> Vec<Credential> {
    let schemes = config.auth.schemes();
    let all = schemes.flat_map(|scheme| scheme.credentials.iter().map(move |one| (scheme.scheme, one)));
    all.map(|(scheme, one)| Credential {
        what: one.words(&format!("the {scheme}")),
        fingerprint: one.secret.fingerprint(),
    })
    .collect()
}

/// Those of the configuration that are old. `note`: what was never seen is from now on; without it nothing is
/// written. The second is how many there are whose age is not known.
pub fn shared(
    store: &dyn Store,
    credentials: &[Credential],
    now_ms: i64,
    note: bool,
) -> Result<(Vec<Old>, usize), StoreError> {
    let (mut old, mut unknown) = (Vec::new(), 0);
    for credential in credentials {
        let Some(first_ms) = store.first_seen(&credential.fingerprint, note.then_some(now_ms))? else {
            unknown += 1;
            continue;
        };
        old.extend(judge(credential.what.clone(), first_ms, now_ms));
    }
    Ok((old, unknown))
}

/// Those of users that are old and still open something.
pub fn of_users(store: &dyn Store, now_ms: i64) -> Result<Vec<Old>, StoreError> {
    let (mut old, mut after) = (Vec::new(), None);
    loop {
        let page = store.keys(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(old) };
        after = Some(last.id);
        for key in page {
            let valid = key.revoked_ms.is_none() && key.expires_ms.is_none_or(|end| end > now_ms);
            if valid {
                old.extend(judge(format!("API key {} ({})", key.id, key.name), key.created_ms, now_ms));
            }
        }
    }
}

fn judge(what: String, since_ms: i64, now_ms: i64) -> Option<Old> {
    let age_ms = now_ms.saturating_sub(since_ms);
    (age_ms > OLD_MS).then_some(Old { what, days: age_ms / DAY_MS })
}
