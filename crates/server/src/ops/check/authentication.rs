//! Whether credentials are asked for, are strong, and are kept where they belong.

use portcullis_core::secret::Grade;

use super::{Item, Subject};
use crate::config::model::{RouteAuth, SecretSource};
use crate::config::production;

/// K-CK-01, P-BP-01: authentication is there.
pub(super) fn configured(subject: &Subject<'_>) -> Item {
    const ID: &str = "authentication";
    const TITLE: &str = "API key authentication";
    let auth = &subject.config.auth;
    let mut schemes: Vec<String> =
        auth.schemes().map(|it| format!("{} in {}", it.scheme, it.header)).collect();
    if auth.users {
        schemes.extend(["access tokens".to_owned(), "sessions".to_owned()]);
    }
    if let Some(name) = auth.switched_off {
        let finding = format!("{name} is false: routes that ask for the API key stand open");
        return Item::fail(ID, TITLE, finding, format!("{name}=true"));
    }
    if !schemes.is_empty() {
        return Item::pass(ID, TITLE, format!("asked for: {}", schemes.join(", ")));
    }
    let mend = match subject.config.auth.unset.first() {
        Some(scheme) => format!("set {}", scheme.name().replace('-', "_").to_uppercase()),
        None => "[auth.api_key] with value = \"env:API_KEY\"".to_owned(),
    };
    Item::fail(ID, TITLE, "nobody is asked for a credential", mend)
}

/// P-BP-02, K-KEY-08: tokens and keys cannot be guessed.
pub(super) fn strength(subject: &Subject<'_>) -> Item {
    const ID: &str = "credential-strength";
    const TITLE: &str = "token strength";
    let auth = &subject.config.auth;
    if let Some(name) = auth.switched_off {
        return Item::fail(ID, TITLE, format!("{name} is false: none is asked for"), format!("{name}=true"));
    }
    if let Some(scheme) = auth.unset.first() {
        let name = scheme.name().replace('-', "_").to_uppercase();
        return Item::fail(
            ID,
            TITLE,
            format!("{name} is not set"),
            format!("{name}=$(portcullis generate token)"),
        );
    }
    let mut judged = 0;
    for (what, credential) in production::credentials(subject.config) {
        judged += 1;
        let Some(flaw) = credential.strength.flaws().next() else { continue };
        let mend = "`portcullis generate token` makes 32 random bytes";
        let item = Item::warn(ID, TITLE, format!("{what}: {flaw}"), mend);
        return if flaw.grade() == Grade::Unusable { item.unsafe_in_production(subject) } else { item };
    }
    match judged {
        0 if auth.users => Item::pass(ID, TITLE, "made by the gateway, from random bytes"),
        0 => Item::fail(ID, TITLE, "there is none", "configure [auth.api_key] or [auth.ingest_token]"),
        1 => Item::pass(ID, TITLE, "cannot be guessed"),
        several => Item::pass(ID, TITLE, format!("none of {several} can be guessed")),
    }
}

/// Secrets stand in the environment or in files, not in the configuration.
pub(super) fn storage(subject: &Subject<'_>) -> Item {
    const ID: &str = "secret-storage";
    const TITLE: &str = "secret storage";
    let mut from_file = None;
    for (what, credential) in production::credentials(subject.config) {
        match &credential.from {
            SecretSource::Literal => {
                let finding = format!("{what} stands in the configuration ({})", credential.origin);
                return Item::fail(ID, TITLE, finding, "value = \"env:NAME\" or \"file:PATH\"");
            }
            SecretSource::EnvFile(name) => from_file = Some(name.clone()),
            SecretSource::File(path) if readable_by_others(path) => {
                let finding = format!("{} can be read by every user of this machine", path.display());
                return Item::warn(ID, TITLE, finding, format!("chmod 600 {}", path.display()));
            }
            SecretSource::File(_) | SecretSource::Environment(_) => {}
        }
    }
    match from_file {
        Some(name) if subject.production => Item::warn(
            ID,
            TITLE,
            format!("{name} comes from an environment file, which is easily copied"),
            format!("set {name} in the process environment, or {name}_FILE"),
        ),
        _ => Item::pass(ID, TITLE, "no secret stands in the configuration"),
    }
}

/// T-ENV-09, T-CK-04: passwords that stand in the code of an application are changed.
pub(super) fn known_passwords(subject: &Subject<'_>) -> Item {
    const ID: &str = "default-passwords";
    const TITLE: &str = "default passwords";
    match subject.loaded.facts.known_passwords.first() {
        None => Item::pass(ID, TITLE, "none is in use, and no account comes with the gateway"),
        Some((name, origin)) => Item::warn(
            ID,
            TITLE,
            format!("{name} is a default that everybody knows ({origin})"),
            format!("change {name} where it is set and in the database"),
        )
        .unsafe_in_production(subject),
    }
}

/// P-TOK-12: routes that anybody may use are named, so that they are meant.
pub(super) fn open_routes(subject: &Subject<'_>) -> Item {
    const ID: &str = "open-routes";
    const TITLE: &str = "open routes";
    let config = subject.config;
    let open: Vec<&str> = config
        .routes
        .iter()
        .filter(|route| route.auth.passes_nobody())
        .map(|route| route.pattern.text.as_str())
        .collect();
    if matches!(config.auth.default, RouteAuth::Optional(_)) {
        let finding = "routes pass who shows no credential; the application judges who may";
        return Item::pass(ID, TITLE, finding);
    }
    if config.auth.default == RouteAuth::Open && !config.server.closed {
        return Item::warn(
            ID,
            TITLE,
            "every route that [[routes]] does not name is open",
            "auth.default = \"api-key\", with auth = \"none\" on what is public; or server.unknown_routes = \"closed\"",
        );
    }
    match open.as_slice() {
        [] => Item::pass(ID, TITLE, "none"),
        some => Item::pass(ID, TITLE, format!("as configured: {}", some.join(", "))),
    }
}

#[cfg(unix)]
pub(super) fn readable_by_others(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
pub(super) fn readable_by_others(_: &std::path::Path) -> bool {
    false
}
