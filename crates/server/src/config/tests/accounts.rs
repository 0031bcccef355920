//! Accounts, roles, endpoints and what an application is told: values, defaults and every error.

use std::time::Duration;

use portcullis_core::identity::Scheme;
use portcullis_core::quota::Scope;

use super::super::model::{
    Accounts, GeneralLimits, PasswordHash, RouteAuth, SecretSource, StoreUrl, TokenAlgorithm, TokenKeys,
};
use super::broken::all_are_refused;
use super::{Case, SMALL};

const SECRET: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n";

fn with(body: &str) -> Case {
    Case::config(&format!("{SMALL}{body}")).env("S", SECRET)
}

fn accounts(case: &Case) -> Accounts {
    case.load().config.accounts.expect("accounts")
}

#[test]
fn each_of_their_sections_has_the_gateway_keep_accounts_with_safe_defaults() {
    for section in [
        "[store]",
        "[auth.passwords]",
        "[auth.tokens]",
        "[auth.sessions]",
        "[auth.devices]",
        "[auth.attempts]",
        "[auth.lockout]",
        "[auth.keys]",
        "[auth.registration]",
    ] {
        let case = with(&format!("{section}\n[[limits]]\nrate = \"1/second\"\n"));
        let config = case.load().config;
        let accounts = config.accounts.unwrap_or_else(|| panic!("{section}"));
        let StoreUrl::Sqlite(path) = &accounts.store.url else { panic!("{section}") };
        assert_eq!(*path, case.path("portcullis.db"));
        assert!(accounts.store.encryption_key.is_none() && !accounts.store.from_application);
        let TokenKeys::Made { rotate } = accounts.tokens.keys else { panic!("{section}") };
        assert_eq!(
            (accounts.tokens.algorithm, rotate),
            (TokenAlgorithm::EdDsa, Duration::from_hours(90 * 24))
        );
        assert_eq!((accounts.passwords.hash, accounts.passwords.min_length), (PasswordHash::Argon2id, 12));
        assert!(accounts.passwords.complexity && accounts.passwords.min_score == 3);
        assert_eq!((accounts.lockout.attempts, accounts.lockout.window), (5, Duration::from_mins(5)));
        assert_eq!((accounts.keys.prefix.as_str(), accounts.keys.expires), ("pk_", None));
        assert!(accounts.registration.enabled && accounts.registration.role == "free");
        // Everybody may show any of them, and nobody is asked for a shared secret that is not there.
        let all = vec![Scheme::ApiKey, Scheme::Bearer, Scheme::Session];
        assert_eq!(config.auth.default, RouteAuth::AnyOf(all));
        let key = config.auth.api_key.expect("keys of users");
        assert!(key.users && key.credentials.is_empty());
        let endpoints = config.endpoints;
        assert_eq!(endpoints.auth.as_deref(), Some("/portcullis/auth"));
        assert_eq!(endpoints.openapi.as_deref(), Some("/portcullis/openapi.json"));
        assert_eq!(endpoints.jwks.as_deref(), Some("/portcullis/.well-known/jwks.json"));
        assert_eq!(case.warnings(), "");
    }
}

