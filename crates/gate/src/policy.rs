//! The immutable snapshot of the configuration that every decision reads, swapped whole at reload.

use std::fmt;
use std::sync::Arc;

use portcullis_core::identity::Scheme;
use portcullis_core::outbound::UrlGuard;
use portcullis_core::quota::Rate;
use portcullis_core::route::{Conflict, Methods, Pattern, RouteTable};
use portcullis_core::{Denial, Identity};

use crate::authn::Authn;
use crate::context::RequestContext;
use crate::cors::Cors;
use crate::edge::Edge;
use crate::headers::Headers;
use crate::limit::LimitRule;
use crate::onward;
use crate::reply::{Farewell, Replies, Reply};
use crate::validate;

/// Where a permitted request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To the upstream with this index.
    Upstream(usize),
    /// To an endpoint of the gateway itself.
    Own(Own),
    /// To the gateway's own service that stands at this index of the upstreams: it is told more of the caller
    /// than an application is, and what it answers is ours.
    Inside(usize),
}

/// The gateway's own endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// `GET …/health`: whether the gateway and its upstreams work.
    Health,
    /// `GET …/metrics`: counters for Prometheus.
    Metrics,
}

/// Everything that is decided per route.
#[derive(Debug)]
pub struct Route {
    /// The pattern as written, or `default`.
    pub name: Box<str>,
    /// The credentials it accepts, any one of them; empty means open.
    pub accepts: Vec<Scheme>,
    /// Whether a request without any of them passes too. A wrong one never does.
    pub optional: bool,
    /// The roles it is for, any one of them; empty means every caller. `admin` passes every route.
    pub roles: Vec<Arc<str>>,
    /// Whether it refuses nobody: what it would refuse is noted.
    pub observe: bool,
    /// Limits that need no identity; they protect the checks below them.
    pub before_authn: Vec<LimitRule>,
    /// Limits that count by identity.
    pub after_authn: Vec<LimitRule>,
    /// Where it goes.
    pub target: Target,
    /// Whether the application sees the client's credentials.
    pub pass_credentials: bool,
    /// The largest request body in bytes.
    pub max_body: u64,
    /// What its query and its body may be.
    pub validate: validate::Config,
    /// What a WebSocket on this route may cost.
    pub websocket: WebSocketRules,
}

impl Route {
    /// A route that asks for nothing and limits nothing, with a body of up to 1 MiB.
    pub fn open(name: &str, target: Target) -> Self {
        Self {
            name: name.into(),
            accepts: Vec::new(),
            optional: false,
            roles: Vec::new(),
            observe: false,
            before_authn: Vec::new(),
            after_authn: Vec::new(),
            target,
            pass_credentials: false,
            max_body: 1 << 20,
            validate: validate::Config::default(),
            websocket: WebSocketRules::default(),
        }
    }
}

/// What an upgraded connection may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebSocketRules {
    /// Milliseconds without a byte in either direction after which it is closed; 0 for no end.
    pub idle_ms: u64,
    /// How many may be open at once over all cores; 0 for no cap of its own.
    pub connections: u32,
    /// The largest message from the client in bytes, as it travels; 0 for any. Where there is one, the framing
    /// is checked too, and no extension (compression) is negotiated.
    pub max_message: u64,
    /// Milliseconds from the answer to the handshake to the whole first message, where that has to log in.
    pub auth_timeout_ms: u64,
    /// How many messages a client may send, each connection for itself; none for any.
    pub messages: Option<MessageRule>,
    /// How many of one address (IPv6 by /64) may be open at once; 0 for no cap of its own.
    pub connections_per_ip: u32,
    /// How many of one user; 0 for no cap of its own.
    pub connections_per_user: u32,
    /// How many of one path, as one account is in `/orders/{account}`; 0 for no cap of its own.
    pub connections_per_path: u32,
    /// Milliseconds between two pings of the gateway to a client; one that answers none is closed. 0 for none.
    pub ping_ms: u64,
}

