//! The gateways under test: how each is configured, started and ended.

pub(crate) mod haproxy;
pub(crate) mod nginx;
pub(crate) mod portcullis;
pub(crate) mod process;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use crate::load::tls::Certificate;
use crate::policy::Limit;

/// One product. A new one is a file beside this with this trait, and one line in `products`.
pub(crate) trait Gateway {
    fn name(&self) -> &'static str;

    /// The command that prints its version to stdout or stderr.
    fn version(&self) -> Command;

    /// Writes its configuration into `setup.dir` and gives the command that serves in the foreground. Where it
    /// logs to stdout or stderr, the caller sends both to `setup.log_file`.
    fn command(&self, setup: &Setup<'_>) -> Result<Command>;

    /// What about its configuration a reader of the figures must know.
    fn remark(&self) -> &'static str;
}

/// What a gateway is to be.
pub(crate) struct Setup<'a> {
    /// Where its files go.
    pub(crate) dir: &'a Path,
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: SocketAddr,
    /// A JSON line for each request, to `log_file`.
    pub(crate) log: bool,
    pub(crate) limit: Limit,
    pub(crate) tls: Option<&'a Certificate>,
    /// Threads or processes that serve.
    pub(crate) workers: usize,
    /// Client connections to have room for.
    pub(crate) connections: usize,
}

/// The part of a setup that a case chooses.
#[derive(Clone)]
pub(crate) struct Variant {
    pub(crate) log: bool,
    pub(crate) limit: Limit,
    pub(crate) tls: Option<Arc<Certificate>>,
}

impl Setup<'_> {
    /// Where the access log goes.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.dir.join("access.log")
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

/// A product that was asked for but is not here, and why.
pub(crate) struct Missing {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
}

/// The products on this machine, nginx first because the others are compared with it.
pub(crate) fn products(portcullis: &Path) -> (Vec<Box<dyn Gateway>>, Vec<Missing>) {
    let all: [Box<dyn Gateway>; 3] = [
        Box::new(nginx::Nginx),
        Box::new(haproxy::Haproxy),
        Box::new(portcullis::Portcullis { binary: portcullis.to_owned() }),
    ];
    let mut missing = Vec::new();
    let mut here = Vec::new();
    for gateway in all {
        match version(gateway.as_ref()) {
            Ok(_) => here.push(gateway),
            Err(error) => missing.push(Missing { name: gateway.name(), reason: format!("{error:#}") }),
        }
    }
    (here, missing)
}

/// The first line of what it says of its version.
pub(crate) fn version(gateway: &dyn Gateway) -> Result<String> {
    let mut command = gateway.version();
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        bail!("{program} ended with {}", output.status);
    }
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default().trim();
    ensure!(!line.is_empty(), "{program} prints no version: not the finished binary");
    Ok(line.to_owned())
}
