//! Opening: what is there is known before anything is written.

use std::io;
use std::path::{Path, absolute};

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction as Begun, TransactionBehavior};

use super::file::{APPLICATION, File, Role, begin, refused};
use super::held::{Held, Kind};
use super::{Readers, Sqlite, create};
use crate::key::{self, Material};
use crate::sql::migrations::{self, State};
use crate::sql::pool::Pool;
use crate::sql::{Fault, Transaction};
use crate::{OpenError, Options};

/// A database in memory, which ends with this value.
pub(crate) fn in_memory(options: &Options) -> Result<Sqlite, OpenError> {
    let file = File { path: "memory:".into(), key: None, limit: options.statement_timeout };
    let fault = |error| file.fault(&error);
    begin();
    let connection = Connection::open_in_memory().map_err(fault)?;
    file.settle(&connection, Role::Inspector).map_err(fault)?;
    let mut transaction = Transaction::Sqlite(&connection);
    migrations::begin(&mut transaction)
        .and_then(|()| migrations::bring_up(&mut transaction))
        .map_err(|fault| failed(&file, fault))?;
    Ok(Sqlite {
        readers: None,
        writer: Mutex::new(connection),
        limit: options.statement_timeout,
        about: format!("SQLite {} in memory", rusqlite::version()),
        _held: None,
    })
}

/// The database in a file, made where it is absent and `options` say so.
pub(crate) fn in_file(
    path: &Path,
    material: Option<&Material>,
    options: &Options,
) -> Result<Sqlite, OpenError> {
    let path = absolute(path).map_err(|error| refused(path, &error))?;
    let held = match Held::take(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !options.create || options.read_only {
                return Err(OpenError::Absent { place: path.display().to_string() });
            }
            create::create(&path, material, options.statement_timeout)?;
            Held::take(&path)
        }
        found => found,
    }
    .map_err(|error| refused(&path, &error))?;
    judge(&path, held.header.kind, material.is_some())?;
    let salt = held.header.salt;
    let key = material.map(|material| key::pragma(&material.key(&salt), &salt));
    let file = File { path, key, limit: options.statement_timeout };
    let writer = writer(&file, options)?;
    let about = about(&writer, material.is_some());
    let readers = Some(Readers { file, pool: Pool::new(options.connections) });
    Ok(Sqlite {
        readers,
        writer: Mutex::new(writer),
        limit: options.statement_timeout,
        about,
        _held: Some(held),
    })
}

/// What the head of the file says against opening it.
fn judge(path: &Path, kind: Kind, keyed: bool) -> Result<(), OpenError> {
    let place = path.display().to_string();
    let none = |place, why: &str| Err(OpenError::NotADatabase { place, why: why.to_owned() });
    match kind {
        Kind::Foreign => Err(OpenError::Foreign { place }),
        Kind::Ours if keyed => Err(OpenError::Plain { place }),
        Kind::Random if !keyed => Err(OpenError::Encrypted { place }),
        Kind::Empty => none(place, "it is empty"),
        Kind::NoFile => none(place, "it is not a file"),
        Kind::Other => none(place, "it begins with something else, in clear"),
        Kind::Ours | Kind::Random => Ok(()),
    }
}

/// The connection that writes, to a file that is found to be ours and up to date.
fn writer(file: &File, options: &Options) -> Result<Connection, OpenError> {
    // A log that was left behind stays as it is until the file is known: the last connection that closes
    // would copy it into the file. Where there is none, closing removes the empty one that looking made.
    let log_was_there = file.beside("-wal").exists();
    let connection = file.connect(Role::Inspector)?;
    let fault = |error| file.fault(&error);
    let found = inspect(file, &connection, options);
    if found.is_ok() || !log_was_there {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(fault)?;
    }
    let behind = found?;
    file.settle(&connection, Role::Writer).map_err(fault)?;
    if behind {
        let begun = Begun::new_unchecked(&connection, TransactionBehavior::Immediate).map_err(fault)?;
        // Another process may have been quicker, or newer.
        let state =
            migrations::bring_up(&mut Transaction::Sqlite(&begun)).map_err(|fault| failed(file, fault))?;
        state.accept(file.place())?;
        begun.commit().map_err(fault)?;
    }
    if options.read_only {
        connection.execute_batch("PRAGMA query_only = ON").map_err(fault)?;
    }
    Ok(connection)
}

/// Whether the file is ours, and whether its schema is behind.
fn inspect(file: &File, connection: &Connection, options: &Options) -> Result<bool, OpenError> {
    let fault = |error| file.fault(&error);
    let mark: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(fault)?;
    let tables = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(fault)?;
    if mark != APPLICATION || tables != 1 {
        return Err(OpenError::Foreign { place: file.place() });
    }
    if connection.is_readonly("main").map_err(fault)? && !options.read_only {
        let why = "it is protected from writing".to_owned();
        return Err(OpenError::Permission { place: file.place(), why });
    }
    match migrations::state(&mut Transaction::Sqlite(connection)).map_err(|fault| failed(file, fault))? {
        State::Behind(found) if options.read_only => {
            Err(OpenError::Older { place: file.place(), found, known: migrations::known() })
        }
        State::Behind(_) => Ok(true),
        state => state.accept(file.place()).map(|()| false),
    }
}

fn about(connection: &Connection, keyed: bool) -> String {
    let version = rusqlite::version();
    let cipher: rusqlite::Result<String> =
        connection.query_row("PRAGMA cipher_version", [], |row| row.get(0));
    match cipher {
        Ok(cipher) if keyed => {
            let cipher = cipher.split(' ').next().unwrap_or_default();
            format!("SQLite {version} with SQLCipher {cipher}")
        }
        _ => format!("SQLite {version}, not encrypted"),
    }
}

fn failed(file: &File, fault: Fault) -> OpenError {
    let why = portcullis_core::port::StoreError::from(fault).to_string();
    OpenError::Failed { place: file.place(), why }
}
