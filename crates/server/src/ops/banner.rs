//! What is printed at start: the security settings in force, without a secret.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::config::model::{Config, CorsHeaders, ListenAddress, Origins, RouteAuth, SchemeConfig, UpstreamAddress};
use crate::config::Loaded;

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
        line("upstream", &format!("{} at {}", upstream.name, upstream.addresses.iter().map(place).collect::<Vec<_>>().join(", ")));
    }
    line("ingest token", &scheme(config.auth.ingest_token.as_ref()));
    line("API key", &scheme(config.auth.api_key.as_ref()));
    line("CORS origins", &origins(config));
    for limit in &config.limits {
        line("rate limit", &format!("{} per {} on every route", limit.rate, limit.scope));
    }
    for route in &config.routes {
        let limits = route.limits.iter().map(|limit| format!(", {} per {}", limit.rate, limit.scope)).collect::<String>();
        line("route", &format!("{}: {}{limits}", route.pattern.text, asks(&route.auth)));
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

fn scheme(scheme: Option<&SchemeConfig>) -> String {
    match scheme {
        None => "Not configured (open access)".to_owned(),
        Some(scheme) if scheme.credentials.len() == 1 => format!("Configured, in {}", scheme.header),
        Some(scheme) => format!("Configured, in {} ({} valid at once)", scheme.header, scheme.credentials.len()),
    }
}

fn asks(auth: &RouteAuth) -> String {
    match auth {
        RouteAuth::Open => "open".to_owned(),
        RouteAuth::AnyOf(schemes) => schemes.iter().map(|scheme| scheme.name()).collect::<Vec<_>>().join(" or "),
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
