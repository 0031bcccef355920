//! PostgreSQL: a few connections, each act within its time, and a broken connection replaced.

use std::time::Duration;

use portcullis_core::port::StoreError;

use super::pool::{Lease, Pool};
use super::{Fault, Transaction, unavailable, until};

mod dial;
mod fault;
mod open;
mod session;
mod tls;

pub(crate) use open::open;
pub(crate) use session::Session;
pub(crate) use tls::Tls;

use dial::Dialler;

/// How often an act is begun at most that the server gives up for another one.
const TRIES: u32 = 6;

/// An open PostgreSQL database. Its fields are dropped in this order: what drives the connections ends last.
pub(crate) struct Postgres {
    pool: Pool<Session>,
    dialler: Dialler,
    limit: Duration,
    about: String,
}

impl Postgres {
    pub(super) fn write<T>(
        &self,
        act: &mut dyn FnMut(&mut Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (done, fresh) = self.with(|session| commit(session, act))?;
            match done {
                Err(Fault::Again(_)) if tries < TRIES => {}
                // It was idle when its server went away.
                Err(Fault::Lost(_)) if !fresh && tries == 1 => {}
                done => return done,
            }
        }
    }

    /// Reads by one statement, without a transaction around it.
    pub(super) fn read<T>(&self, act: impl Fn(&mut Transaction<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let read = |session: &mut Session| act(&mut Transaction::Postgres(session));
        match self.with(read)? {
            (Err(Fault::Lost(_)), false) => self.with(read)?.0,
            (done, _) => done,
        }
    }

    /// Reads an answer of any length: each row has its time, the whole has not.
    pub(super) fn stream<T>(
        &self,
        act: impl FnOnce(&mut Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let stream = |session: &mut Session| {
            session.batch("BEGIN READ ONLY; SET LOCAL statement_timeout = 0")?;
            let done = act(&mut Transaction::Postgres(session))?;
            session.batch("COMMIT")?;
            Ok(done)
        };
        self.with(stream)?.0
    }

    pub(super) fn describe(&self) -> &str {
        &self.about
    }

    /// Lends a connection to `work`, and says beside what came of it whether the connection was fresh. What
    /// failed half-way is rolled back; a connection that is no longer good is thrown away.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, Fault>,
    ) -> Result<(Result<T, Fault>, bool), Fault> {
        let mut lease = self.lend()?;
        let fresh = lease.fresh;
        let done = work(&mut lease);
        if !lease.is_good() || (lease.in_transaction() && lease.batch("ROLLBACK").is_err()) {
            lease.discard();
        }
        Ok((done, fresh))
    }

    fn lend(&self) -> Result<Lease<'_, Session>, Fault> {
        let dial = || self.dialler.dial().map_err(|error| unavailable(error.to_string()));
        self.pool
            .lend(until(self.limit), Session::is_good, dial)?
            .ok_or_else(|| unavailable("every connection was in use"))
    }
}

fn commit<T>(
    session: &mut Session,
    act: &mut dyn FnMut(&mut Transaction<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    session.batch("BEGIN")?;
    let done = act(&mut Transaction::Postgres(session))?;
    match session.batch("COMMIT") {
        // Nobody can say now on which side of the commit it broke, so it is not done again.
        Err(fault) if !session.is_good() || matches!(fault, Fault::Lost(_)) => {
            let why = StoreError::from(fault);
            Err(unavailable(format!("the act may or may not have been done: {why}")))
        }
        committed => committed.map(|()| done),
    }
}
