//! From the configuration to what runs: the policy of the gate and the settings of the data plane.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::quota::{LimitSpec, Scope};
use portcullis_core::route::Pattern;
use portcullis_core::{Denial, identity::Scheme};
use portcullis_gate::authn::{Authenticator, Authn, Bearer, Sessions, SharedSecret, UserKeys};
use portcullis_gate::cors::{self, Cors};
use portcullis_gate::edge::{self, Edge};
use portcullis_gate::headers::{self, HeaderRule, Headers};
use portcullis_gate::limit::{self, LimitRule, Mode};
use portcullis_gate::onward::{Assertions, Onward};
use portcullis_gate::policy::{
    Own, Parts, Policy, PolicyError, ReplaceErrors, Route, Target, UnknownRoutes, WebSocketRules,
};
use portcullis_gate::reply::{Replies, Template, UPSTREAM_ERROR};
use portcullis_gate::validate;
use portcullis_proxy::{Bind, Breaker, Caps, Endpoint, Inside, Listener, Settings, Snapshot, Upstream};

use crate::api;
use crate::api::endpoints::Access;
use crate::config::model::{self, Config};
use crate::config::origin::Origin;
use crate::config::{Problem, Problems};
use crate::log;
use crate::ops::accounts::Judges;
use crate::ops::assertion::Signed;

/// What accounts bring to a snapshot.
#[derive(Debug, Clone)]
pub struct Doors {
    /// What judges credentials of users.
    pub judges: Judges,
    /// The way to the gateway's own service.
    pub inside: Inside,
}

impl Doors {
    /// For a policy that is only asked: nobody is let in to the service.
    pub fn asked(judges: Judges) -> Self {
        let closed = |_| Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        Self { judges, inside: Inside::new(closed) }
    }
}

/// Builds what a configuration says. `doors` must be there where it keeps accounts.
pub fn snapshot(config: &Config, doors: Option<&Doors>) -> Result<Snapshot, Problems> {
    Ok(Snapshot { policy: policy(config, doors)?, settings: settings(config, doors) })
}

/// The listeners of a configuration. They stay as they are until the next start.
pub fn listeners(config: &Config) -> Vec<Listener> {
    config
        .server
        .listeners
        .iter()
        .map(|listener| Listener {
            bind: match &listener.address {
                model::ListenAddress::Tcp(address) => Bind::Tcp(*address),
                model::ListenAddress::Unix(path) => Bind::Unix(path.clone()),
            },
            tls: listener.tls,
            proxy_protocol: listener.proxy_protocol,
        })
        .collect()
}

fn settings(config: &Config, doors: Option<&Doors>) -> Settings {
    let caps = &config.server.caps;
    let upstreams = config.upstreams.iter().map(|upstream| Upstream {
        breaker: upstream
            .breaker
            .as_ref()
            .map(|breaker| Arc::new(Breaker::new(breaker.failures, breaker.open))),
        connect_timeout: upstream.connect_timeout,
        response_timeout: upstream.response_timeout,
        idle_timeout: upstream.idle_timeout,
        ..Upstream::new(
            &upstream.name,
            upstream
                .addresses
                .iter()
                .map(|address| match address {
                    model::UpstreamAddress::Tcp { host, port } => Endpoint::Tcp(host.clone(), *port),
                    model::UpstreamAddress::Unix(path) => Endpoint::Unix(path.clone()),
                })
                .collect(),
        )
    });
    Settings {
        caps: Caps {
            header_timeout: caps.header_timeout,
            headers: caps.headers,
            target: caps.target,
            body_timeout: caps.body_timeout,
            idle_timeout: caps.idle_timeout,
            write_timeout: caps.body_timeout,
            connections: caps.connections,
            connections_per_ip: caps.connections_per_ip,
        },
        upstreams: upstreams
            .chain(
                doors.map(|doors| Upstream::new("portcullis", vec![Endpoint::Inside(doors.inside.clone())])),
            )
            .collect(),
    }
}

