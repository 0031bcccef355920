//! What is printed at start: the security settings in force, without a secret.

use std::fmt::Write as _;
use std::io::Write as _;

use portcullis_core::identity::Scheme;

use crate::config::Loaded;
use crate::config::model::{
    Config, CorsHeaders, ListenAddress, Origins, RouteAuth, SchemeConfig, UpstreamAddress,
};

/// Prints the settings in force to standard output, and what is worth a warning to standard error. A closed
/// standard output is no reason not to serve.
pub fn print(loaded: &Loaded) {
    let _ = std::io::stdout().write_all(text(&loaded.config).as_bytes());
    for warning in &loaded.warnings {
        let _ = writeln!(std::io::stderr(), "{warning}");
    }
}

/// The settings in force, a line each.
pub fn text(config: &Config) -> String {
    let mut out = format!("Portcullis {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:<16}{value}");
    };
    line("profile", config.profile.unwrap_or("none"));
    line("environment", &format!("{:?}", config.environment).to_lowercase());
    for listener in &config.server.listeners {
        let tls = if listener.tls { " (TLS)" } else { "" };
        match &listener.address {
            ListenAddress::Tcp(address) => {
                line("host", &format!("{}{tls}", address.ip()));
                line("port", &address.port().to_string());
            }
            ListenAddress::Unix(path) => line("socket", &path.display().to_string()),
        }
    }
    for upstream in &config.upstreams {
        line(
            "upstream",
            &format!(
                "{} at {}",
                upstream.name,
                upstream.addresses.iter().map(place).collect::<Vec<_>>().join(", ")
            ),
        );
    }
    for (name, scheme, configured) in [
        ("ingest token", Scheme::IngestToken, config.auth.ingest_token.as_ref()),
        ("API key", Scheme::ApiKey, config.auth.api_key.as_ref()),
    ] {
        match configured {
            Some(configured) => line(name, &credentials(configured)),
            None if config.auth.unset.contains(&scheme) => line(name, "Not configured (open access)"),
            None => {}
        }
    }
    line("CORS origins", &origins(config));
    for limit in &config.limits {
        line("rate limit", &format!("{} per {} on every route", limit.rate, limit.scope));
    }
    for route in &config.routes {
        let limits: Vec<_> =
            route.limits.iter().map(|limit| format!(", {} per {}", limit.rate, limit.scope)).collect();
        line("route", &format!("{}: {}{}", route.pattern.text, asks(&route.auth), limits.concat()));
    }
    line("other routes", &asks(&config.auth.default));
    out
}

fn place(address: &UpstreamAddress) -> String {
    match address {
        UpstreamAddress::Tcp { host, port } => format!("http://{host}:{port}"),
        UpstreamAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn credentials(scheme: &SchemeConfig) -> String {
    match scheme.credentials.len() {
        1 => format!("Configured, in {}", scheme.header),
        count => format!("Configured, in {} ({count} valid at once)", scheme.header),
    }
}

fn asks(auth: &RouteAuth) -> String {
    match auth {
        RouteAuth::Open => "open".to_owned(),
        RouteAuth::AnyOf(schemes) => {
            schemes.iter().map(|scheme| scheme.name()).collect::<Vec<_>>().join(" or ")
        }
        RouteAuth::Optional(schemes) => {
            let schemes: Vec<_> = schemes.iter().map(|scheme| scheme.name()).collect();
            format!("{}, or nothing", schemes.join(" or "))
        }
    }
}

fn origins(config: &Config) -> String {
    if !config.cors.enabled {
        return "left to the application".to_owned();
    }
    let headers = if config.cors.headers == CorsHeaders::Any { ", any header" } else { "" };
    match &config.cors.origins {
        Origins::Any => format!("any, without credentials{headers}"),
        Origins::Exact(origins) if origins.is_empty() => "none".to_owned(),
        Origins::Exact(origins) => format!("{}{headers}", origins.join(", ")),
    }
}
