//! What production refuses, each with its reason and its mend, and what deserves a warning anywhere.

use portcullis_core::identity::Scheme;
use portcullis_core::secret::{Flaw, Grade};

use super::model::{
    Config, Credential, Environment, Listener, Origins, SecretSource, Store, StoreUrl, TokenKeys,
};
use super::origin::Origin;
use super::profile;
use super::{Loaded, Problem, Warning};

/// Why production does not start; empty in development.
pub fn refusals(loaded: &Loaded) -> Vec<Problem> {
    if loaded.config.environment == Environment::Development {
        return Vec::new();
    }
    let config = &loaded.config;
    let mut refusals = open_door(loaded);
    for (what, credential) in credentials(config) {
        if credential.from == SecretSource::Literal {
            refusals.push(
                Problem::new(
                    &credential.origin,
                    format!("production refuses {what} that stands in the configuration itself"),
                )
                .mend("value = \"env:NAME\" or \"file:PATH\""),
            );
        }
        if let Some(why) = weakness(credential) {
            refusals.push(
                Problem::new(&credential.origin, format!("production refuses {what}: {why}"))
                    .mend("`portcullis generate token` makes one that nobody guesses"),
            );
        }
    }
    let kept = config.accounts.iter().map(|accounts| (&accounts.store, "store.encryption_key"));
    let own = config.audit.store.iter().map(|store| (store, "audit.encryption_key"));
    refusals.extend(kept.chain(own).filter_map(|(store, key)| of_store(loaded, store, key)));
    for listener in exposed(config) {
        refusals.push(
            Problem::new(&listener.origin, format!("production refuses {} without TLS: everybody on the way reads and changes what passes", listener.address))
                .mend("set [server.tls] cert and key, listen on 127.0.0.1 or a Unix socket, or name the proxies that end TLS in server.trusted_proxies"),
        );
    }
    if let Some(origin) = &loaded.facts.debug {
        refusals.push(
            Problem::new(origin, "production refuses debug mode: it shows the application's insides")
                .mend("set DEBUG=false"),
        );
    }
    if let Some((path, false)) = &loaded.env_file {
        let name = path
            .file_name()
            .map_or_else(|| path.display().to_string(), |it| it.to_string_lossy().into_owned());
        refusals.push(
            Problem::new(
                &loaded.origin("environment"),
                format!(
                    "production does not pick up {name} by itself, and it is {name} that says production"
                ),
            )
            .mend(format!("--env-file {name} reads it; better, set the names in the process environment")),
        );
    }
    refusals
}

/// What works and should be looked at, in every environment.
pub fn warnings(loaded: &Loaded) -> Vec<Warning> {
    let config = &loaded.config;
    let production = config.environment == Environment::Production;
    let mut warnings = Vec::new();
    if !production {
        warnings.extend(open_door(loaded));
        for (what, credential) in credentials(config) {
            if let Some(why) = weakness(credential) {
                warnings.push(
                    Problem::new(&credential.origin, format!("{what}: {why}; production refuses it"))
                        .mend("`portcullis generate token` makes one that nobody guesses"),
                );
            }
        }
        for listener in exposed(config) {
            warnings.push(
                Problem::new(
                    &listener.origin,
                    format!("{} is reachable from other machines, and without TLS", listener.address),
                )
                .mend("listen on 127.0.0.1, or set [server.tls]"),
            );
        }
    }
    if config.cors.enabled && config.cors.origins == Origins::Any {
        warnings.push(
            Problem::new(
                &loaded.origin("cors.origins"),
                format!("every page on the web may call: {} is `*`", name_of(config, "cors.origins")),
            )
            .mend("list the origins of your pages"),
        );
    }
    if config.limiter && !limited(config) {
        warnings.push(
            Problem::new(&Origin::Default, "no limit is set: one client can use all there is")
                .mend("[[limits]] with rate = \"100/minute per ip\""),
        );
    }
    if production && let Some((path, true)) = &loaded.env_file {
        warnings.push(
            Problem::new(
                &Origin::Default,
                format!("secrets come from {}, a file that is easily copied or committed", path.display()),
            )
            .mend("use the process environment, or NAME_FILE with the secrets of the platform"),
        );
    }
    if production && let Some(origin) = &loaded.facts.debug_by_default {
        warnings.push(
            Problem::new(origin, "DEBUG is true in production: the application shows its insides")
                .mend("set DEBUG=false"),
        );
    }
    if production && let Some(origin) = &loaded.facts.reload {
        warnings.push(
            Problem::new(origin, "the application reloads its code in production").mend("set RELOAD=false"),
        );
    }
    warnings.into_iter().map(Warning).collect()
}

