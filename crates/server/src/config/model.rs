//! The configuration as typed values. Every name resolves and every value is in range: what cannot be wrong any
//! more is not checked again.

mod accounts;
mod auth;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use portcullis_core::quota::{Rate, Scope};
use portcullis_core::route::Pattern;
use portcullis_gate::validate;
use portcullis_gate::validate::patterns::Patterns;
use portcullis_outbound::{Place, Rules};

use super::origin::Origin;

pub use accounts::{
    ADMIN, Accounts, BUILT_IN, Devices, Lockout, PasswordHash, Passwords, Registration, Role, Sessions,
    Store, StoreUrl, TokenAlgorithm, TokenKeys, Tokens, UserKeys, without_password,
};
pub use auth::{Auth, Credential, Onward, RouteAuth, SchemeConfig, SecretSource};

#[derive(Debug, Clone)]
pub struct Config {
    /// The profile in force.
    pub profile: Option<&'static str>,
    pub environment: Environment,
    pub server: Server,
    /// At least one; routes name them.
    pub upstreams: Vec<Upstream>,
    /// Index of the upstream of routes that name none.
    pub default_upstream: usize,
    pub log: Log,
    pub audit: Audit,
    pub auth: Auth,
    /// Who may come beside those with a shared secret; nothing: nobody else.
    pub accounts: Option<Accounts>,
    /// In the order of their rights, `admin` last; `free`, `premium` and `admin` always among them.
    pub roles: Vec<Role>,
    /// How an application is told who it is.
    pub identity: Onward,
    pub cors: Cors,
    /// Headers of every answer, in the order they are written.
    pub headers: Vec<HeaderRule>,
    /// Whether limits are in force. Where they are not, none stands here, in routes or in roles; the limit of
    /// wrong credentials always stands.
    pub limiter: bool,
    /// Limits of every route whose `general_limits` do not say otherwise.
    pub limits: Vec<Limit>,
    pub routes: Vec<Route>,
    /// What every query may be, where routes say nothing else.
    pub query: Option<validate::Query>,
    /// Where URLs that requests name may lead.
    pub outbound: Outbound,
    /// The way out for the application; nothing: it calls by itself.
    pub egress: Option<Egress>,
    /// What every request is inspected for, where routes say nothing else.
    pub patterns: Option<Arc<Patterns>>,
    /// By denial code, and `upstream-error` for answers of the application that are replaced.
    pub replies: BTreeMap<&'static str, Reply>,
    /// Which answers of the application are replaced, the environment taken into account.
    pub replace_errors: ReplaceErrors,
    pub endpoints: Endpoints,
    pub tests: Vec<PolicyTest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Development,
    Production,
}

#[derive(Debug, Clone)]
pub struct Server {
    /// At least one.
    pub listeners: Vec<Listener>,
    pub trusted_proxies: Vec<IpNet>,
    /// Whether requests that no route names are refused with 404.
    pub closed: bool,
    pub tls: Option<Tls>,
    pub caps: Caps,
    pub drain: Duration,
    /// Nothing: one for each core.
    pub workers: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub address: ListenAddress,
    /// Whether each connection begins with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Whether it speaks TLS; then `Server::tls` is there.
    pub tls: bool,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Paths of PEM files, resolved.
#[derive(Debug, Clone)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub origin: Origin,
}

/// What one client can cost; sizes in bytes.
#[derive(Debug, Clone)]
pub struct Caps {
    pub header_timeout: Duration,
    pub headers: usize,
    pub target: usize,
    pub body: u64,
    pub body_timeout: Duration,
    pub idle_timeout: Duration,
    pub connections: usize,
    pub connections_per_ip: usize,
}

#[derive(Debug, Clone)]
pub struct Upstream {
    pub name: String,
    /// At least one; round robin over those that answer.
    pub addresses: Vec<UpstreamAddress>,
    pub connect_timeout: Duration,
    pub response_timeout: Duration,
    pub idle_timeout: Duration,
    pub pass_credentials: bool,
    /// Nothing: it is asked whatever it does.
    pub breaker: Option<Breaker>,
    pub origin: Origin,
}

/// When an upstream is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// In a row.
    pub failures: u32,
    /// How long, between two probes.
    pub open: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// A name or an address (IPv6 without brackets) and a port.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    pub file: Option<PathBuf>,
    pub level: LogLevel,
    /// Whether security events are written.
    pub security: bool,
    /// Bytes at which the file is put aside.
    pub rotate: u64,
    pub keep: Duration,
}

/// What is recorded of every request.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Where it is true, there is a store to record in: one of its own, or that of the accounts.
    pub enabled: bool,
    pub retention: Duration,
    /// Whether requests wait while the store takes no more records; else these are lost and counted.
    pub waits: bool,
    /// Bytes that may wait for the store.
    pub buffer: u64,
    pub store: Option<Store>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone)]
