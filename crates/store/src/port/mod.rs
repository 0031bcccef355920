//! The ports of `core`, each in its file, on one facade.

use portcullis_core::port::{Store, StoreError};

use crate::seal::Seal;
use crate::sql::{Database, Fault};

mod attempts;
mod audit;
mod changes;
mod devices;
mod families;
mod keys;
mod sessions;
mod signing_keys;
mod usage;
mod users;

/// A store on either database.
pub(crate) struct SqlStore {
    pub(crate) database: Database,
    /// Seals what is more than a digest, where the database does not encrypt itself.
    pub(crate) seal: Option<Seal>,
}

impl Store for SqlStore {
    fn ping(&self) -> Result<(), StoreError> {
        self.database.first("SELECT COUNT(*) FROM migrations", &[], |row| row.int(0)).map(drop)
    }

    fn describe(&self) -> String {
        self.database.describe().to_owned()
    }
}

impl SqlStore {
    /// What is kept of a secret: itself, or sealed for its place.
    fn sealed(&self, label: &str, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal.as_ref().map_or_else(|| Ok(secret.to_vec()), |seal| seal.seal(label, secret))
    }

    /// The secret behind what is kept of it.
    fn opened(&self, label: &str, kept: &[u8]) -> Result<portcullis_core::Secret, StoreError> {
        self.seal.as_ref().map_or_else(|| Ok(kept.to_vec().into()), |seal| seal.open(label, kept))
    }
}

/// Names what a row would have belonged to.
fn missing(what: &'static str) -> impl Fn(Fault) -> Fault {
    move |fault| match fault {
        Fault::Orphan => StoreError::Missing(what).into(),
        other => other,
    }
}