#[test]
fn every_value_arrives() {
    let case = with(
        "[store]\nurl = \"env:STORE\"\nencryption_key = \"env:S\"\n\
         [auth.passwords]\nhash = \"bcrypt\"\nmin_length = 16\ncomplexity = false\nmin_score = 4\nbreached_file = \"pwned.txt\"\n\
         [auth.tokens]\nsecret = [\"env:S\", \"env:OLD\"]\nissuer = \"https://id.example\"\naudience = \"api\"\naccess_ttl = \"5m\"\nrefresh_ttl = \"1h\"\n\
         [auth.sessions]\nmax_age = \"2h\"\nidle = \"10m\"\ncleanup = \"1m\"\nmax_per_user = 3\ncookie = \"sid\"\n\
         [auth.devices]\nregistration_timeout = \"1m\"\nmax_per_user = 2\n[auth.attempts]\ntimeout = \"1m\"\n\
         [auth.lockout]\nattempts = 3\nwindow = \"1h\"\n[auth.keys]\nprefix = \"acme_\"\nmax_per_user = 5\nexpires = \"365d\"\n\
         [auth.registration]\nenabled = false\nrole = \"premium\"\n\
         [identity]\nuser_headers = [\"X-User-ID\"]\nassertion = true\n",
    )
    .env("STORE", "postgresql+asyncpg://u:hunter2@db.example/x")
    .env("OLD", &SECRET.replace('9', "8"))
    .file("pwned.txt", "");
    let config = case.load().config;
    let accounts = config.accounts.unwrap();
    let StoreUrl::Postgres { url, from } = &accounts.store.url else { panic!("{:?}", accounts.store) };
    assert!(url.matches(b"postgres://u:hunter2@db.example/x"));
    assert_eq!(*from, SecretSource::Environment("STORE".into()));
    assert_eq!(accounts.store.url.shown(), "postgres://u@db.example/x");
    assert!(accounts.store.encryption_key.unwrap().secret.matches(SECRET.as_bytes()));
    let passwords = accounts.passwords;
    assert_eq!((passwords.hash.name(), passwords.min_length, passwords.min_score), ("bcrypt", 16, 4));
    assert_eq!(passwords.breached_file, Some(case.path("pwned.txt")));
    let tokens = accounts.tokens;
    let TokenKeys::Secrets(secrets) = &tokens.keys else { panic!("{:?}", tokens.keys) };
    assert!(secrets.len() == 2 && secrets[0].secret.matches(SECRET.as_bytes()), "the first signs");
    assert_eq!((tokens.algorithm.name(), tokens.issuer.as_str()), ("HS256", "https://id.example"));
    assert_eq!((tokens.access_ttl, tokens.refresh_ttl), (Duration::from_mins(5), Duration::from_hours(1)));
    let sessions = accounts.sessions;
    assert_eq!((sessions.idle, sessions.max_per_user), (Some(Duration::from_mins(10)), 3));
    assert!(sessions.cookie == "sid" && !sessions.secure_cookie);
    assert_eq!((accounts.devices.max_per_user, accounts.attempt_timeout), (2, Duration::from_mins(1)));
    assert_eq!((accounts.lockout.attempts, accounts.keys.prefix.as_str()), (3, "acme_"));
    assert!(!accounts.registration.enabled && accounts.registration.role == "premium");
    assert_eq!(config.identity.user_headers, ["X-User-ID"]);
    assert_eq!(config.identity.assertion.as_deref(), Some("application"));
}

#[test]
fn keys_in_files_sign_with_the_algorithm_that_is_said() {
    let case = with("[auth.tokens]\nalgorithm = \"ES256\"\nkey = [\"new.pem\", \"old.pem\"]\n")
        .file("new.pem", PEM)
        .file("old.pem", PEM);
    let loaded = case.load();
    assert!(loaded.files.contains(&case.path("old.pem")), "a renewed key is noticed");
    let tokens = loaded.config.accounts.unwrap().tokens;
    let TokenKeys::Pem(paths) = tokens.keys else { panic!("{:?}", tokens.keys) };
    assert_eq!(
        (tokens.algorithm, paths),
        (TokenAlgorithm::Es256, vec![case.path("new.pem"), case.path("old.pem")])
    );
}

#[test]
fn the_cookie_is_for_tls_where_there_is_some() {
    let cookie = |body: &str| {
        let case = with(&format!("[auth.sessions]\n{body}")).file("c", "").file("k", "");
        let sessions = accounts(&case).sessions;
        (sessions.cookie, sessions.secure_cookie)
    };
    assert_eq!(cookie(""), ("session".into(), false));
    for secure in
        ["[server.tls]\ncert = \"c\"\nkey = \"k\"\n", "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n"]
    {
        assert_eq!(cookie(secure), ("__Host-session".into(), true));
    }
}

