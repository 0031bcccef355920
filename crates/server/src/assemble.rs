//! From the configuration to what runs: the policy of the gate and the settings of the data plane.

use std::path::Path;
use std::time::Duration;

use portcullis_core::quota::Scope;
use portcullis_core::route::Pattern;
use portcullis_core::{Denial, identity::Scheme};
use portcullis_gate::authn::{Authenticator, Authn, SharedSecret};
use portcullis_gate::cors::{self, Cors};
use portcullis_gate::edge::{self, Edge};
use portcullis_gate::headers::{self, HeaderRule, Headers};
use portcullis_gate::limit::{self, LimitRule, Mode};
use portcullis_gate::policy::{
    Own, Parts, Policy, PolicyError, ReplaceErrors, Route, Target, UnknownRoutes, WebSocketRules,
};
use portcullis_gate::reply::{Replies, Template, UPSTREAM_ERROR};
use portcullis_gate::validate;
use portcullis_proxy::{Bind, Caps, Endpoint, Listener, Settings, Snapshot, Upstream};

use crate::config::model::{self, Config};
use crate::config::origin::Origin;
use crate::config::{Problem, Problems};
use crate::log;

/// Builds what a configuration says.
pub fn snapshot(config: &Config) -> Result<Snapshot, Problems> {
    Ok(Snapshot { policy: policy(config)?, settings: settings(config) })
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

fn settings(config: &Config) -> Settings {
    let caps = &config.server.caps;
    let upstreams = config.upstreams.iter().map(|upstream| Upstream {
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
        upstreams: upstreams.collect(),
    }
}

fn policy(config: &Config) -> Result<Policy, Problems> {
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
    let parts = Parts {
        edge: Edge::new(edge::Config { trusted_proxies: config.server.trusted_proxies.clone() }),
        routes,
        default_route: default_route(config),
        unknown_routes: if config.server.closed { UnknownRoutes::Closed } else { UnknownRoutes::Pass },
        cors: cross_origin(config)?,
        authn: Authn::new(authenticators(config)),
        failures: LimitRule::new("failures", config.auth.failures, Scope::Ip, Mode::Enforce),
        headers: Headers::new(response_headers(config)),
        replies: replies(config)?,
        replace_errors: match config.replace_errors {
            model::ReplaceErrors::Never => ReplaceErrors::Never,
            model::ReplaceErrors::ServerErrors => ReplaceErrors::Server,
            model::ReplaceErrors::AllErrors => ReplaceErrors::All,
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

fn authenticators(config: &Config) -> Vec<Authenticator> {
    [&config.auth.ingest_token, &config.auth.api_key]
        .into_iter()
        .flatten()
        .map(|scheme| {
            let secrets = scheme.credentials.iter().map(|credential| credential.secret.clone()).collect();
            Authenticator::SharedSecret(SharedSecret::new(scheme.scheme, &scheme.header, secrets))
        })
        .collect()
}

fn accepts(auth: &model::RouteAuth) -> Vec<Scheme> {
    match auth {
        model::RouteAuth::Open => Vec::new(),
        model::RouteAuth::AnyOf(schemes) => schemes.clone(),
    }
}

/// The limits of one place, those that need no identity apart from those that do.
fn rules(place: &str, limits: &[model::Limit], whole_mode: model::Mode) -> (Vec<LimitRule>, Vec<LimitRule>) {
    let mut rules: Vec<LimitRule> = limits
        .iter()
        .map(|limit| {
            let observes = [limit.mode, whole_mode].contains(&model::Mode::Observe);
            let mode = if observes { Mode::Observe } else { Mode::Enforce };
            LimitRule::new(place, limit.rate, limit.scope, mode)
        })
        .collect();
    limit::tell_apart(&mut rules);
    rules.into_iter().partition(|rule| !rule.scope.needs_identity())
}

fn named_route(config: &Config, route: &model::Route) -> Route {
    let (global_before, global_after) = rules("", &config.limits, model::Mode::Enforce);
    let (before, after) = rules(&route.pattern.text, &route.limits, route.mode);
    Route {
        name: route.pattern.text.as_str().into(),
        accepts: accepts(&route.auth),
        observe: route.mode == model::Mode::Observe,
        before_authn: global_before.into_iter().chain(before).collect(),
        after_authn: global_after.into_iter().chain(after).collect(),
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
    let (before_authn, after_authn) = rules("", &config.limits, model::Mode::Enforce);
    Route {
        name: "default".into(),
        accepts: accepts(&config.auth.default),
        observe: false,
        before_authn,
        after_authn,
        target: Target::Upstream(config.default_upstream),
        pass_credentials: config.upstreams[config.default_upstream].pass_credentials,
        max_body: config.server.caps.body,
        validate: validate::Config { query: config.query.clone(), body: None },
        websocket: WebSocketRules::default(),
    }
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
        let template = match &reply.body {
            Some(body) => Template::new(&reply.content_type, body)
                .map_err(|error| Problems::from(Problem::new(&reply.origin, error.to_string())))?,
            None => Template::problem(),
        };
        templates.push((code, template.with_fields(&reply.headers)));
    }
    Ok(Replies::new(templates, &config.endpoints.prefix))
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
