//! Opening a PostgreSQL database: what is there is known before anything is written.

use super::dial::Dialler;
use super::session::Session;
use super::{Pool, Postgres};
use crate::key::{Material, Salt};
use crate::location::Server;
use crate::seal::Seal;
use crate::sql::migrations::{self, State};
use crate::sql::{Fault, Lock, Transaction};
use crate::{OpenError, Options};
use portcullis_core::port::StoreError;

/// The database of that server, with what opens its sealed values.
pub(crate) fn open(
    server: Server,
    material: Option<&Material>,
    options: &Options,
) -> Result<(Postgres, Option<Seal>), OpenError> {
    let dialler = Dialler::new(server, options)?;
    let mut session = dialler.dial()?;
    let place = dialler.place();
    let seal = prepare(&mut session, &place, material, options)?;
    let about = about(&mut session, seal.is_some()).map_err(|fault| failed(&place, fault))?;
    let limit = options.statement_timeout;
    Ok((Postgres { pool: Pool::new(options.connections), dialler, limit, about }, seal))
}

/// Finds our tables, makes them or brings them up to date, in one transaction under a lock.
fn prepare(
    session: &mut Session,
    place: &str,
    material: Option<&Material>,
    options: &Options,
) -> Result<Option<Seal>, OpenError> {
    let fault = |fault| failed(place, fault);
    let named = || place.to_owned();
    session.batch("BEGIN").map_err(fault)?;
    let mut transaction = Transaction::Postgres(session);
    let found = look(&mut transaction).map_err(fault)?;
    if found == Found::Foreign {
        return Err(OpenError::Foreign { place: named() });
    }
    if found == Found::Nothing && (!options.create || options.read_only) {
        return Err(OpenError::Absent { place: named() });
    }
    if !options.read_only {
        transaction.lock(Lock::Schema).map_err(fault)?;
    }
    // Another process may have been quicker while the lock was waited for.
    if found == Found::Nothing && look(&mut transaction).map_err(fault)? == Found::Nothing {
        let make = |transaction: &mut Transaction<'_>| {
            transaction.batch("CREATE SCHEMA IF NOT EXISTS portcullis")?;
            migrations::begin(transaction)?;
            migrations::bring_up(transaction)?;
            material.map(|material| begin_seal(transaction, material)).transpose()?;
            Ok(())
        };
        make(&mut transaction).map_err(fault)?;
    }
    match migrations::state(&mut transaction).map_err(fault)? {
        State::Behind(_) if !options.read_only => {
            migrations::bring_up(&mut transaction).map_err(fault)?.accept(named())?;
        }
        state => state.accept(named())?,
    }
    let seal = find_seal(&mut transaction, place, material)?;
    session.batch("COMMIT").map_err(fault)?;
    Ok(seal)
}

#[derive(PartialEq, Eq)]
enum Found {
    Ours,
    Foreign,
    Nothing,
}

/// Whether our tables are there; where they are not, whether anybody else's are. What an extension brought
/// along is nobody's.
fn look(transaction: &mut Transaction<'_>) -> Result<Found, Fault> {
    let ours = transaction
        .first("SELECT to_regclass('portcullis.migrations') IS NOT NULL", &[], |row| row.flag(0))?
        .unwrap_or(false);
    if ours {
        return Ok(Found::Ours);
    }
    let others = transaction
        .first(
            "SELECT EXISTS (
                 SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
                   AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
                   AND NOT EXISTS (
                       SELECT 1 FROM pg_depend d
                       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))",
            &[],
            |row| row.flag(0),
        )?
        .unwrap_or(true);
    Ok(if others { Found::Foreign } else { Found::Nothing })
}

fn begin_seal(transaction: &mut Transaction<'_>, material: &Material) -> Result<(), Fault> {
    let mut salt = Salt::default();
    aws_lc_rs::rand::fill(&mut salt)
        .map_err(|_| StoreError::Broken("the system gives no random numbers".to_owned()))?;
    let proof = Seal::new(material, &salt)?.proof()?;
    let values = [salt.as_slice().into(), proof.as_slice().into()];
    transaction.execute("INSERT INTO seals (salt, proof) VALUES (?1, ?2)", &values).map(drop)
}

fn find_seal(
    transaction: &mut Transaction<'_>,
    place: &str,
    material: Option<&Material>,
) -> Result<Option<Seal>, OpenError> {
    let place = place.to_owned();
    let found = transaction
        .first("SELECT salt, proof FROM seals", &[], |row| {
            Ok((row.bytes(0)?.to_vec(), row.bytes(1)?.to_vec()))
        })
        .map_err(|fault| failed(&place, fault))?;
    let (material, (salt, proof)) = match (material, found) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(OpenError::Encrypted { place }),
        (Some(_), None) => return Err(OpenError::Plain { place }),
        (Some(material), Some(found)) => (material, found),
    };
    let seal = Salt::try_from(salt).ok().and_then(|salt| Seal::new(material, &salt).ok());
    match seal {
        Some(seal) if seal.proves(&proof) => Ok(Some(seal)),
        _ => Err(OpenError::WrongKey { place }),
    }
}

fn about(session: &mut Session, sealed: bool) -> Result<String, Fault> {
    let mut transaction = Transaction::Postgres(session);
    let sql = "SELECT current_setting('server_version')";
    let version = transaction.first(sql, &[], |row| row.text(0).map(str::to_owned))?.unwrap_or_default();
    let version = version.split(' ').next().unwrap_or_default();
    Ok(format!("PostgreSQL {version}, secrets {}", if sealed { "sealed" } else { "not sealed" }))
}

fn failed(place: &str, fault: Fault) -> OpenError {
    let (place, why) = (place.to_owned(), StoreError::from(fault).to_string());
    OpenError::Failed { place, why }
}
