//! What is printed at start: the security settings in force, without a secret.

use std::fmt::Write as _;
use std::io::Write as _;

use portcullis_core::identity::Scheme;

use crate::config::Loaded;
use crate::config::model::{
    Config, CorsHeaders, ListenAddress, Origins, RouteAuth, SchemeConfig, Store, StoreUrl, TokenKeys,
    UpstreamAddress,
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
    if let Some(kept) = &config.accounts {
        line("accounts", &format!("in {}", store(&kept.store)));
        line("tokens", &format!("{}, {}", kept.tokens.algorithm.name(), signer(&kept.tokens.keys)));
        let registration = &kept.registration;
        let open = registration.enabled && config.endpoints.auth.is_some();
        let words = if open { format!("open, as {}", registration.role) } else { "closed".to_owned() };
        line("registration", &words);
        for (name, path) in [("/auth", &config.endpoints.auth), ("/admin", &config.endpoints.admin)] {
            line("own endpoints", &format!("{name} at {}", path.as_deref().unwrap_or("nowhere")));
        }
    }
    let days = config.audit.retention.as_secs() / 86_400;
    match &config.audit.store {
        _ if !config.audit.enabled => line("audit log", "Not written"),
        Some(own) => line("audit log", &format!("in {}, kept for {days} days", store(own))),
        None => line("audit log", &format!("beside the accounts, kept for {days} days")),
    }
    line("CORS origins", &origins(config));
    if !config.limiter {
        line("rate limit", "Switched off");
    }
    for (role, limit) in config.roles.iter().flat_map(|role| role.limits.iter().map(move |it| (role, it))) {
        line("rate limit", &format!("{} per {} for {}", limit.rate, limit.scope, role.name));
    }
    for limit in &config.limits {
        line("rate limit", &format!("{} per {} on every route", limit.rate, limit.scope));
    }
    for route in &config.routes {
        let limits: Vec<_> =
            route.limits.iter().map(|limit| format!(", {} per {}", limit.rate, limit.scope)).collect();
        let roles =
            if route.roles.is_empty() { String::new() } else { format!(" as {}", route.roles.join(" or ")) };
        line("route", &format!("{}: {}{roles}{}", route.pattern.text, asks(&route.auth), limits.concat()));
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

/// Where accounts are, without a password, and whether a copy of them says anything.
fn store(store: &Store) -> String {
    let sealed = match (&store.url, &store.encryption_key) {
        (_, None) => "not encrypted",
        (StoreUrl::Sqlite(_), Some(_)) => "encrypted",
        (StoreUrl::Postgres { .. }, Some(_)) => "secrets encrypted",
    };
    format!("{}, {sealed}", store.url.shown())
}

fn signer(keys: &TokenKeys) -> String {
    match keys {
        TokenKeys::Secrets(secrets) => format!("signed with the first of {}", secrets.len()),
        TokenKeys::Pem(paths) => {
            format!(
                "signed with {}",
                paths.first().map_or_else(String::new, |path| path.display().to_string())
            )
        }
        TokenKeys::Made { .. } => "signed with a key of the gateway's own".to_owned(),
    }
}

fn credentials(scheme: &SchemeConfig) -> String {
    let users = if scheme.users { ", and those of users" } else { "" };
    match scheme.credentials.len() {
        0 => format!("Those of users, in {}", scheme.header),
        1 => format!("Configured, in {}{users}", scheme.header),
        count => format!("Configured, in {} ({count} valid at once){users}", scheme.header),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn shown(profile: &str, names: &[(&str, &str)]) -> String {
        let environment = names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources {
            directory: std::env::temp_dir(),
            profile: Some(profile.to_owned()),
            environment: environment.collect(),
            ..Sources::default()
        };
        text(&load(&sources).unwrap_or_else(|problems| panic!("{problems}")).config)
    }

    #[test]
    fn accounts_are_said_without_a_secret() {
        const SECRET: &str = "5d2f7a90c41be8363f0d9ab27c58e1f46b0792adc3e5184f9a6d2c7be0318f54";
        let names = [("JWT_SECRET_KEY", SECRET), ("PORTCULLIS_STORE__URL", "postgres://u:hunter2@h/d")];
        let text = shown("btc-forecasting", &names);
        for line in [
            "accounts        in postgres://u@h/d, not encrypted",
            "tokens          HS256, signed with the first of 1",
            "registration    open, as free",
            "API key         Those of users, in X-API-Key",
            "rate limit      300/minute per user for premium",
            "route           /realtime/start: bearer or api-key as admin",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("hunter2") && !text.contains(SECRET), "{text}");
        let text = shown("echotuner", &[("SECRET_KEY", SECRET), ("RATE_LIMIT_ENABLED", "false")]);
        assert!(text.contains("other routes    session or bearer or api-key, or nothing"), "{text}");
        assert!(text.contains("rate limit      Switched off"), "{text}");
    }
}