fn policy(config: &Config, doors: Option<&Doors>) -> Result<Policy, Problems> {
    let mut routes = Vec::new();
    let mut origins = Vec::new();
    for route in &config.routes {
        let pattern: Pattern = route
            .pattern
            .text
            .parse()
            .map_err(|error| Problems::from(Problem::new(&route.origin, format!("`match` {error}"))))?;
        origins.push(&route.origin);
        routes.push((pattern, named_route(config, route)));
    }
    let own_origin = Origin::Default;
    if let Some(path) = &config.endpoints.health {
        let pattern = format!("GET {path}").parse().map_err(|error| {
            Problems::from(Problem::new(&own_origin, format!("`endpoints.health` {error}")))
        })?;
        origins.push(&own_origin);
        routes.push((pattern, own_route(path, Own::Health)));
    }
    if doors.is_some() {
        for (pattern, route) in own_routes(config)? {
            origins.push(&own_origin);
            routes.push((pattern, route));
        }
    }
    let parts = Parts {
        edge: Edge::new(edge::Config { trusted_proxies: config.server.trusted_proxies.clone() }),
        routes,
        default_route: default_route(config),
        unknown_routes: if config.server.closed { UnknownRoutes::Closed } else { UnknownRoutes::Pass },
        cors: cross_origin(config)?,
        authn: Authn::new(authenticators(config, doors)),
        failures: LimitRule::new("failures", config.auth.failures, Scope::Ip, Mode::Enforce),
        headers: Headers::new(response_headers(config)),
        replies: replies(config)?,
        replace_errors: match config.replace_errors {
            model::ReplaceErrors::Never => ReplaceErrors::Never,
            model::ReplaceErrors::ServerErrors => ReplaceErrors::Server,
            model::ReplaceErrors::AllErrors => ReplaceErrors::All,
        },
        identity: Onward {
            user_fields: config.identity.user_headers.iter().map(|name| name.as_str().into()).collect(),
            assertions: doors.zip(config.identity.assertion.as_ref()).map(|(doors, audience)| {
                let signed: Arc<dyn Assertions> =
                    Arc::new(Signed::new(Arc::clone(&doors.judges.tokens), audience));
                signed
            }),
        },
    };
    Policy::new(parts).map_err(|error| match error {
        PolicyError::Conflict(conflict) => {
            let (first, second) = (origins[conflict.first], origins[conflict.second]);
            Problems::from(Problem::new(
                second,
                format!(
                    "this route can never be reached: it matches the same requests as the one at {first}"
                ),
            ))
        }
        error @ PolicyError::UnknownScheme { .. } => {
            Problems::from(Problem::new(&own_origin, error.to_string()))
        }
    })
}

fn authenticators(config: &Config, doors: Option<&Doors>) -> Vec<Authenticator> {
    let mut authenticators = Vec::new();
    for scheme in config.auth.schemes() {
        let secrets: Vec<_> = scheme.credentials.iter().map(|credential| credential.secret.clone()).collect();
        let shared = (!secrets.is_empty()).then(|| {
            let shared = SharedSecret::new(scheme.scheme, &scheme.header, secrets);
            match &scheme.role {
                Some(role) => shared.with_role(role),
                None => shared,
            }
        });
        match (doors.filter(|_| scheme.users), shared) {
            (Some(doors), shared) => {
                let directory = Arc::clone(&doors.judges.directory);
                let keys = UserKeys::new(&scheme.header, directory, shared);
                authenticators.push(Authenticator::UserKeys(keys));
            }
            (None, Some(shared)) => authenticators.push(Authenticator::SharedSecret(shared)),
            (None, None) => {}
        }
    }
    if let (Some(Doors { judges, .. }), Some(accounts)) = (doors, &config.accounts) {
        let directory = || Arc::clone(&judges.directory);
        let bearer = Bearer::new(Arc::clone(&judges.tokens), directory());
        authenticators.push(Authenticator::Bearer(bearer));
        let sessions = Sessions::new(directory(), &accounts.sessions.cookie);
        authenticators.push(Authenticator::Sessions(sessions));
    }
    authenticators
}

fn accepts(auth: &model::RouteAuth) -> Vec<Scheme> {
    auth.schemes().to_vec()
}

/// Limits of a route, those that need no identity apart from those that do.
#[derive(Default)]
struct Rules {
    before: Vec<LimitRule>,
    after: Vec<LimitRule>,
}

impl Rules {
    /// Adds the limits of one place, with the ceilings of those whose key the client chooses.
    fn add(&mut self, place: &str, limits: &[model::Limit], force: Option<Mode>) {
        let mut rules: Vec<LimitRule> = Vec::new();
        for limit in limits {
            let own = match limit.mode {
                model::Mode::Observe => Mode::Observe,
                model::Mode::Enforce => Mode::Enforce,
            };
            let shared = limit.shared.as_ref().map(|name| format!("shared {name}"));
            let place = shared.as_deref().unwrap_or(place);
            let rule = LimitRule::new(place, limit.rate, limit.scope, force.unwrap_or(own));
            rules.extend(rule.ceiling(place));
            rules.push(rule);
        }
        limit::tell_apart(&mut rules);
        self.take(rules);
    }