/// How many messages in how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRule {
    /// The rate.
    pub rate: Rate,
    /// Whether more are only noted.
    pub observe: bool,
}

impl WebSocketRules {
    /// Whether the frames of the client are read.
    pub fn meters(&self) -> bool {
        self.max_message != 0 || self.messages.is_some()
    }
}

/// Which answers of the application are replaced by a reply without details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplaceErrors {
    /// None.
    #[default]
    Never,
    /// 5xx.
    Server,
    /// 4xx and 5xx.
    All,
}

impl ReplaceErrors {
    /// Whether an answer with this status is replaced.
    pub fn replaces(self, status: u16) -> bool {
        match self {
            ReplaceErrors::Never => false,
            ReplaceErrors::Server => status >= 500,
            ReplaceErrors::All => status >= 400,
        }
    }
}

/// The policy in force.
#[derive(Debug)]
pub struct Policy {
    pub(crate) edge: Edge,
    pub(crate) table: RouteTable,
    /// In the order of the patterns of `table`; the default route stands last.
    pub(crate) routes: Vec<Route>,
    pub(crate) unknown_routes: UnknownRoutes,
    pub(crate) cors: Option<Cors>,
    pub(crate) authn: Authn,
    /// The limit of wrong credentials per address.
    pub(crate) failures: LimitRule,
    pub(crate) headers: Headers,
    pub(crate) replies: Replies,
    pub(crate) replace_errors: ReplaceErrors,
    pub(crate) identity: onward::Onward,
    pub(crate) urls: Option<Arc<dyn UrlGuard>>,
}

/// What happens to a request that no route names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownRoutes {
    /// It is treated by the default route.
    #[default]
    Pass,
    /// It is refused with 404, or 405 where another method is known.
    Closed,
}

/// What a policy is built from; every stage brings its own part.
#[derive(Debug)]
pub struct Parts {
    /// Trusted proxies.
    pub edge: Edge,
    /// The named routes.
    pub routes: Vec<(Pattern, Route)>,
    /// What applies where no route is named.
    pub default_route: Route,
    /// Whether unnamed routes pass.
    pub unknown_routes: UnknownRoutes,
    /// Cross-origin rules; without them the application's own pass through.
    pub cors: Option<Cors>,
    /// The authenticators.
    pub authn: Authn,
    /// The limit of wrong credentials per address.
    pub failures: LimitRule,
    /// Response headers.
    pub headers: Headers,
    /// What refusals say.
    pub replies: Replies,
    /// Which answers of the application are replaced.
    pub replace_errors: ReplaceErrors,
    /// How an application is told who it is.
    pub identity: onward::Onward,
    /// Who knows where a URL leads; there must be one where a route asks for public URLs.
    pub urls: Option<Arc<dyn UrlGuard>>,
}

/// Why a policy cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Two routes that match the same requests.
    #[error("two routes match the same requests")]
    Conflict(Conflict),
    /// A route accepts a credential that nothing can judge.
    #[error("route `{route}` asks for `{scheme}`, which is not configured")]
    UnknownScheme {
        /// The route.
        route: Box<str>,
        /// The scheme nothing stands for.
        scheme: Scheme,
    },
    /// A route asks for public URLs, and nobody can judge them.
    #[error("route `{0}` asks for public URLs, and there is no guard")]
    NoUrlGuard(Box<str>),
}

impl Policy {
    /// Checks that the parts fit together, and builds the policy.
    pub fn new(parts: Parts) -> Result<Self, PolicyError> {
        let (patterns, mut routes): (Vec<_>, Vec<_>) = parts.routes.into_iter().unzip();
        let table = RouteTable::build(patterns).map_err(PolicyError::Conflict)?;
        routes.push(parts.default_route);
        for route in &routes {
            if route.validate.judges_urls() && parts.urls.is_none() {
                return Err(PolicyError::NoUrlGuard(route.name.clone()));
            }
            if let Some(scheme) = route.accepts.iter().find(|scheme| !parts.authn.knows(**scheme)) {
                return Err(PolicyError::UnknownScheme { route: route.name.clone(), scheme: *scheme });
            }
        }
        Ok(Self {
            edge: parts.edge,
            table,
            routes,
            unknown_routes: parts.unknown_routes,
            cors: parts.cors,
            authn: parts.authn,
            failures: parts.failures,
            headers: parts.headers,
            replies: parts.replies,
            replace_errors: parts.replace_errors,
            identity: parts.identity,
            urls: parts.urls,
        })
    }

