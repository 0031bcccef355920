//! The guard, and the proof that it let a URL pass.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::address;
use portcullis_core::outbound::{Checking, RefusedUrl, UrlGuard};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use crate::names;
use crate::refusal::Refusal;
use crate::resolver::{LookupError, Resolver};
use crate::rules::Rules;
use crate::target::{Host, Target};

/// More addresses than these no honest name has.
const MOST_ADDRESSES: usize = 64;

/// Judges where a URL leads.
#[derive(Debug, Clone)]
pub struct Guard {
    rules: Rules,
    resolver: Arc<dyn Resolver>,
    patience: Duration,
}

/// The proof that a URL may be called, and the only way to do it: connections go to the addresses that were
/// judged, whatever the name means by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    target: Target,
    /// At least one.
    addresses: Vec<SocketAddr>,
}

impl Guard {
    /// A guard that waits at most `patience` for all lookups of one URL.
    pub fn new(rules: Rules, resolver: Arc<dyn Resolver>, patience: Duration) -> Self {
        Self { rules, resolver, patience }
    }

    /// Reads a URL, resolves its name and judges every address: one that is not public is enough to refuse. A
    /// name that cannot be resolved is refused too.
    pub async fn check(&self, url: &str) -> Result<Checked, Refusal> {
        self.judge(Target::parse(url)?).await
    }

    /// The same for what was read already.
    pub async fn judge(&self, target: Target) -> Result<Checked, Refusal> {
        let port = target.port();
        if !self.rules.ports.contains(port) {
            // Where it leads says more than at which port.
            let elsewhere = match target.place() {
                Host::Address(address) => self.judge_address(*address, false).err(),
                Host::Name(name) => self.judge_name(name).err(),
            };
            return Err(elsewhere.unwrap_or(Refusal::Port(port)));
        }
        let addresses = match target.place() {
            Host::Address(address) => {
                self.judge_address(*address, false)?;
                vec![*address]
            }
            Host::Name(name) => {
                let named = self.judge_name(name)?;
                let addresses = timeout(self.patience, self.resolver.lookup(name))
                    .await
                    .map_err(|_| LookupError::TimedOut)??;
                if addresses.is_empty() || addresses.len() > MOST_ADDRESSES {
                    return Err(LookupError::NoSuchName.into());
                }
                addresses.iter().try_for_each(|address| self.judge_address(*address, named))?;
                addresses
            }
        };
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        Ok(Checked { target, addresses })
    }

    /// Whether the rules name it, so that its addresses need not be public.
    fn judge_name(&self, name: &str) -> Result<bool, Refusal> {
        if self.rules.denies_name(name) {
            return Err(Refusal::Denied);
        }
        let named = self.rules.allows_name(name);
        match names::local(name).filter(|_| !named) {
            Some(what) => Err(Refusal::LocalName(what)),
            None => Ok(named),
        }
    }

    fn judge_address(&self, address: IpAddr, named: bool) -> Result<(), Refusal> {
        if self.rules.denies_address(address) {
            return Err(Refusal::Denied);
        }
        if named || self.rules.allows_address(address) {
            return Ok(());
        }
        address::special(address).map_or(Ok(()), |special| Err(Refusal::NotPublic(special)))
    }
}

impl UrlGuard for Guard {
    fn check<'a>(&'a self, url: &'a str) -> Checking<'a> {
        Box::pin(async move {
            let refused = |refusal: Refusal| RefusedUrl { fault: refusal.fault(), why: refusal.to_string() };
            self.check(url).await.map(|_| ()).map_err(refused)
        })
    }
}

impl Checked {
    /// The URL, normalised.
    pub fn url(&self) -> &Url {
        self.target.url()
    }

    /// The host as text: a name in lower case, or an address without brackets.
    pub fn host(&self) -> String {
        self.target.host()
    }

    /// The addresses that were judged; at least one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Connects to the first of these addresses that answers, and to no other.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(&*self.addresses).await
    }
}

#[cfg(test)]
mod tests;