    /// Adds the tiers of the roles.
    fn tiers(&mut self, roles: &[model::Role], force: Option<Mode>) {
        for role in roles {
            let tier = |limit: &model::Limit| {
                LimitRule::tier(&role.name, limit.rate, limit.scope, force.unwrap_or(Mode::Enforce))
            };
            let mut rules: Vec<LimitRule> = role.limits.iter().map(tier).collect();
            limit::tell_apart(&mut rules);
            self.after.extend(rules);
        }
    }

    fn take(&mut self, rules: Vec<LimitRule>) {
        let (after, before): (Vec<_>, Vec<_>) =
            rules.into_iter().partition(|rule| rule.scope.needs_identity());
        self.before.extend(before);
        self.after.extend(after);
    }
}

/// The limits that every route has, as this one has them.
fn general_rules(config: &Config, general: model::GeneralLimits) -> Rules {
    let mut rules = Rules::default();
    let force = match general {
        model::GeneralLimits::Off => return rules,
        model::GeneralLimits::Show => Some(Mode::Show),
        model::GeneralLimits::Count => None,
    };
    rules.add("", &config.limits, force);
    rules.tiers(&config.roles, force);
    rules
}

fn named_route(config: &Config, route: &model::Route) -> Route {
    let mut rules = general_rules(config, route.general_limits);
    let observes = route.mode == model::Mode::Observe;
    rules.add(&route.pattern.text, &route.limits, observes.then_some(Mode::Observe));
    Route {
        name: route.pattern.text.as_str().into(),
        accepts: accepts(&route.auth),
        optional: matches!(route.auth, model::RouteAuth::Optional(_)),
        roles: route.roles.iter().map(|role| role.as_str().into()).collect(),
        observe: observes,
        before_authn: rules.before,
        after_authn: rules.after,
        target: Target::Upstream(route.upstream),
        pass_credentials: config.upstreams[route.upstream].pass_credentials,
        max_body: route.body_max,
        validate: route.validate.clone(),
        websocket: WebSocketRules {
            idle_ms: route.websocket.idle_timeout.map_or(0, |idle| idle.as_millis() as u64),
            connections: route
                .websocket
                .connections
                .map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX)),
            max_message: route.websocket.max_message.unwrap_or(0),
        },
    }
}

fn default_route(config: &Config) -> Route {
    let rules = general_rules(config, model::GeneralLimits::Count);
    Route {
        name: "default".into(),
        accepts: accepts(&config.auth.default),
        optional: matches!(config.auth.default, model::RouteAuth::Optional(_)),
        roles: Vec::new(),
        observe: false,
        before_authn: rules.before,
        after_authn: rules.after,
        target: Target::Upstream(config.default_upstream),
        pass_credentials: config.upstreams[config.default_upstream].pass_credentials,
        max_body: config.server.caps.body,
        validate: validate::Config {
            query: config.query.clone(),
            body: None,
            patterns: config.patterns.clone(),
        },
        websocket: WebSocketRules::default(),
    }
}

/// The endpoints of the accounts, as their table says: the general limits hold for them as for every route.
fn own_routes(config: &Config) -> Result<Vec<(Pattern, Route)>, Problems> {
    let places = places(config);
    let inside = config.upstreams.len();
    let parse = |text: &str| {
        text.parse::<Pattern>()
            .map_err(|error| Problems::from(Problem::new(&Origin::Default, format!("`{text}` {error}"))))
    };
    let mut routes = Vec::new();
    for (text, endpoint) in api::endpoints::placed(&places) {
        let mut rules = general_rules(config, model::GeneralLimits::Count);
        if let Some(spec) = endpoint.limit.and_then(|limit| limit.parse::<LimitSpec>().ok()) {
            let scope = spec.scope.unwrap_or(Scope::Ip);
            rules.take(vec![LimitRule::new(&text, spec.rate, scope, Mode::Enforce)]);
        }
        let accepts: Vec<Scheme> =
            endpoint.schemes().iter().copied().filter(|scheme| config.auth.takes(*scheme)).collect();
        let route = Route {
            accepts,
            optional: matches!(endpoint.access, Access::Optional(_)),
            roles: match endpoint.access {
                Access::Admin(_) => vec![model::ADMIN.into()],
                Access::Open | Access::Optional(_) | Access::Authenticated(_) => Vec::new(),
            },
            before_authn: rules.before,
            after_authn: rules.after,
            max_body: endpoint.max_body(),
            ..Route::open(&text, Target::Inside(inside))
        };
        routes.push((parse(&text)?, route));
    }
    // What is asked for with another method is answered 405.
    for path in api::endpoints::paths(&places) {
        let rules = general_rules(config, model::GeneralLimits::Count);
        let route = Route {
            before_authn: rules.before,
            after_authn: rules.after,
            max_body: api::endpoints::MAX_BODY,
            ..Route::open(&path, Target::Inside(inside))
        };
        routes.push((parse(&path)?, route));
    }
    Ok(routes)
}

