//! A started gateway: its process, its place, and its end.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{Gateway, Setup, Variant};
use crate::procfs;

/// Roots of the process trees that are alive, for the signal handler.
static ALIVE: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// How long a gateway may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway that serves; dropping it ends it.
pub(crate) struct Running {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first accepted connection.
    pub(crate) start: Duration,
    child: Child,
    dir: PathBuf,
    log_file: PathBuf,
}

/// What all gateways of a run have in common.
pub(crate) struct Bench<'a> {
    /// Where their directories go.
    pub(crate) dir: &'a Path,
    pub(crate) upstream: SocketAddr,
    pub(crate) workers: usize,
    pub(crate) connections: usize,
}

impl Running {
    /// Starts a gateway on a free loopback port and waits until it accepts.
    pub(crate) fn start(gateway: &dyn Gateway, variant: &Variant, bench: &Bench<'_>) -> Result<Self> {
        let listen = free_address()?;
        let dir = bench.dir.join(format!("{}-{}", gateway.name().to_lowercase(), listen.port()));
        fs::create_dir_all(&dir)?;
        let setup = Setup {
            dir: &dir,
            listen,
            upstream: bench.upstream,
            log: variant.log,
            limit: variant.limit,
            tls: variant.tls.as_deref(),
            workers: bench.workers,
            connections: bench.connections,
        };
        let log_file = setup.log_file();
        let output = File::options().create(true).append(true).open(&log_file)?;
        let mut command = gateway.command(&setup)?;
        command.current_dir(&dir).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {}", gateway.name()))?;
        alive().push(child.id());
        let mut running =
            Running { name: gateway.name(), address: listen, start: Duration::ZERO, child, dir, log_file };
        running.wait_until_listening(began)?;
        Ok(running)
    }

    /// The root of its process tree.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes it has logged so far.
    pub(crate) fn logged(&self) -> u64 {
        fs::metadata(&self.log_file).map_or(0, |data| data.len())
    }

    fn wait_until_listening(&mut self, began: Instant) -> Result<()> {
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.last_words());
            }
            if began.elapsed() > PATIENCE {
                bail!("{} does not listen on {}:\n{}", self.name, self.address, self.last_words());
            }
            thread::sleep(Duration::from_micros(200));
        }
        self.start = began.elapsed();
        Ok(())
    }

    fn last_words(&self) -> String {
        let text = fs::read(&self.log_file).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(2000)..]).trim().to_owned()
    }

    fn stop(&mut self) -> io::Result<()> {
        let tree = procfs::tree(self.pid())?;
        signal(self.pid(), Signal::TERM);
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > PATIENCE {
                // Workers of a killed master would live on.
                for pid in tree.into_iter().rev() {
                    signal(pid, Signal::KILL);
                }
                self.child.wait()?;
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        alive().retain(|pid| *pid != self.child.id());
        fs::remove_dir_all(&self.dir)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{}: {error}", self.name);
        }
    }
}

/// Ends every gateway that still runs; for a program that is about to exit.
pub(crate) fn end_all() {
    for pid in alive().drain(..) {
        signal(pid, Signal::TERM);
    }
}

fn alive() -> std::sync::MutexGuard<'static, Vec<u32>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that has already ended is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

/// Below the ephemeral range, so that no outgoing connection can take it between here and the gateway's bind.
fn free_address() -> Result<SocketAddr> {
    static NEXT: Mutex<u16> = Mutex::new(0);
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..2000 {
        let port = 20_000 + ((std::process::id() as u16 % 100) * 100 + *next) % 10_000;
        *next = (*next + 1) % 10_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok((Ipv4Addr::LOCALHOST, port).into());
        }
    }
    bail!("no free loopback port between 20000 and 30000")
}
