//! What production refuses, each with its reason and its mend, and what deserves a warning anywhere.

use portcullis_core::secret::{Flaw, Grade};

use super::model::{Config, Credential, Environment, Listener, Origins, SecretSource};
use super::origin::Origin;
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
                "every page on the web may call: cors.origins is `*`",
            )
            .mend("list the origins of your pages"),
        );
    }
    if config.limits.is_empty() && config.routes.iter().all(|route| route.limits.is_empty()) {
        warnings.push(
            Problem::new(&Origin::Default, "no limit is set: one client can use all there is")
                .mend("[[limits]] with rate = \"100/minute per ip\""),
        );
    }
    if production && let Some((path, true)) = &loaded.env_file {
        warnings.push(
            Problem::new(
                &Origin::Flag("--env-file"),
                format!("secrets come from {}, a file that is easily copied or committed", path.display()),
            )
            .mend("use the process environment, or NAME_FILE with the secrets of the platform"),
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

/// Every credential with its name for people.
pub fn credentials(config: &Config) -> impl Iterator<Item = (String, &Credential)> {
    config.auth.schemes().flat_map(|scheme| {
        scheme.credentials.iter().map(move |credential| {
            let what = match &credential.from {
                SecretSource::Environment(name) | SecretSource::EnvFile(name) => name.clone(),
                SecretSource::File(path) => format!("the {} in {}", scheme.scheme, path.display()),
                SecretSource::Literal => format!("the {}", scheme.scheme),
            };
            (what, credential)
        })
    })
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
    for scheme in &config.auth.unset {
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
