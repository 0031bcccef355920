//! The application that `run -- CMD` starts: waited for, restarted when it dies, ended with the gateway.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use portcullis_proxy::Endpoint;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::log::Log;

/// The wait before the first restart; doubled with each one that follows a short life.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait before a restart.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A life longer than this was no failed start.
const LIVED: Duration = Duration::from_secs(10);
/// How long the application may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// What the application finds in its environment beside that of the process.
pub type Environment = Vec<(String, String)>;

/// Runs `command` until `stop` says so, restarting it with backoff when it dies.
pub async fn keep_running(
    command: Vec<String>,
    environment: Environment,
    log: Log,
    mut stop: watch::Receiver<bool>,
) {
    let mut wait = FIRST_WAIT;
    while !*stop.borrow() {
        let born = Instant::now();
        match start(&command, &environment) {
            Ok(mut child) => {
                tokio::select! {
                    ended = child.wait() => log.warn(&format!("the application ended ({})", described(ended))),
                    _ = stop.changed() => return end(child, &log).await,
                }
            }
            Err(error) => {
                log.error(&format!("the application cannot be started: `{}`: {error}", command[0]));
            }
        }
        wait = if born.elapsed() > LIVED { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
        log.info(&format!("the application is started again in {} ms", wait.as_millis()));
        tokio::select! {
            () = sleep(wait) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Waits until something accepts connections at `endpoint`; `false` when `patience` ran out.
pub async fn answers(endpoint: &Endpoint, patience: Duration) -> bool {
    let knock = async {
        loop {
            let reached = match endpoint {
                Endpoint::Tcp(host, port) => TcpStream::connect((host.as_str(), *port)).await.is_ok(),
                Endpoint::Unix(path) => UnixStream::connect(path).await.is_ok(),
                Endpoint::Inside(_) => true,
            };
            if reached {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(patience, knock).await.is_ok()
}

/// The application leads a process group of its own, so that what it starts ends with it.
fn start(command: &[String], environment: &Environment) -> io::Result<Child> {
    Command::new(&command[0])
        .args(&command[1..])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Asks the application's process group to end, and kills it if it does not.
async fn end(mut child: Child, log: &Log) {
    signal(&child, Signal::TERM);
    if timeout(GRACE, child.wait()).await.is_err() {
        log.warn("the application did not end in time and is killed");
        signal(&child, Signal::KILL);
        let _ = child.wait().await;
    }
}

fn signal(child: &Child, signal: Signal) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, signal);
    }
}

fn described(ended: io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
