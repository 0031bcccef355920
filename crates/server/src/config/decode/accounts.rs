//! Accounts: what stands where one of their sections does.

use std::path::Path;

use portcullis_core::secret::{Flaw, Grade};

use super::super::model::{
    ADMIN, Accounts, Devices, Environment, Lockout, PasswordHash, Passwords, Registration, Role, Server,
    Sessions, TokenAlgorithm, TokenKeys, Tokens, UserKeys,
};
use super::super::origin::Origin;
use super::super::problem::Problem;
use super::super::tree::Value;
use super::super::value::{self, Complaint};
use super::secrets::{self, Carrier, Secrets};
use super::{Reader, store};

/// Sections of `[auth]` that need accounts.
const SECTIONS: [&str; 8] =
    ["passwords", "tokens", "sessions", "devices", "attempts", "lockout", "keys", "registration"];
/// HS256 asks for a key as long as its digest (RFC 7518 §3.2).
const SHORTEST_SECRET: usize = 32;
/// As browsers ask for it: TLS, no domain, the whole site (RFC 6265bis §4.1.3.2).
const COOKIE: &str = "__Host-session";
/// Browsers refuse the prefix in clear.
const COOKIE_IN_CLEAR: &str = "session";
/// As `portcullis_accounts::key` takes it.
const LONGEST_PREFIX: usize = 16;

/// The section that asks for accounts, where one does.
pub(super) fn asked_for(root: &Reader<'_>) -> Option<Origin> {
    let auth = root.section("auth");
    let store = root.node("store").map(|node| node.key.clone());
    store.or_else(|| SECTIONS.iter().find_map(|name| auth.node(name).map(|node| node.key.clone())))
}

pub(super) fn accounts(
    root: &Reader<'_>,
    origin: Origin,
    environment: Environment,
    server: &Server,
    roles: &[Role],
) -> Accounts {
    let auth = root.section("auth");
    let lockout = auth.section("lockout");
    let devices = auth.section("devices");
    Accounts {
        store: store::store(root),
        passwords: passwords(&auth.section("passwords")),
        tokens: tokens(&auth.section("tokens")),
        sessions: sessions(&auth.section("sessions"), environment, server),
        devices: Devices {
            registration_timeout: devices.duration("registration_timeout"),
            max_per_user: devices.integer("max_per_user").unwrap_or(1),
        },
        attempt_timeout: auth.section("attempts").duration("timeout"),
        lockout: Lockout {
            attempts: lockout.integer("attempts").and_then(|it| u32::try_from(it).ok()).unwrap_or(1),
            window: lockout.duration("window"),
        },
        keys: keys(&auth.section("keys")),
        registration: registration(&auth.section("registration"), roles),
        origin,
    }
}

fn passwords(section: &Reader<'_>) -> Passwords {
    let breached_file = section.path("breached_file");
    if let Some(path) = &breached_file {
        readable(section, "breached_file", path, &section.origin_of("breached_file"));
    }
    Passwords {
        hash: match section.choice("hash", &["argon2id", "bcrypt"]) {
            Some("bcrypt") => PasswordHash::Bcrypt,
            _ => PasswordHash::Argon2id,
        },
        min_length: section.integer("min_length").unwrap_or(12),
        complexity: section.boolean("complexity"),
        min_score: section.integer("min_score").and_then(|it| u8::try_from(it).ok()).unwrap_or(3),
        breached_file,
    }
}

fn tokens(section: &Reader<'_>) -> Tokens {
    let named = section.choice("algorithm", &TokenAlgorithm::NAMES);
    let secret = section.node("secret").is_some();
    let algorithm = match named {
        Some("HS256") => TokenAlgorithm::Hs256,
        Some("RS256") => TokenAlgorithm::Rs256,
        Some("ES256") => TokenAlgorithm::Es256,
        None if secret => TokenAlgorithm::Hs256,
        _ => TokenAlgorithm::EdDsa,
    };
    let (access_ttl, refresh_ttl) = (section.duration("access_ttl"), section.duration("refresh_ttl"));
    if access_ttl > refresh_ttl {
        section.problem(
            Problem::new(
                &section.origin_of("access_ttl"),
                "an access token would be valid for longer than the login that it comes from",
            )
            .also(&section.origin_of("refresh_ttl"), "`refresh_ttl`")
            .mend("a shorter auth.tokens.access_ttl"),
        );
    }
    Tokens {
        keys: signing(section, algorithm),
        algorithm,
        issuer: words(section, "issuer"),
        audience: words(section, "audience"),
        access_ttl,
        refresh_ttl,
        origin: section.origin.clone(),
    }
}