    /// The route with this index, as [`crate::RequestContext::route`] gives it; the default one for `None`.
    pub fn route(&self, index: Option<usize>) -> &Route {
        let last = self.routes.len() - 1;
        &self.routes[index.unwrap_or(last).min(last)]
    }

    /// The pattern of the route with this index; none for the default route.
    pub(crate) fn pattern(&self, index: Option<usize>) -> Option<&Pattern> {
        self.table.patterns().get(index?)
    }

    /// Whether the route with this index is for WebSocket handshakes alone.
    pub(crate) fn is_handshake(&self, index: Option<usize>) -> bool {
        let pattern = index.and_then(|index| self.table.patterns().get(index));
        pattern.is_some_and(|pattern| *pattern.methods() == Methods::WebSocket)
    }

    /// Whether the request field `name` is kept from the application: a credential that this gateway
    /// judged, or a field by which a client could pretend to be the gateway.
    pub fn withholds(&self, route: &Route, name: &str) -> bool {
        crate::edge::spoofable(name)
            || self.identity.is_spoofed(name)
            || (!route.pass_credentials && self.authn.is_credential(name))
    }

    /// Whether a token among the subprotocols of a WebSocket is kept from the application.
    pub fn withholds_protocol(&self, route: &Route) -> bool {
        !route.pass_credentials && route.accepts.contains(&Scheme::Bearer)
    }

    /// The cookie that carries a credential which this gateway judged, where the application is not to see it.
    pub fn withheld_cookie(&self, route: &Route) -> Option<&str> {
        self.authn.cookie().filter(|_| !route.pass_credentials)
    }

    /// Emits the fields by which an application, or our own service, is told who it is.
    pub fn write_identity(
        &self,
        route: &Route,
        identity: Option<&Identity>,
        ctx: &RequestContext,
        put: &mut impl FnMut(&str, &[u8]),
    ) {
        self.identity.write(identity, ctx.now, put);
        if matches!(route.target, Target::Inside(_)) {
            onward::write_inside(identity, ctx, put);
        }
    }

    /// The answer that says `denial`.
    pub fn reply(&self, denial: &Denial, ctx: &RequestContext) -> Reply {
        self.replies.denial(denial, ctx)
    }

    /// The status of the answer that says `denial`.
    pub fn status(&self, denial: &Denial) -> u16 {
        self.replies.status(denial)
    }

    /// Whether an answer of the application with this status is replaced. What our own endpoints say stands.
    pub fn replaces(&self, ctx: &RequestContext, status: u16) -> bool {
        self.replace_errors.replaces(status) && !matches!(self.route(ctx.route).target, Target::Inside(_))
    }

    /// How `denial` is told over a WebSocket whose handshake was answered.
    pub fn farewell(&self, denial: &Denial, ctx: &RequestContext) -> Farewell {
        self.replies.farewell(denial, ctx)
    }

    /// The answer in place of one of the application's.
    pub fn replaced(&self, status: u16, ctx: &RequestContext) -> Reply {
        self.replies.replaced(status, ctx)
    }

    /// Grows with every revocation: connections that outlive their request ask [`Tenure`](crate::authn::Tenure)
    /// again when it moved.
    pub fn epoch(&self) -> u64 {
        self.authn.epoch()
    }

    /// The rules about proxies in front of the gateway.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Upstream(index) => write!(f, "upstream {index}"),
            Target::Inside(_) => f.write_str("the gateway's own endpoints"),
            Target::Own(Own::Health) => f.write_str("the gateway's health endpoint"),
            Target::Own(Own::Metrics) => f.write_str("the gateway's metrics"),
        }
    }
}