/// Why production refuses a credential; weaker than advised is for `check` to say.
pub fn weakness(credential: &Credential) -> Option<Flaw> {
    credential.strength.flaws().find(|flaw| flaw.grade() == Grade::Unusable)
}

/// Every credential and every other secret, with its name for people.
pub fn credentials(config: &Config) -> impl Iterator<Item = (String, &Credential)> {
    let shared = config.auth.schemes().flat_map(|scheme| {
        let what = format!("the {}", scheme.scheme);
        scheme.credentials.iter().map(move |credential| (credential.words(&what), credential))
    });
    let kept = config.accounts.iter().flat_map(|accounts| {
        let signing = match &accounts.tokens.keys {
            TokenKeys::Secrets(secrets) => secrets.as_slice(),
            TokenKeys::Pem(_) | TokenKeys::Made { .. } => &[],
        };
        let signing = signing.iter().map(|secret| (secret.words("the secret that signs tokens"), secret));
        let store = accounts.store.encryption_key.iter();
        signing.chain(store.map(|key| (key.words("the key of the store"), key)))
    });
    let audit = config.audit.store.iter().filter_map(|store| store.encryption_key.as_ref());
    let audit = audit.map(|key| (key.words("the key of the audit log's store"), key));
    shared.chain(kept).chain(audit)
}

/// Whether anything is limited beside wrong credentials.
pub fn limited(config: &Config) -> bool {
    !config.limits.is_empty()
        || config.routes.iter().any(|route| !route.limits.is_empty())
        || config.roles.iter().any(|role| !role.limits.is_empty())
}

/// The name by which people know a key: that of the profile's system, else its path.
pub fn name_of(config: &Config, key: &'static str) -> &'static str {
    let profile = config.profile.and_then(profile::find);
    profile.and_then(|profile| profile.dialect.name_of(key)).unwrap_or(key)
}

/// Listeners that other machines reach in clear, where nothing in front is said to end TLS.
pub fn exposed(config: &Config) -> impl Iterator<Item = &Listener> {
    let behind = !config.server.trusted_proxies.is_empty();
    config.server.listeners.iter().filter(move |it| !it.tls && !it.address.is_loopback() && !behind)
}

/// What stands open because a secret is not set.
fn open_door(loaded: &Loaded) -> Vec<Problem> {
    let config = &loaded.config;
    let production = config.environment == Environment::Production;
    let refuses = if production { "production refuses it: " } else { "" };
    let mut open = Vec::new();
    let unset = config.auth.unset.iter().filter(|scheme| {
        // What was switched off may well be set.
        config.auth.switched_off.is_none() || **scheme != Scheme::ApiKey
    });
    if let Some(name) = config.auth.switched_off {
        open.push(
            Problem::new(
                &loaded.origin("auth.api_key.enabled"),
                format!("{name} is false (open access): routes that ask for the API key stand open"),
            )
            .mend(format!("set {name} to true")),
        );
    }
    for scheme in unset {
        let section = scheme.name().replace('-', "_");
        let name = section.to_uppercase();
        open.push(
            Problem::new(
                &loaded.origin(&format!("auth.{section}.value")),
                format!("{refuses}{name} is not configured (open access): routes that ask for the {scheme} stand open"),
            )
            .mend(format!("set {name}; `portcullis generate token` makes one")),
        );
    }
    if config.auth.schemes().next().is_none() && config.auth.unset.is_empty() {
        open.push(
            Problem::new(
                &Origin::Default,
                format!("{refuses}no authentication is configured: every route stands open"),
            )
            .mend("[auth.api_key] with value = \"env:API_KEY\""),
        );
    }
    open
}

/// A store that whoever gets its file can read.
fn of_store(loaded: &Loaded, store: &Store, key: &'static str) -> Option<Problem> {
    let name = name_of(&loaded.config, key);
    match &store.url {
        StoreUrl::Sqlite(_) if store.encryption_key.is_none() => Some(
            Problem::new(&store.origin, format!("production refuses a store in clear: {name} is not set"))
                .mend(format!("set {name}; `portcullis generate encryption-key` makes one")),
        ),
        StoreUrl::Postgres { url, from: SecretSource::Literal } if has_password(url.expose()) => Some(
            Problem::new(
                &store.origin,
                "production refuses a password of the store that stands in the configuration itself",
            )
            .mend("url = \"env:NAME\" or \"file:PATH\""),
        ),
        _ => None,
    }
}

/// Whether one stands before the host, or among the parameters.
fn has_password(url: &[u8]) -> bool {
    let text = String::from_utf8_lossy(url);
    let (place, query) = text.split_once('?').unwrap_or((&text, ""));
    let user =
        place.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map_or("", |(user, _)| user);
    user.contains(':') || query.split('&').any(|it| it.starts_with("password="))
}
