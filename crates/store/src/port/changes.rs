//! The change log. Its numbers have no gap, and appear in their order.

use portcullis_core::Id;
use portcullis_core::port::{Change, ChangeLog, Changed, Changes, StoreError};

use super::SqlStore;
use crate::sql::{Fault, Lock, Row, Transaction, Value};

/// How many entries are handed out at once.
const MOST: i64 = 4096;

/// Writes entries in the transaction of the act they are about; must be the last that the act does.
///
/// The lock is held until the commit, so that whoever reads a number has read, or can read, every lower one:
/// with a sequence, an act that drew its number early could commit late.
pub(super) fn note(
    transaction: &mut Transaction<'_>,
    what: Changed,
    ids: impl IntoIterator<Item = Id>,
) -> Result<(), Fault> {
    note_all(transaction, ids.into_iter().map(|id| (what, id)))
}

/// [`note`] for entries of several kinds.
pub(super) fn note_all(
    transaction: &mut Transaction<'_>,
    entries: impl IntoIterator<Item = (Changed, Id)>,
) -> Result<(), Fault> {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    transaction.lock(Lock::Changes)?;
    let last = transaction.first(LAST, &[], |row| row.int(0))?.unwrap_or(0);
    let rows: Vec<[Value<'_>; 3]> = (last + 1..)
        .zip(entries)
        .map(|(number, (what, id))| [number.into(), what.name().into(), id.into()])
        .collect();
    transaction.insert("INSERT INTO changes (number, what, id, at_ms) VALUES", "(?, ?, ?, {now_ms})", &rows)
}

const LAST: &str = "SELECT COALESCE(MAX(number), 0) FROM changes";

impl ChangeLog for SqlStore {
    fn last_change(&self) -> Result<i64, StoreError> {
        Ok(self.database.first(LAST, &[], |row| row.int(0))?.unwrap_or(0))
    }

    fn changes_after(&self, number: i64) -> Result<Changes, StoreError> {
        let sql = "SELECT number, what, id FROM changes WHERE number >= ?1 ORDER BY number LIMIT ?2";
        let mut found = self.database.list(sql, &[number.into(), (MOST + 1).into()], change)?;
        // The entry that was read last shows that nothing between is gone; and as numbers have no gap, so
        // does the one right behind it. A number that the log never came to is of a store that was replaced.
        match found.first() {
            Some(first) if first.number == number => found.remove(0),
            Some(first) if first.number == number + 1 => *first,
            None if number == 0 => return Ok(Changes::Some(found)),
            _ => return Ok(Changes::Lost),
        };
        Ok(Changes::Some(found))
    }

    fn forget_changes(&self, before_ms: i64) -> Result<(), StoreError> {
        // From the front only: a clock that was set back may have made a later entry look older.
        let sql = "DELETE FROM changes WHERE number < COALESCE(
                       (SELECT MIN(number) FROM changes WHERE at_ms >= ?1),
                       (SELECT MAX(number) FROM changes))";
        self.database.write(|transaction| transaction.execute(sql, &[before_ms.into()]).map(drop))
    }
}

fn change(row: &Row<'_>) -> Result<Change, Fault> {
    let name = row.text(1)?;
    let what = Changed::ALL.into_iter().find(|what| what.name() == name);
    let what = what.ok_or_else(|| StoreError::Broken(format!("a change of a \"{name}\"")))?;
    Ok(Change { number: row.int(0)?, what, id: row.id(2)? })
}
