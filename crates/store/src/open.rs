//! The way in: a URL, a key where there is one, and how it is to be opened.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Secret;
use portcullis_core::port::Store;

use crate::OpenError;
use crate::key::Material;
use crate::location::Location;
use crate::port::SqlStore;
use crate::sql::{Database, postgres, sqlite};

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Makes the store where it is absent. Without it, as for a command that only looks, an absent one is
    /// [`OpenError::Absent`].
    pub create: bool,
    /// Changes nothing: no store is made or brought up to date, and acts that would write fail.
    pub read_only: bool,
    /// How long connecting to a server may take, login included.
    pub connect_timeout: Duration,
    /// How long one statement may take, and how long it waits for another process or another act. What reads
    /// everything has this long for each row.
    pub statement_timeout: Duration,
    /// Connections to a server at most; for a file, connections that read beside the one that writes.
    pub connections: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            read_only: false,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            connections: 4,
        }
    }
}

/// Opens the store that a URL names, makes it or brings it up to date as `options` say.
///
/// - `sqlite:PATH`, `sqlite:///PATH`: a file, encrypted by SQLCipher when there is a key.
/// - `postgres://USER:PASSWORD@HOST/DATABASE`: a server; with a key, secrets that are more than digests are
///   sealed. `sslmode` is `disable`, `require` or `verify-full`, `sslrootcert` names a file of authorities.
/// - `memory:`: a store that ends with the value; a key is of no use to it.
///
/// The key is 32 bytes as 44 characters of base64 or 64 hexadecimal digits, or else a passphrase.
pub fn open(url: &str, key: Option<&Secret>, options: &Options) -> Result<Arc<dyn Store>, OpenError> {
    let location = Location::of(url, options)?;
    let material = key.map(Material::of).transpose()?;
    let material = material.as_ref();
    let (database, seal) = match location {
        Location::Memory => (Database::Sqlite(sqlite::in_memory(options)?), None),
        Location::File(path) => (Database::Sqlite(sqlite::in_file(&path, material, options)?), None),
        Location::Server(server) => {
            let (server, seal) = postgres::open(*server, material, options)?;
            (Database::Postgres(server), seal)
        }
    };
    Ok(Arc::new(SqlStore { database, seal }))
}
