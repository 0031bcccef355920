//! The resolver of the binary: a DNS client of its own, without a cache and without a search list.
//!
//! Not `getaddrinfo`: that one blocks a thread for as long as a hostile name server likes, completes names by the
//! search list of the machine, and cannot be told which server to ask.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Resolver as Client, TokioResolver};

use crate::resolver::{Lookup, LookupError, Resolver};

/// How long one question to one server may take, before it is asked again or another is.
const ATTEMPT: Duration = Duration::from_millis(1500);

/// Questions to one server at once; more are told that it is busy, and their URLs refused.
const MOST_QUESTIONS: usize = 4096;

/// Asks name servers.
#[derive(Debug)]
pub struct Dns {
    client: TokioResolver,
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
#[error("the name servers of the system cannot be read: {0}")]
pub struct NoNameServers(String);

impl Dns {
    /// Asks the name servers of the system (`/etc/resolv.conf`), after its list of hosts.
    pub fn system() -> Result<Self, NoNameServers> {
        let (config, _) = read_system_conf().map_err(|error| NoNameServers(error.to_string()))?;
        let servers = config.name_servers().to_vec();
        Self::asking(servers, ResolveHosts::Always)
    }

    /// Asks these servers and nobody else.
    pub fn at(servers: &[SocketAddr]) -> Result<Self, NoNameServers> {
        let servers = servers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.to_vec())
        });
        Self::asking(servers.collect(), ResolveHosts::Never)
    }

    fn asking(servers: Vec<NameServerConfig>, hosts: ResolveHosts) -> Result<Self, NoNameServers> {
        let mut options = ResolverOpts::default();
        // Who was told one thing a moment ago may be told another now: nothing is remembered.
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.use_hosts_file = hosts;
        options.timeout = ATTEMPT;
        options.attempts = 1;
        options.case_randomization = true;
        options.max_active_requests = MOST_QUESTIONS;
        let config = ResolverConfig::from_name_servers(servers);
        let client = Client::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| NoNameServers(error.to_string()))?;
        Ok(Self { client })
    }
}

impl Resolver for Dns {
    fn lookup<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        Box::pin(async move {
            // The dot at its end makes it a whole name.
            let found = self.client.lookup_ip(format!("{name}.")).await.map_err(|error| {
                if error.is_no_records_found() {
                    LookupError::NoSuchName
                } else if matches!(error, NetError::Timeout) {
                    LookupError::TimedOut
                } else {
                    LookupError::Unavailable
                }
            })?;
            Ok(found.iter().collect())
        })
    }
}