/// Where the endpoints of the accounts stand.
fn places(config: &Config) -> api::Places {
    let endpoints = &config.endpoints;
    api::Places {
        auth: endpoints.auth.clone(),
        admin: endpoints.admin.clone(),
        docs: endpoints.docs.clone(),
        openapi: endpoints.openapi.clone(),
        jwks: endpoints.jwks.clone(),
    }
}

/// What the service of the accounts goes by.
pub fn service_settings(config: &Config) -> Result<api::Settings, Problems> {
    let account = match config.replies.get(model::ACCOUNT) {
        Some(reply) => Some(template(reply)?),
        None => None,
    };
    let cookie = config.accounts.as_ref().map(|accounts| &accounts.sessions);
    Ok(api::Settings {
        places: places(config),
        replies: api::Replies { base: config.endpoints.prefix.as_str().into(), account },
        cookie: cookie.map_or_else(api::Cookie::default, |sessions| api::Cookie {
            name: sessions.cookie.clone(),
            secure: sessions.secure_cookie,
        }),
        roles: config.roles.iter().map(|role| role.name.clone()).collect(),
    })
}

/// The gateway's own endpoints are open and never limited: a health check must not lock itself out.
fn own_route(path: &str, own: Own) -> Route {
    Route { max_body: 0, ..Route::open(path, Target::Own(own)) }
}

fn cross_origin(config: &Config) -> Result<Option<Cors>, Problems> {
    if !config.cors.enabled {
        return Ok(None);
    }
    let from = &config.cors;
    let stage = cors::Config {
        origins: match &from.origins {
            model::Origins::Any => vec!["*".to_owned()],
            model::Origins::Exact(origins) => origins.clone(),
        },
        credentials: from.credentials,
        methods: from.methods.clone(),
        headers: match &from.headers {
            model::CorsHeaders::Any => vec!["*".to_owned()],
            model::CorsHeaders::List(headers) => headers.clone(),
        },
        expose: from.expose.clone(),
        max_age_s: u32::try_from(from.max_age.as_secs()).unwrap_or(u32::MAX),
        reject: from.reject,
    };
    Cors::new(stage)
        .map(Some)
        .map_err(|error| Problems::from(Problem::new(&Origin::Default, format!("`cors`: {error}"))))
}

fn response_headers(config: &Config) -> headers::Config {
    let mut stage = headers::Config { set: Vec::new(), remove: Vec::new() };
    for rule in &config.headers {
        match &rule.action {
            model::HeaderAction::Remove => stage.remove.push(rule.name.as_str().into()),
            model::HeaderAction::Set { value, keep, tls_only } => stage.set.push(HeaderRule {
                name: rule.name.as_str().into(),
                value: value.as_str().into(),
                keep: *keep,
                tls_only: *tls_only,
            }),
        }
    }
    stage
}

fn replies(config: &Config) -> Result<Replies, Problems> {
    let mut templates = Vec::new();
    for (code, reply) in &config.replies {
        let known = Denial::CODES.into_iter().chain([UPSTREAM_ERROR]).find(|known| known == code);
        let Some(code) = known else { continue };
        templates.push((code, template(reply)?));
    }
    Ok(Replies::new(templates, &config.endpoints.prefix))
}

fn template(reply: &model::Reply) -> Result<Template, Problems> {
    let template = match &reply.body {
        Some(body) => Template::new(&reply.content_type, body)
            .map_err(|error| Problems::from(Problem::new(&reply.origin, error.to_string())))?,
        None => Template::problem(),
    };
    Ok(template.with_fields(&reply.headers).with_log(reply.log.as_deref().unwrap_or_default()))
}

/// How long a shutdown waits for what is running.
pub fn patience(config: &Config) -> Duration {
    config.server.drain
}

/// The certificate files, where TLS is configured.
pub fn certificate_files(config: &Config) -> Option<(&Path, &Path)> {
    config.server.tls.as_ref().map(|tls| (tls.cert.as_path(), tls.key.as_path()))
}

/// How the log is written.
pub fn log_settings(config: &Config) -> log::Settings {
    let from = &config.log;
    log::Settings {
        format: match from.format {
            model::LogFormat::Text => log::Format::Text,
            model::LogFormat::Json => log::Format::Json,
        },
        level: match from.level {
            model::LogLevel::Error => log::Level::Error,
            model::LogLevel::Warn => log::Level::Warn,
            model::LogLevel::Info => log::Level::Info,
            model::LogLevel::Debug | model::LogLevel::Trace => log::Level::Debug,
        },
        file: from.file.clone().map(|path| log::FileSettings { path, rotate: from.rotate, keep: from.keep }),
    }
}