#[test]
fn every_form_of_a_store() {
    let path = |url: &str| {
        let case = with(&format!("[store]\nurl = \"{url}\"\n"));
        std::fs::create_dir_all(case.path("deep")).unwrap();
        let StoreUrl::Sqlite(path) = accounts(&case).store.url else { panic!("{url}") };
        path.strip_prefix(&case.sources.directory).map_or_else(|_| path.clone(), ToOwned::to_owned)
    };
    for (url, expected) in [
        ("sqlite:a.db", "a.db"),
        ("sqlite:deep/a.db", "deep/a.db"),
        ("sqlite:///a.db", "a.db"),
        ("sqlite+aiosqlite:///./a.db", "a.db"),
        ("sqlite:////tmp/a.db", "/tmp/a.db"),
        ("sqlite:/tmp/a.db", "/tmp/a.db"),
    ] {
        assert_eq!(
            path(url).components().collect::<std::path::PathBuf>(),
            std::path::Path::new(expected),
            "{url}"
        );
    }
    let own = with("[store]\nurl = \"sqlite:a.db\"\n").env("PORTCULLIS_STORE__URL", "postgres://h/d");
    assert!(matches!(accounts(&own).store.url, StoreUrl::Postgres { .. }));
}

#[test]
fn rights_grow_as_roles_are_written_and_admin_is_above_all() {
    let names = |body: &str| {
        let config = with(&format!("[auth.tokens]\n{body}")).load().config;
        config.roles.into_iter().map(|role| role.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(""), "free premium admin");
    assert_eq!(names("[roles.gold]\nlimit = \"9/second\"\n"), "free premium gold admin");
    assert_eq!(
        names("[roles.read-only]\nlimit = \"1/second\"\n[roles.free]\nlimit = \"2/second\"\n"),
        "read-only free premium admin"
    );
    assert_eq!(
        names(
            "[roles.admin]\nlimit = \"9/second\"\n[roles.free]\nlimit = \"1/second\"\n[roles.zinc]\nlimit = \"2/second\"\n[roles.premium]\nlimit = \"3/second\"\n"
        ),
        "free zinc premium admin"
    );
    let config =
        with("[auth.tokens]\n[roles.free]\nlimit = [\"60/minute\", \"1000/day per ip\"]\n").load().config;
    let scopes: Vec<Scope> = config.roles[0].limits.iter().map(|limit| limit.scope).collect();
    assert_eq!(scopes, [Scope::User, Scope::Ip]);
}

#[test]
fn roles_of_routes_and_of_the_shared_key() {
    let config = with(
        "[auth.api_key]\nvalue = \"env:S\"\nrole = \"premium\"\n[roles.premium]\nlimit = \"9/second\"\n[[routes]]\nmatch = \"/a\"\nroles = [\"premium\"]\n",
    )
    .load()
    .config;
    assert!(config.accounts.is_none(), "a shared key alone keeps no accounts");
    assert_eq!(config.auth.api_key.unwrap().role.as_deref(), Some("premium"));
    assert_eq!(config.routes[0].roles, ["premium"]);
}

#[test]
fn a_credential_can_be_optional() {
    let route = |auth: &str| {
        let config =
            with(&format!("[auth.tokens]\n[[routes]]\nmatch = \"/a\"\nauth = {auth}\n")).load().config;
        config.routes[0].auth.clone()
    };
    let both = vec![Scheme::Bearer, Scheme::Session];
    assert_eq!(route("[\"bearer\", \"session\"]"), RouteAuth::AnyOf(both.clone()));
    assert_eq!(route("[\"bearer\", \"session\", \"anonymous\"]"), RouteAuth::Optional(both));
    assert!(route("[\"anonymous\", \"api-key\"]").passes_nobody());
}

#[test]
fn limits_of_one_name_are_one_counter_and_routes_leave_the_general_ones() {
    let config = with(
        "[[limits]]\nname = \"all\"\nrate = \"9/second\"\n\
         [[routes]]\nmatch = \"POST /a\"\nlimits = [{ name = \"x\", rate = \"6/minute\" }, \"7/minute\"]\ngeneral_limits = \"off\"\n\
         [[routes]]\nmatch = \"DELETE /a/{id}\"\nlimits = [{ name = \"x\", rate = \"6/minute per ip\", mode = \"observe\" }]\n\
         [[routes]]\nmatch = \"GET /a\"\ngeneral_limits = \"show\"\nlimits = [\"5/minute per device\", \"5/minute per session\"]\n",
    )
    .load()
    .config;
    let shared = |route: usize, limit: usize| config.routes[route].limits[limit].shared.as_deref();
    assert_eq!((shared(0, 0), shared(0, 1), shared(1, 0)), (Some("x"), None, Some("x")));
    assert_eq!(config.limits[0].shared, None, "it is one counter already");
    let general: Vec<_> = config.routes.iter().map(|route| route.general_limits).collect();
    assert_eq!(general, [GeneralLimits::Off, GeneralLimits::Count, GeneralLimits::Show]);
    assert_eq!(config.routes[2].limits[0].scope, Scope::Device);
}

#[test]
fn without_the_limiter_only_wrong_credentials_are_limited() {
    let case = with(
        "[limiter]\nenabled = false\n[[limits]]\nrate = \"9/second\"\n[auth.tokens]\n[roles.free]\nlimit = \"1/second\"\n[[routes]]\nmatch = \"/a\"\nlimits = [\"1/minute\"]\n",
    );
    let config = case.load().config;
    assert!(!config.limiter && config.limits.is_empty() && config.routes[0].limits.is_empty());
    assert!(config.roles.iter().all(|role| role.limits.is_empty()));
    assert_eq!(config.auth.failures.count(), 20);
    let warnings = case.warnings();
    assert!(
        warnings.contains("limiter.enabled is false") && !warnings.contains("no limit is set"),
        "{warnings}"
    );
}

#[test]
fn an_api_key_can_be_switched_off_outside_production_only() {
    let body = "[auth.api_key]\nvalue = \"env:S\"\nenabled = false\n[[limits]]\nrate = \"1/second\"\n";
    let case = with(body);
    let config = case.load().config;
    assert_eq!(
        (&config.auth.default, config.auth.switched_off),
        (&RouteAuth::Open, Some("auth.api_key.enabled"))
    );
    assert!(case.warnings().contains("auth.api_key.enabled is false (open access)"), "{}", case.warnings());
    let case = Case::config(&format!("environment = \"production\"\n{SMALL}{body}")).env("S", SECRET);
    assert_eq!(case.load().config.auth.default, RouteAuth::AnyOf(vec![Scheme::ApiKey]));
    assert!(case.warnings().contains("production asks for the key"), "{}", case.warnings());
}

#[test]
fn production_insists_on_an_encrypted_store() {
    let body = |store: &str| {
        format!("environment = \"production\"\n{SMALL}[store]\n{store}\n[[limits]]\nrate = \"1/second\"\n")
    };
    let said = Case::config(&body("")).problems().to_string();
    assert!(said.contains("production refuses a store in clear: store.encryption_key is not set"), "{said}");
    assert!(said.contains("portcullis generate encryption-key"), "{said}");
    Case::config(&body("encryption_key = \"env:S\"")).env("S", SECRET).load();
    let said = Case::config(&body(&format!("encryption_key = \"{SECRET}\""))).problems().to_string();
    assert!(said.contains("stands in the configuration itself") && !said.contains(SECRET), "{said}");
    let said = Case::config(&body("encryption_key = \"env:S\"")).env("S", "short").problems().to_string();
    assert!(said.contains("production refuses S: it is shorter"), "{said}");
    let said = Case::config(&body("url = \"postgres://u:hunter2@h/d\"")).problems().to_string();
    assert!(
        said.contains("production refuses a password of the store") && !said.contains("hunter2"),
        "{said}"
    );
    for url in ["url = \"postgres://u@h/d?sslmode=require\"", "url = \"env:URL\""] {
        Case::config(&body(url)).env("URL", "postgres://u:hunter2@h/d").load();
    }
}

#[test]
fn errors_of_the_store() {
    all_are_refused(&[
        ("[store]\nurl = \"mysql://u:hunter2@h/d\"\n", 3, "`mysql://u@h/d` is not where accounts", "sqlite:"),
        (
            "[store]\nurl = \"portcullis.db\"\n",
            3,
            "is not where accounts can be kept",
            "PORTCULLIS_STORE__URL",
        ),
        ("[store]\nurl = \"sqlite::memory:\"\n", 3, "would be empty after every start", "sqlite:"),
        ("[store]\nurl = \"sqlite:\"\n", 3, "would be empty after every start", "sqlite:"),
        ("[store]\nurl = \"sqlite:a.db?mode=ro\"\n", 3, "is more than a path", "take away"),
        ("[store]\nurl = \"sqlite:/tmp/\"\n", 3, "is a directory", "portcullis.db"),
        ("[store]\nurl = \"sqlite:nowhere/a.db\"\n", 3, "nowhere/a.db does not exist", "make the directory"),
        ("[store]\nurl = \"postgres:///d\"\n", 3, "names no host", "postgres://"),
        ("[store]\nurl = \"env:NOT_SET\"\n", 3, "NOT_SET is not set", "set NOT_SET"),
        ("[store]\nencryption_key = \"env:NOT_SET\"\n", 3, "NOT_SET is not set", "generate encryption-key"),
        ("[store]\nencryption_key = [\"env:API_KEY\"]\n", 3, "a list stands where one", "keep one"),
        ("[store]\nencryption_key = \"your-database-encryption-key\"\n", 3, "is a placeholder", "generate"),
        ("[store]\npath = \"a.db\"\n", 3, "`path` is not a key of `store`", "`url`"),
    ]);
}

#[test]
fn errors_of_tokens() {
    all_are_refused(&[
        ("[auth.tokens]\nalgorithm = \"none\"\n", 3, "`none` is not one of the words", "`HS256`"),
        ("[auth.tokens]\nalgorithm = \"HS512\"\n", 3, "`HS512` is not one of the words", "`HS256`"),
        ("[auth.tokens]\nalgorithm = \"HS256\"\n", 3, "there is none", "generate signing-key"),
        (
            "[auth.tokens]\nalgorithm = \"RS256\"\nsecret = \"env:API_KEY\"\n",
            4,
            "RS256 is not signed with it",
            "HS256",
        ),
        (
            "[auth.tokens]\nalgorithm = \"HS256\"\nsecret = \"env:API_KEY\"\nkey = \"there.pem\"\n",
            5,
            "HS256 is not signed with it",
            "EdDSA",
        ),
        ("[auth.tokens]\nkey = \"there.pem\"\n", 3, "is not a private key in PEM", "openssl genpkey"),
        ("[auth.tokens]\nkey = []\n", 3, "an empty list", "at least one"),
        ("[auth.tokens]\nkey = \"missing.pem\"\n", 3, "cannot be read", "name a file"),
        ("[auth.tokens]\nsecret = \"env:NOT_SET\"\n", 3, "NOT_SET is not set", "generate signing-key"),
        (
            "[auth.tokens]\nsecret = \"zu-kurz-9x7q4w2e8r\"\n",
            3,
            "it has 18 bytes, and 32",
            "generate signing-key",
        ),
        (
            "[auth.tokens]\nsecret = \"your-super-secret-key-change-this\"\n",
            3,
            "signs no tokens: it is a placeholder",
            "generate signing-key",
        ),
        (
            "[auth.tokens]\nsecret = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n",
            3,
            "signs no tokens: it can be guessed",
            "generate signing-key",
        ),
        ("[auth.tokens]\nissuer = \"a b\"\n", 3, "is not a name for tokens", "a URL"),
        ("[auth.tokens]\naccess_ttl = \"8d\"\n", 3, "longer than the login", "shorter"),
        ("[auth.tokens]\nrefresh_ttl = 7\n", 3, "7 has no unit", "\"7s\""),
        ("[auth.tokens]\njwks_url = \"https://id\"\n", 3, "is not in this version", "take it away"),
    ]);
}

#[test]
fn errors_of_the_other_sections() {
    all_are_refused(&[
        ("[auth.passwords]\nhash = \"md5\"\n", 3, "`md5` is not one of the words", "`argon2id`"),
        ("[auth.passwords]\nmin_length = 4\n", 3, "4 is out of range", "from 8"),
        ("[auth.passwords]\nmin_score = 5\n", 3, "5 is out of range", "to 4"),
        ("[auth.passwords]\nbreached_file = \"missing\"\n", 3, "cannot be read", "name a file"),
        ("[auth.sessions]\ncookie = \"__Host-session\"\n", 3, "is for TLS alone", "[server.tls]"),
        ("[auth.sessions]\ncookie = \"a b\"\n", 3, "is not a name that HTTP knows", "letters"),
        ("[auth.devices]\nmax_per_user = 0\n", 3, "0 is out of range", "from 1"),
        ("[auth.lockout]\nattempts = 0\n", 3, "0 is out of range", "from 1"),
        ("[auth.keys]\nprefix = \"pk\"\n", 3, "is not what keys can begin with", "pk_"),
        ("[auth.keys]\nprefix = \"a_prefix_that_is_long_\"\n", 3, "is not what keys can begin with", "pk_"),
        ("[auth.registration]\nrole = \"admin\"\n", 3, "would be an admin", "users add"),
        ("[auth.registration]\nrole = \"gold\"\n", 3, "there is no role `gold`", "`free`"),
        (
            "[auth.session]\nmax_age = \"1h\"\n",
            2,
            "`session` is not a key of `auth`",
            "did you mean `sessions`?",
        ),
        ("[roles.free]\nlimit = \"1/second\"\n", 2, "nobody can have the role `free`", "auth.api_key.role"),
        (
            "[auth.tokens]\n[roles.Gold]\nlimit = \"1/second\"\n",
            3,
            "is not the name of a role",
            "small letters",
        ),
        (
            "[auth.tokens]\n[roles.free]\nlimit = \"1/second per anonymous\"\n",
            4,
            "who has a role is known",
            "per user",
        ),
        ("[auth.tokens]\n[roles.free]\nlimits = \"1/second\"\n", 4, "`limits` is not a key", "`limit`"),
        ("[endpoints]\nauth = \"/auth\"\n", 3, "the gateway keeps no accounts", "[store]"),
        ("[auth.tokens]\n[endpoints]\nauth = \"/admin\"\n", 4, "are one path", "another path"),
        ("[auth.tokens]\n[endpoints]\ndocs = \"docs\"\n", 4, "is not a path", "slash"),
        ("[identity]\nassertion = true\n", 3, "has no key to sign with", "[auth.tokens]"),
        ("[identity]\nuser_headers = [\"X-Auth-User\"]\n", 3, "is the gateway's own", "take it away"),
        ("[identity]\nuser_headers = [\"Cookie\"]\n", 3, "has another meaning", "X-User-ID"),
        ("[replies.acount]\nbody = \"{}\"\n", 2, "is not the code of a refusal", "did you mean `account`?"),
    ]);
}

#[test]
fn endpoints_can_be_placed_and_left_out() {
    let body = "[auth.tokens]\n[endpoints]\nprefix = \"\"\nauth = \"/login\"\nadmin = false\ndocs = false\n";
    let endpoints = with(body).load().config.endpoints;
    assert_eq!((endpoints.auth.as_deref(), endpoints.health.as_deref()), (Some("/login"), Some("/health")));
    assert_eq!((endpoints.admin, endpoints.docs, endpoints.openapi), (None, None, None));
    assert_eq!(endpoints.jwks.as_deref(), Some("/.well-known/jwks.json"));
    // Leaving out what is not there is no mistake.
    with("[endpoints]\nauth = false\nadmin = false\n").load();
}