pub struct Cors {
    pub enabled: bool,
    pub origins: Origins,
    pub credentials: bool,
    pub methods: Vec<String>,
    pub headers: CorsHeaders,
    pub expose: Vec<String>,
    pub max_age: Duration,
    /// Whether another origin is answered 403.
    pub reject: bool,
    /// Where `[cors]` stands.
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    Any,
    /// As browsers write them: `scheme://host[:port]`, lower case, no default port.
    Exact(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsHeaders {
    /// What the preflight asks for.
    Any,
    List(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRule {
    /// As written.
    pub name: String,
    pub action: HeaderAction,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderAction {
    Set {
        value: String,
        /// Whether the application's own value stands.
        keep: bool,
        /// Whether it is written over TLS only (HSTS, RFC 6797 §7.2).
        tls_only: bool,
    },
    Remove,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// For logs: as named, else the rate as written.
    pub name: String,
    /// The name of the counter that it shares with limits of that name in other routes; those have the same rate
    /// and scope. Nothing: its own.
    pub shared: Option<String>,
    pub rate: Rate,
    /// `ip` where the rate does not say; `user` in a role.
    pub scope: Scope,
    pub mode: Mode,
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Enforce,
    Observe,
}

#[derive(Debug, Clone)]
pub struct Route {
    pub pattern: RoutePattern,
    pub auth: RouteAuth,
    /// Any one of these; `admin` passes every route. Empty: every role, and none.
    pub roles: Vec<String>,
    pub limits: Vec<Limit>,
    pub general_limits: GeneralLimits,
    /// Index into `Config::upstreams`.
    pub upstream: usize,
    pub mode: Mode,
    /// Largest request body in bytes.
    pub body_max: u64,
    /// What its query and body may be.
    pub validate: validate::Config,
    pub websocket: WebSocket,
    pub origin: Origin,
}

/// Where URLs may lead.
#[derive(Debug, Clone)]
pub struct Outbound {
    pub rules: Rules,
    /// The name servers to ask; none: those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// For all lookups of one URL.
    pub timeout: Duration,
    /// Where the resolver is named.
    pub origin: Origin,
}

/// A proxy through which the application calls others.
#[derive(Debug, Clone)]
pub struct Egress {
    pub listen: SocketAddr,
    /// Who may call.
    pub clients: Vec<IpNet>,
    /// The only hosts that are called; empty for all that are public.
    pub hosts: Vec<Place>,
    /// What becomes of calls to others.
    pub mode: Mode,
    pub origin: Origin,
}

/// What the limits of every route, and those of the caller's role, are for one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeneralLimits {
    /// They count it, and refuse.
    Count,
    /// Their headers are shown; they neither count nor refuse.
    Show,
    /// They have nothing to do with it.
    Off,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePattern {
    /// As written.
    pub text: String,
    /// Empty for all; `WS` for WebSocket.
    pub methods: Vec<String>,
    pub path: String,
    /// As the matcher reads it.
    pub pattern: Pattern,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebSocket {
    pub idle_timeout: Option<Duration>,
    pub connections: Option<usize>,
    /// Bytes.
    pub max_message: Option<u64>,
    /// From the answer to the handshake to the whole first message.
    pub auth_timeout: Duration,
    /// Of each connection for itself.
    pub messages: Option<Messages>,
    pub connections_per_ip: Option<usize>,
    pub connections_per_user: Option<usize>,
    pub connections_per_path: Option<usize>,
    /// Between two pings of the gateway to a client.
    pub ping: Option<Duration>,
}

/// How many messages a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Messages {
    pub rate: Rate,
    pub mode: Mode,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub content_type: String,
    /// With placeholders of `PLACEHOLDERS` in braces; nothing: the body of the gateway.
    pub body: Option<String>,
    pub headers: Vec<(String, String)>,
    /// What the log says of it; nothing: the words of the gateway.
    pub log: Option<String>,
    /// How it is told over a WebSocket that is open.
    pub websocket: Parting,
    /// In place of the refusal's own.
    pub status: Option<u16>,
    pub origin: Origin,
}

/// How a refusal is told over a WebSocket; nothing: in the words of the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parting {
    /// With placeholders, as a body.
    pub message: Option<String>,
    /// Of the close frame.
    pub close: Option<u16>,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceErrors {
    Never,
    ServerErrors,
    AllErrors,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Empty for the root; else begins with a slash and does not end with one.
    pub prefix: String,
    /// Whole path, as the others; nothing: there is none.
    pub health: Option<String>,
    pub metrics: Option<String>,
    /// Who may read the metrics beside this machine.
    pub metrics_readers: Vec<IpNet>,
    /// What people do about their own account: `/auth/login` and the like stand under it. This and the others
    /// need accounts.
    pub auth: Option<String>,
    /// What admins do about others.
    pub admin: Option<String>,
    pub docs: Option<String>,
    /// The `OpenAPI` document, where `docs` stands.
    pub openapi: Option<String>,
    /// The public keys of tokens and assertions.
    pub jwks: Option<String>,
}

#[derive(Debug, Clone)]
pub struct PolicyTest {
    /// As named, else the request.
    pub name: String,
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub from: IpAddr,
    /// At least one of the three is there.
    pub status: Option<u16>,
    pub code: Option<String>,
    pub route: Option<String>,
    pub origin: Origin,
}

/// What may stand in braces in the body of a reply.
pub const PLACEHOLDERS: [&str; 13] = [
    "limit",
    "window",
    "remaining",
    "reset",
    "retry_after",
    "request_id",
    "detail",
    "title",
    "code",
    "status",
    "errors",
    "fastapi_errors",
    "timestamp",
];

/// The reply that stands for answers of the application that are replaced.
pub const UPSTREAM_ERROR: &str = "upstream-error";

/// The reply that stands for refusals of the account endpoints; `{code}` says which.
pub const ACCOUNT: &str = "account";

impl Environment {
    pub fn name(self) -> &'static str {
        match self {
            Environment::Development => "development",
            Environment::Production => "production",
        }
    }
}

impl ListenAddress {
    pub fn is_loopback(&self) -> bool {
        match self {
            ListenAddress::Tcp(address) => portcullis_core::client::canonical(address.ip()).is_loopback(),
            ListenAddress::Unix(_) => true,
        }
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl std::fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UpstreamAddress::Tcp { host, port } if host.contains(':') => write!(f, "http://[{host}]:{port}"),
            UpstreamAddress::Tcp { host, port } => write!(f, "http://{host}:{port}"),
            UpstreamAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