/// What signs. A secret is for HS256 and a private key for the others: one that could be read as the other
/// kind is how tokens are forged (RFC 8725 §2.1).
fn signing(section: &Reader<'_>, algorithm: TokenAlgorithm) -> TokenKeys {
    let symmetric = algorithm == TokenAlgorithm::Hs256;
    let (wrong, mend) = if symmetric {
        ("key", "algorithm = \"EdDSA\", or `secret`")
    } else {
        ("secret", "algorithm = \"HS256\", or `key`; without either the gateway makes its own")
    };
    if let Some(node) = section.node(wrong) {
        let complaint = Complaint::new(format!("{} is not signed with it", algorithm.name()), mend);
        section.complain(wrong, node, complaint);
    }
    if symmetric {
        return TokenKeys::Secrets(secrets_of(section));
    }
    let rotate = section.duration("rotate");
    if section.node("key").is_none() {
        return TokenKeys::Made { rotate };
    }
    if let Some(node) = section.node("rotate") {
        section.complain(
            "rotate",
            node,
            Complaint::new(
                "a key that stands in a file is replaced by nobody but you",
                "take it away, or `key`",
            ),
        );
    }
    if let Some(node) = section.node("key").filter(|node| node.value == Value::List(Vec::new())) {
        section.complain("key", node, Complaint::new("an empty list", "at least one, or take the key away"));
    }
    TokenKeys::Pem(section.list("key", |node| {
        let path = section.context.resolve(value::text(node)?, &node.origin);
        section.context.watch(&path);
        let text = super::super::secret::read(&path)?;
        if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
            return Ok(path);
        }
        Err(Complaint::new(
            format!("{} is not a private key in PEM", path.display()),
            "`openssl genpkey -algorithm ed25519 -out signing.pem` makes one",
        ))
    }))
}

fn secrets_of(section: &Reader<'_>) -> Vec<super::super::model::Credential> {
    let Some(node) = section.node("secret") else {
        section.problem(
            Problem::new(&section.origin_of("algorithm"), "HS256 signs with a secret, and there is none")
                .mend("secret = \"env:JWT_SECRET_KEY\"; `portcullis generate signing-key` makes one"),
        );
        return Vec::new();
    };
    let Secrets { set, unset, .. } = secrets::read(section, "secret", node, Carrier::Any);
    for (name, item) in &unset {
        if set.is_empty() {
            secrets::refuse_unset(section, "secret", name, item, "signing-key");
        } else {
            secrets::warn_unset(section, "secret", name, item);
        }
    }
    for credential in &set {
        let short = credential.secret.len() < SHORTEST_SECRET;
        let unusable = |flaw: &Flaw| flaw.grade() == Grade::Unusable;
        let why = match credential.strength.flaws().find(unusable) {
            Some(flaw @ Flaw::Placeholder) => flaw.to_string(),
            _ if short => {
                format!("it has {} bytes, and {SHORTEST_SECRET} are the least", credential.secret.len())
            }
            Some(flaw) => flaw.to_string(),
            None => continue,
        };
        section.problem(
            Problem::new(
                &credential.origin,
                format!("{} signs no tokens: {why}", credential.words("this secret")),
            )
            .mend("`portcullis generate signing-key` makes one that nobody guesses"),
        );
    }
    set
}

fn sessions(section: &Reader<'_>, environment: Environment, server: &Server) -> Sessions {
    let secure_cookie =
        environment == Environment::Production || server.tls.is_some() || !server.trusted_proxies.is_empty();
    let cookie = section.leaf("cookie", |node| {
        let name = super::cors::token(node)?;
        if name.starts_with("__") && !secure_cookie {
            let mend = "a name without the prefix, or [server.tls]";
            return Err(Complaint::new(format!("`{name}` is for TLS alone, and there is none"), mend));
        }
        Ok(name)
    });
    let default = if secure_cookie { COOKIE } else { COOKIE_IN_CLEAR };
    Sessions {
        max_age: section.duration("max_age"),
        idle: section.leaf("idle", value::duration),
        cleanup: section.duration("cleanup"),
        max_per_user: section.integer("max_per_user").unwrap_or(1),
        cookie: cookie.unwrap_or_else(|| default.to_owned()),
        secure_cookie,
    }
}

fn keys(section: &Reader<'_>) -> UserKeys {
    let prefix = section.leaf("prefix", |node| {
        let text = value::text(node)?;
        let valid = text.len() <= LONGEST_PREFIX
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.ends_with('_')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if valid {
            return Ok(text.to_owned());
        }
        Err(Complaint::new(
            format!("`{text}` is not what keys can begin with"),
            "a letter, then letters and digits, and `_` at the end: \"pk_\"",
        ))
    });
    UserKeys {
        prefix: prefix.unwrap_or_default(),
        max_per_user: section.integer("max_per_user").unwrap_or(1),
        expires: section.leaf("expires", value::duration),
    }
}

fn registration(section: &Reader<'_>, roles: &[Role]) -> Registration {
    let role = section.leaf("role", |node| {
        let name = value::text(node)?;
        if name == ADMIN {
            let mend = "\"free\"; `portcullis users add NAME --role admin` makes an admin";
            return Err(Complaint::new("everybody who registers would be an admin", mend));
        }
        if roles.iter().any(|role| role.name == name) {
            return Ok(name.to_owned());
        }
        let valid: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
        Err(Complaint::new(format!("there is no role `{name}`"), format!("one of {}", value::quoted(&valid))))
    });
    Registration { enabled: section.boolean("enabled"), role: role.unwrap_or_default() }
}

/// A name that stands in tokens: not empty, without blanks.
fn words(section: &Reader<'_>, name: &str) -> String {
    let text = section.leaf(name, |node| match value::text(node)? {
        text if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            Err(Complaint::new(format!("`{text}` is not a name for tokens"), "a word or a URL"))
        }
        text => Ok(text.to_owned()),
    });
    text.unwrap_or_default()
}

fn readable(section: &Reader<'_>, name: &str, path: &Path, origin: &Origin) {
    if let Err(error) = std::fs::File::open(path) {
        section.problem(
            Problem::new(
                origin,
                format!("`{}`: {} cannot be read: {error}", section.path_of(name), path.display()),
            )
            .mend("name a file that the gateway may read"),
        );
    }
    section.context.watch(path);
}
