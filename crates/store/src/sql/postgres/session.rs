//! One connection: statements prepared once, and every answer within its time.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use portcullis_core::port::StoreError;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Error, Statement};

use super::fault;
use crate::sql::wait::Waiter;
use crate::sql::{Fault, Lock, Row, Value, dialect, unavailable, until};

/// Rows in one statement: from the most that pay to one, so that any number is few statements and few texts.
const CHUNKS: [usize; 3] = [256, 16, 1];

/// Statements under way at once, where one is run for many sets of values.
const PIPELINE: usize = 256;

/// Locks of this program beside those of others in the same database: `pg_advisory_xact_lock(SPACE, n)`.
const SPACE: i32 = 0x5043_4c53;

/// A connection that is lent to one act at a time.
pub(crate) struct Session {
    client: Client,
    /// Drives the connection, elsewhere.
    driver: AbortHandle,
    statements: HashMap<String, Statement>,
    limit: Duration,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    InTransaction,
    /// In a transaction in which a statement failed: the server takes nothing but its end.
    Failed,
    /// An answer did not come in time: it may come yet, to the wrong question.
    Broken,
}

impl Session {
    pub(super) fn new(client: Client, driver: AbortHandle, limit: Duration) -> Self {
        Self { client, driver, statements: HashMap::new(), limit, state: State::Idle }
    }

    /// Whether another act may use it.
    pub(super) fn is_good(&self) -> bool {
        self.state != State::Broken && !self.client.is_closed()
    }

    /// Whether something was begun and not ended.
    pub(super) fn in_transaction(&self) -> bool {
        matches!(self.state, State::InTransaction | State::Failed)
    }

    /// Runs statements without values.
    pub(in crate::sql) fn batch(&mut self, sql: &str) -> Result<(), Fault> {
        if sql == "COMMIT" && self.state == State::Failed {
            // The server would answer a commit with a rollback and call it a success.
            return Err(
                StoreError::Broken("a transaction went on after a failed statement".to_owned()).into()
            );
        }
        let done = answer(self.limit, self.client.batch_execute(sql));
        match sql {
            _ if sql.starts_with("BEGIN") => self.state = State::InTransaction,
            "COMMIT" | "ROLLBACK" if done.is_ok() => self.state = State::Idle,
            _ => {}
        }
        self.note(done)
    }

    pub(in crate::sql) fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, Fault> {
        let statement = self.prepare(sql)?;
        let done = answer(self.limit, self.client.execute_raw(&statement, values.iter().copied()));
        self.note(done)
    }

    /// Runs one statement for many sets of values, without waiting for each answer.
    pub(in crate::sql) fn execute_each<const N: usize>(
        &mut self,
        sql: &str,
        rows: &[[Value<'_>; N]],
    ) -> Result<(), Fault> {
        let statement = self.prepare(sql)?;
        for rows in rows.chunks(PIPELINE) {
            let all = rows.iter().map(|values| self.client.execute_raw(&statement, values.iter().copied()));
            let done = answer(self.limit, try_join_all(all));
            self.note(done)?;
        }
        Ok(())
    }

    /// Inserts rows, many with one statement.
    pub(in crate::sql) fn insert<const N: usize>(
        &mut self,
        head: &str,
        row: &str,
        mut rows: &[[Value<'_>; N]],
    ) -> Result<(), Fault> {
        for size in CHUNKS {
            if rows.len() < size {
                continue;
            }
            let sql = dialect::repeated(head, row, size);
            while let Some((chunk, rest)) = rows.split_at_checked(size) {
                self.execute(&sql, chunk.as_flattened())?;
                rows = rest;
                if rest.is_empty() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    pub(in crate::sql) fn each(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        mut take: impl FnMut(&Row<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let statement = self.prepare(sql)?;
        let rows = answer(self.limit, self.client.query_raw(&statement, values.iter().copied()));
        let mut rows = pin!(self.note(rows)?);
        let waiter = Waiter::here();
        loop {
            let Some(next) = waiter.wait(until(self.limit), rows.next()) else {
                return self.note(Err(None));
            };
            match next {
                None => return Ok(()),
                Some(Ok(row)) => {
                    if let Err(fault) = take(&Row::Postgres(&row)) {
                        // The rest of the answer is on its way and would be in the way.
                        self.state = State::Broken;
                        return Err(fault);
                    }
                }
                Some(Err(error)) => return self.note(Err(Some(error))),
            }
        }
    }

    /// Waits for a lock that is held until the end of the transaction.
    pub(in crate::sql) fn lock(&mut self, lock: Lock) -> Result<(), Fault> {
        let number: i32 = match lock {
            Lock::Schema => 1,
            Lock::Changes => 2,
            Lock::SigningKeys => 3,
        };
        self.batch(&format!("SELECT pg_advisory_xact_lock({SPACE}, {number})"))
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let prepared = answer(self.limit, self.client.prepare(&dialect::postgres(sql)));
        let statement = self.note(prepared)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// What an answer means, or that none came (`None`).
    fn note<T>(&mut self, done: Result<T, Option<Error>>) -> Result<T, Fault> {
        done.map_err(|error| {
            let Some(error) = error else {
                self.state = State::Broken;
                return unavailable("the server has not answered in time");
            };
            let fault = fault::of(&error);
            self.state = match (error.as_db_error(), self.state) {
                // A server that goes away says so as in any other answer, and then closes: whoever gave such
                // a connection back would be lent it again.
                _ if matches!(fault, Fault::Lost(_)) => State::Broken,
                (None, _) => State::Broken,
                (Some(_), State::InTransaction) => State::Failed,
                (Some(_), state) => state,
            };
            fault
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A connection that answers takes its leave; one that does not would be waited for for ever.
        if self.state == State::Broken {
            self.driver.abort();
        }
    }
}

fn answer<T>(limit: Duration, future: impl Future<Output = Result<T, Error>>) -> Result<T, Option<Error>> {
    Waiter::here().wait(until(limit), future).ok_or(None)?.map_err(Some)
}
