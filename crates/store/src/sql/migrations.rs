//! The schema, in numbered steps, each with the checksum under which it was applied.

use std::cmp::Ordering;

use portcullis_core::port::StoreError;
use sha2::{Digest, Sha256};

use super::{Fault, Lock, Transaction};
use crate::OpenError;

/// One step. It never changes once it was released: the next one does.
struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

/// All steps in order, numbered from 1.
const ALL: [Migration; 2] = [
    Migration { number: 1, name: "who may come", sql: include_str!("migrations/0001_who_may_come.sql") },
    Migration { number: 2, name: "what was done", sql: include_str!("migrations/0002_audit.sql") },
];

/// How a schema stands to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// As this version needs it.
    Current,
    /// The last step that was applied.
    Behind(i64),
    /// The last step that was applied, unknown here.
    Newer(i64),
    /// That step was another one.
    Altered(i64),
}

impl State {
    /// Nothing, or why the store cannot be opened.
    pub(crate) fn accept(self, place: String) -> Result<(), OpenError> {
        match self {
            Self::Current => Ok(()),
            Self::Behind(found) => Err(OpenError::Older { place, found, known: known() }),
            Self::Newer(found) => Err(OpenError::Newer { place, found, known: known() }),
            Self::Altered(number) => Err(OpenError::Altered { place, number }),
        }
    }
}

/// The number of the last step that this version knows.
pub(crate) fn known() -> i64 {
    ALL.last().map_or(0, |last| last.number)
}

/// Makes the table of the steps in a new database.
pub(crate) fn begin(transaction: &mut Transaction<'_>) -> Result<(), Fault> {
    transaction.batch(
        "CREATE TABLE migrations (
             number {number} NOT NULL PRIMARY KEY,
             name TEXT NOT NULL,
             checksum {bytes} NOT NULL,
             applied_ms {number} NOT NULL
         ) {clustered}",
    )
}

/// How the schema stands.
pub(crate) fn state(transaction: &mut Transaction<'_>) -> Result<State, Fault> {
    let sql = "SELECT number, checksum FROM migrations ORDER BY number";
    let applied = transaction.list(sql, &[], |row| Ok((row.int(0)?, row.digest(1)?)))?;
    Ok(judge(&applied))
}

/// Applies what is missing, in the transaction that the caller began; says how the schema stands then.
pub(crate) fn bring_up(transaction: &mut Transaction<'_>) -> Result<State, Fault> {
    transaction.lock(Lock::Schema)?;
    let last = match state(transaction)? {
        State::Behind(last) => last,
        other => return Ok(other),
    };
    for migration in ALL.iter().filter(|migration| migration.number > last) {
        transaction.batch(migration.sql)?;
        let checksum = checksum(migration);
        transaction.execute(
            "INSERT INTO migrations (number, name, checksum, applied_ms) VALUES (?1, ?2, ?3, {now_ms})",
            &[migration.number.into(), migration.name.into(), (&checksum).into()],
        )?;
    }
    match state(transaction)? {
        State::Current => Ok(State::Current),
        other => Err(StoreError::Broken(format!("the schema is {other:?} after all steps")).into()),
    }
}

fn judge(applied: &[(i64, [u8; 32])]) -> State {
    let last = applied.last().map_or(0, |(number, _)| *number);
    if last > known() {
        return State::Newer(last);
    }
    for (migration, (number, checksum_then)) in ALL.iter().zip(applied) {
        if migration.number != *number || checksum(migration) != *checksum_then {
            return State::Altered(migration.number);
        }
    }
    match last.cmp(&known()) {
        Ordering::Less => State::Behind(last),
        _ => State::Current,
    }
}

/// Over the text before it is put into the words of either database.
fn checksum(migration: &Migration) -> [u8; 32] {
    Sha256::digest(migration.sql.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_without_a_gap() {
        for (number, migration) in (1..).zip(&ALL) {
            assert_eq!(migration.number, number, "{}", migration.name);
        }
    }

    #[test]
    fn the_state_is_judged_by_numbers_and_checksums() {
        let good: Vec<_> = ALL.iter().map(|migration| (migration.number, checksum(migration))).collect();
        assert_eq!(judge(&good), State::Current);
        assert_eq!(judge(&[]), State::Behind(0));
        assert_eq!(judge(&[(1, [0; 32])]), State::Altered(1));
        let mut newer = good.clone();
        newer.push((known() + 1, [0; 32]));
        assert_eq!(judge(&newer), State::Newer(known() + 1));
    }
}
