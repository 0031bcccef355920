//! Making connections, and the thread that drives them.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc as tasks, oneshot};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault;
use super::session::Session;
use crate::location::Server;
use crate::sql::until;
use crate::sql::wait::Waiter;
use crate::{OpenError, Options};

/// How long connections have at the end to take their leave.
const LEAVE: Duration = Duration::from_millis(500);

/// Connects to one server.
pub(super) struct Dialler {
    place: String,
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// What every new connection is told first.
    greeting: String,
    connect_timeout: Duration,
    statement_timeout: Duration,
    driver: Driver,
}

impl Dialler {
    pub(super) fn new(server: Server, options: &Options) -> Result<Self, OpenError> {
        let Server { config, tls, place } = server;
        let tls = tls.connector().map_err(|why| OpenError::Tls { place: place.clone(), why })?;
        let driver = Driver::start()
            .map_err(|error| OpenError::Failed { place: place.clone(), why: error.to_string() })?;
        Ok(Self {
            place,
            config,
            tls,
            greeting: greeting(options),
            connect_timeout: options.connect_timeout,
            statement_timeout: options.statement_timeout,
            driver,
        })
    }

    /// What messages call the server.
    pub(super) fn place(&self) -> String {
        self.place.clone()
    }

    /// A new connection, ready for use.
    pub(super) fn dial(&self) -> Result<Session, OpenError> {
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let (running, handle) = (self.driver.running.clone(), self.driver.handle.clone());
        let connect = self.driver.handle.spawn(async move { connect(config, tls, running, &handle).await });
        let abort = connect.abort_handle();
        let Some(connected) = Waiter::here().wait(until(self.connect_timeout), connect) else {
            abort.abort();
            return Err(self.unreachable("it has not answered in time".to_owned()));
        };
        let (client, driver) = connected
            .map_err(|error| self.unreachable(error.to_string()))?
            .map_err(|error| self.reason(&error))?;
        // The greeting may wait for as long as a connection may.
        let limit = self.statement_timeout + Duration::from_secs(2);
        let mut session = Session::new(client, driver, limit);
        session
            .batch(&self.greeting)
            .map_err(|fault| self.unreachable(portcullis_core::port::StoreError::from(fault).to_string()))?;
        Ok(session)
    }

    fn unreachable(&self, why: String) -> OpenError {
        OpenError::Unreachable { place: self.place(), why }
    }

    fn reason(&self, error: &Error) -> OpenError {
        let (place, why) = (self.place(), fault::text(error));
        match error.code() {
            Some(&SqlState::INVALID_CATALOG_NAME) => OpenError::NoDatabase { place },
            Some(&(SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION)) => {
                OpenError::Login { place, why }
            }
            // The driver tells its own failures apart by their texts only.
            None if why.contains("password missing") => OpenError::Login { place, why },
            None if why.contains("TLS") => OpenError::Tls { place, why },
            _ => OpenError::Unreachable { place, why },
        }
    }
}

/// Settings of a session: its times, so that what a dead client began does not hold others up; its schema;
/// and that a commit that is acknowledged is on the server's disk.
fn greeting(options: &Options) -> String {
    let statement = options.statement_timeout.as_millis();
    let idle = statement * 2;
    let read_only = if options.read_only { "SET default_transaction_read_only = on;" } else { "" };
    format!(
        "SET search_path = portcullis; SET statement_timeout = {statement};
         SET idle_in_transaction_session_timeout = {idle}; SET default_transaction_isolation = 'read committed';
         SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off';
         {read_only}"
    )
}

async fn connect(
    config: Config,
    tls: Option<MakeRustlsConnect>,
    running: tasks::Sender<()>,
    handle: &Handle,
) -> Result<(Client, tokio::task::AbortHandle), Error> {
    // Its end is told by the client, which finds the connection closed.
    Ok(match tls {
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            let driver = handle.spawn(async move {
                let _ = connection.await;
                drop(running);
            });
            (client, driver.abort_handle())
        }
        Some(tls) => {
            let (client, connection) = config.connect(tls).await?;
            let driver = handle.spawn(async move {
                let _ = connection.await;
                drop(running);
            });
            (client, driver.abort_handle())
        }
    })
}

/// A thread with a runtime of its own, on which connections live.
struct Driver {
    handle: Handle,
    /// Every connection holds one of these.
    running: tasks::Sender<()>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (running, mut ended) = tasks::channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let _ = stopped.await;
                let _ = tokio::time::timeout(LEAVE, ended.recv()).await;
            });
        })?;
        Ok(Self { handle, running, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The last of the senders, beside those of the connections.
        self.running = tasks::channel(1).0;
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
