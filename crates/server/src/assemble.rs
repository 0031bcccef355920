//! From the configuration to what runs: the policy of the gate and the settings of the data plane.

mod outbound;
mod routes;

pub use outbound::egress_rules;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Denial;
use portcullis_core::quota::Scope;
use portcullis_core::route::Pattern;
use portcullis_gate::authn::{Authenticator, Authn, Bearer, Sessions, SharedSecret, UserKeys};
use portcullis_gate::cors::{self, Cors};
use portcullis_gate::edge::{self, Edge};
use portcullis_gate::headers::{self, HeaderRule, Headers};
use portcullis_gate::limit::{LimitRule, Mode};
use portcullis_gate::onward::{Assertions, Onward};
use portcullis_gate::policy::{Own, Parts, Policy, PolicyError, ReplaceErrors, UnknownRoutes};
use portcullis_gate::reply::{Parting, Replies, Template, UPSTREAM_ERROR};
use portcullis_proxy::{Bind, Breaker, Caps, Endpoint, Inside, Listener, Settings, Snapshot, Upstream};

use crate::api;
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
        routes.push((pattern, routes::named_route(config, route)));
    }
    let own_origin = Origin::Default;
    let endpoints = &config.endpoints;
    for (path, name, own) in
        [(&endpoints.health, "health", Own::Health), (&endpoints.metrics, "metrics", Own::Metrics)]
    {
        let Some(path) = path else { continue };
        let pattern = format!("GET {path}").parse().map_err(|error| {
            Problems::from(Problem::new(&own_origin, format!("`endpoints.{name}` {error}")))
        })?;
        origins.push(&own_origin);
        routes.push((pattern, routes::own_route(path, own)));
    }
    if doors.is_some() {
        for (pattern, route) in routes::own_routes(config)? {
            origins.push(&own_origin);
            routes.push((pattern, route));
        }
    }
    let parts = Parts {
        edge: Edge::new(edge::Config { trusted_proxies: config.server.trusted_proxies.clone() }),
        routes,
        default_route: routes::default_route(config),
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
        urls: outbound::url_guard(config)?,
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
        error @ (PolicyError::UnknownScheme { .. } | PolicyError::NoUrlGuard(_)) => {
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
    let from = &reply.websocket;
    let parting = Parting::new(from.message.as_deref(), from.close, from.reason.as_deref())
        .map_err(|error| Problems::from(Problem::new(&reply.origin, error.to_string())))?;
    let log = reply.log.as_deref().unwrap_or_default();
    Ok(template.with_fields(&reply.headers).with_log(log).with_status(reply.status).with_parting(parting))
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
        security: from.security,
        file: from.file.clone().map(|path| log::FileSettings { path, rotate: from.rotate, keep: from.keep }),
    }
}
