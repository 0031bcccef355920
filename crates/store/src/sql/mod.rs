//! One facade over two databases: SQL is written once, and the ports see a [`Transaction`] and its rows.

use std::time::{Duration, Instant};

use portcullis_core::port::StoreError;

mod dialect;
mod migrations;
mod pool;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod value;
mod wait;

pub(crate) use value::{Row, Value};

use postgres::{Postgres, Session};
use sqlite::Sqlite;

/// A database of either kind.
pub(crate) enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// One act: done whole and durable when this returns, or not at all. It may be begun anew where the
    /// database gave it up for another one.
    pub(crate) fn write<T>(
        &self,
        mut act: impl FnMut(&mut Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let done = match self {
            Self::Sqlite(sqlite) => sqlite.write(&mut act),
            Self::Postgres(postgres) => postgres.write(&mut act),
        };
        done.map_err(StoreError::from)
    }

    /// Reads by one statement. (Two would not see the same moment.)
    pub(crate) fn list<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        parse: impl Fn(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, StoreError> {
        let list = match self {
            Self::Sqlite(sqlite) => sqlite.read(|transaction| transaction.list(sql, values, &parse)),
            Self::Postgres(postgres) => postgres.read(|transaction| transaction.list(sql, values, &parse)),
        };
        list.map_err(StoreError::from)
    }

    /// The first row of [`Database::list`].
    pub(crate) fn first<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        parse: impl Fn(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.list(sql, values, parse)?.into_iter().next())
    }

    /// Hands over every row as it comes, however many there are.
    pub(crate) fn each<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        parse: impl Fn(&Row<'_>) -> Result<T, Fault>,
        take: &mut dyn FnMut(T),
    ) -> Result<(), StoreError> {
        // In memory there is one connection: while it is lent, the receiver could not use the store.
        if matches!(self, Self::Sqlite(sqlite) if sqlite.is_in_memory()) {
            self.list(sql, values, parse)?.into_iter().for_each(take);
            return Ok(());
        }
        let each = |row: &Row<'_>| parse(row).map(&mut *take);
        let done = match self {
            Self::Sqlite(sqlite) => sqlite.read(|transaction| transaction.each(sql, values, each)),
            Self::Postgres(postgres) => postgres.stream(|transaction| transaction.each(sql, values, each)),
        };
        done.map_err(StoreError::from)
    }

    /// What it is, for people.
    pub(crate) fn describe(&self) -> &str {
        match self {
            Self::Sqlite(sqlite) => sqlite.describe(),
            Self::Postgres(postgres) => postgres.describe(),
        }
    }
}

/// A lock that one transaction holds until its end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock {
    /// Who changes the tables.
    Schema,
    /// Who gives changes their numbers: they become visible in the order of them.
    Changes,
    /// Who makes signing keys.
    SigningKeys,
}

/// A transaction under way on either database.
pub(crate) enum Transaction<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a mut Session),
}

impl Transaction<'_> {
    /// Runs a statement and says how many rows it touched.
    pub(crate) fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, Fault> {
        check(values)?;
        match self {
            Self::Sqlite(connection) => sqlite::execute(connection, sql, values),
            Self::Postgres(session) => session.execute(sql, values),
        }
    }

    /// Hands over each row of an answer.
    pub(crate) fn each(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        take: impl FnMut(&Row<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        check(values)?;
        match self {
            Self::Sqlite(connection) => sqlite::each(connection, sql, values, take),
            Self::Postgres(session) => session.each(sql, values, take),
        }
    }

    /// All rows of an answer.
    pub(crate) fn list<T>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        parse: impl Fn(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut list = Vec::new();
        self.each(sql, values, |row| {
            list.push(parse(row)?);
            Ok(())
        })?;
        Ok(list)
    }

    /// The first row of an answer.
    pub(crate) fn first<T>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        parse: impl Fn(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        Ok(self.list(sql, values, parse)?.into_iter().next())
    }

    /// Inserts rows: `head` is `INSERT INTO t (a, b) VALUES`, `row` is `(?, ?)`.
    pub(crate) fn insert<const N: usize>(
        &mut self,
        head: &str,
        row: &str,
        rows: &[[Value<'_>; N]],
    ) -> Result<(), Fault> {
        if let Self::Postgres(session) = self {
            check(rows.as_flattened())?;
            return session.insert(head, row, rows);
        }
        // There is no way to the server to be saved, and a statement of one row is the quickest.
        self.execute_each(&dialect::repeated(head, row, 1), rows)
    }

    /// Runs one statement for each set of values.
    pub(crate) fn execute_each<const N: usize>(
        &mut self,
        sql: &str,
        rows: &[[Value<'_>; N]],
    ) -> Result<(), Fault> {
        check(rows.as_flattened())?;
        match self {
            Self::Sqlite(connection) => {
                rows.iter().try_for_each(|values| sqlite::execute(connection, sql, values).map(drop))
            }
            Self::Postgres(session) => session.execute_each(sql, rows),
        }
    }

    /// Runs statements without values.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), Fault> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(&dialect::sqlite(sql))?),
            Self::Postgres(session) => session.batch(&dialect::postgres(sql)),
        }
    }

    /// Waits until no other transaction has that lock. SQLite has one writer at a time anyway.
    pub(crate) fn lock(&mut self, lock: Lock) -> Result<(), Fault> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.lock(lock),
        }
    }
}

fn check(values: &[Value<'_>]) -> Result<(), Fault> {
    values.iter().try_for_each(|value| value.check())
}

/// Why a statement failed, as the ports tell it apart.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A value that must be unique is there already; holds the name of the column or the index.
    Unique(String),
    /// What the row belongs to does not exist.
    Orphan,
    /// The database gave this transaction up for another one: the same again may succeed.
    Again(String),
    /// The connection broke before anything was committed.
    Lost(String),
    /// Everything else.
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unique(what) => StoreError::Broken(format!("what must be unique is there twice ({what})")),
            Fault::Orphan => StoreError::Missing("owner"),
            Fault::Again(why) | Fault::Lost(why) => StoreError::Unavailable(why),
            Fault::Store(error) => error,
        }
    }
}

fn unavailable(why: impl Into<String>) -> Fault {
    StoreError::Unavailable(why.into()).into()
}

/// The moment at which something that may take this long from now is given up.
fn until(limit: Duration) -> Instant {
    Instant::now() + limit
}
