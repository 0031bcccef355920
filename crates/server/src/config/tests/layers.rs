//! Which layer wins, and that every value knows where it came from.

use std::time::Duration;

use portcullis_core::identity::Scheme;

use super::super::dialect::Meaning;
use super::super::model::{
    Environment, ListenAddress, LogFormat, Origins, ReplaceErrors, RouteAuth, SecretSource, UpstreamAddress,
};
use super::super::profile::PROFILES;
use super::{Case, SMALL};

const SECRET: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[test]
fn nine_lines_protect_every_route() {
    let case = Case::config(
        "upstream = \"http://127.0.0.1:9000\"\n\n[auth.api_key]\nvalue = \"env:API_KEY\"\n\n[cors]\norigins = [\"https://app.example.com\"]\n\n[[limits]]\nrate = \"100/minute per ip\"\n",
    )
    .env("API_KEY", "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C");
    let config = case.load().config;
    assert_eq!(config.auth.default, RouteAuth::AnyOf(vec![Scheme::ApiKey]));
    assert_eq!(config.limits[0].rate.count(), 100);
    assert_eq!(config.cors.origins, Origins::Exact(vec!["https://app.example.com".into()]));
    assert_eq!(config.environment, Environment::Development);
    assert!(config.headers.iter().any(|rule| rule.name == "X-Content-Type-Options"));
    assert_eq!(case.warnings(), "");
    assert!(config.accounts.is_none(), "no store, no file, no account endpoint");
    let endpoints = config.endpoints;
    assert_eq!((endpoints.auth, endpoints.admin, endpoints.docs, endpoints.jwks), (None, None, None, None));
}

#[test]
fn defaults_are_those_of_the_interface() {
    let config = Case::config(SMALL).load().config;
    assert_eq!(config.server.listeners[0].address.to_string(), "127.0.0.1:8000");
    assert_eq!(config.server.caps.header_timeout, Duration::from_secs(10));
    assert_eq!((config.server.caps.headers, config.server.caps.body), (16 * 1024, 1 << 20));
    assert_eq!((config.server.caps.connections, config.server.caps.connections_per_ip), (10_000, 256));
    assert_eq!(config.server.drain, Duration::from_secs(30));
    assert_eq!(config.log.rotate, 100_000_000);
    assert_eq!(config.log.keep, Duration::from_hours(7 * 24));
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!((config.auth.failures.count(), config.auth.failures.window_s()), (20, 60));
    assert_eq!(config.endpoints.prefix, "/portcullis");
    assert_eq!(config.endpoints.health.as_deref(), Some("/portcullis/health"));
    assert_eq!(config.upstreams[0].response_timeout, Duration::from_mins(1));
    assert!(!config.cors.enabled, "without [cors] the application's own answers stand");
    assert_eq!(config.replace_errors, ReplaceErrors::Never);
}

#[test]
fn the_example_of_the_documentation_is_accepted() {
    let case = Case::config(include_str!("../../../../../docs/portcullis.example.toml"))
        .file("cert.pem", "")
        .file("key.pem", "")
        .env("API_KEY", "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C")
        .env("STORE_KEY", SECRET)
        .env("INGEST_TOKEN", SECRET);
    let loaded = case.load();
    assert_eq!(loaded.config.environment, Environment::Production);
    assert_eq!(loaded.config.replace_errors, ReplaceErrors::ServerErrors);
    assert_eq!(case.warnings(), "");
    // A key that is documented and not in the example would never be tried as a whole.
    let example = include_str!("../../../../../docs/portcullis.example.toml");
    for key in super::super::keys::KEYS {
        let last = key.path.rsplit(['.', ']']).find(|it| !it.is_empty() && *it != "*").unwrap();
        assert!(example.contains(last), "{} is not in the example", key.path);
    }
}

#[test]
fn every_profile_of_this_version_is_accepted() {
    for profile in PROFILES {
        let with = |case: Case| {
            let secrets = profile
                .dialect
                .names
                .iter()
                .filter(|name| matches!(name.meaning, Meaning::Secret(_) | Meaning::SecretAt(_)));
            secrets.fold(case, |case, name| case.env(name.name, SECRET)).load()
        };
        assert_eq!(with(Case::profile(profile.name)).config.profile, Some(profile.name));
        // A profile is an ordinary file, so it is also the example to copy.
        assert_eq!(with(Case::config(profile.body)).config.profile, None);
    }
}

#[test]
fn later_layers_win_and_say_so() {
    let case = Case::config("profile = \"pump-analyzer\"\n[server]\nlisten = \"127.0.0.1:8100\"\n");
    let listen = |case: &Case| {
        let loaded = case.load();
        (loaded.config.server.listeners[0].address.to_string(), loaded.origin("server.listen").to_string())
    };
    let profile = Case::profile("pump-analyzer");
    assert_eq!(listen(&profile), ("127.0.0.1:8000".into(), "profile pump-analyzer:7:10".into()));
    assert_eq!(listen(&case), ("127.0.0.1:8100".into(), "portcullis.toml:3:10".into()));
    let case = case.file(".env", "# ours\nAPI_PORT=8200\n");
    assert_eq!(listen(&case), ("127.0.0.1:8200".into(), ".env:2 API_PORT".into()));
    let case = case.env("API_PORT", "8300");
    assert_eq!(listen(&case), ("127.0.0.1:8300".into(), "environment API_PORT".into()));
    let case = case.env("PORTCULLIS_SERVER__LISTEN", "127.0.0.1:8400");
    assert_eq!(listen(&case), ("127.0.0.1:8400".into(), "environment PORTCULLIS_SERVER__LISTEN".into()));
    let mut case = case;
    case.sources.listen = Some("127.0.0.1:8500".into());
    assert_eq!(listen(&case), ("127.0.0.1:8500".into(), "option --listen".into()));
}

#[test]
fn every_key_has_an_environment_name() {
    let config = Case::config(SMALL)
        .env("PORTCULLIS_UPSTREAMS__APP__URL", "http://127.0.0.1:9100")
        .env("PORTCULLIS_UPSTREAM", "app")
        .env("PORTCULLIS_SERVER__CAPS__BODY", "2 MiB")
        .env("PORTCULLIS_SERVER__WORKERS", "3")
        .env("PORTCULLIS_CORS__ORIGINS", "https://a.example, https://b.example")
        .env("PORTCULLIS_HEADERS__X_FRAME_OPTIONS", "SAMEORIGIN")
        .env("PORTCULLIS_REPLIES__RATE_LIMITED__BODY", "{\"a\":{limit}}")
        .env("PORTCULLIS_LIMITS", "[{rate = \"5/second\"}]")
        .env("PORTCULLIS_AUTH__API_KEY__VALUE", "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C")
        .load()
        .config;
    assert_eq!(config.upstreams[config.default_upstream].name, "app");
    assert_eq!(config.server.caps.body, 2 << 20);
    assert_eq!(config.server.workers, Some(3));
    assert_eq!(
        config.cors.origins,
        Origins::Exact(vec!["https://a.example".into(), "https://b.example".into()])
    );
    assert!(config.headers.iter().any(|rule| format!("{:?}", rule.action).contains("SAMEORIGIN")));
    assert_eq!(config.replies["rate-limited"].body.as_deref(), Some("{\"a\":{limit}}"));
    assert_eq!(config.limits[0].rate.window_s(), 1);
    let key = &config.auth.api_key.unwrap().credentials[0];
    assert_eq!(key.from, SecretSource::Environment("PORTCULLIS_AUTH__API_KEY__VALUE".into()));
}

#[test]
fn a_service_of_that_name_in_kubernetes_does_no_harm() {
    Case::config(SMALL)
        .env("PORTCULLIS_PORT", "tcp://10.0.0.1:8000")
        .env("PORTCULLIS_SERVICE_HOST", "10.0.0.1")
        .env("PORTCULLIS_SERVICE_PORT_HTTP", "8000")
        .env("PORTCULLIS_PORT_8000_TCP_ADDR", "10.0.0.1")
        .load();
}

#[test]
fn secrets_come_from_files_beside_any_name() {
    let case = Case::config(
        "upstream = \"http://a:1\"\n[auth.api_key]\nvalue = [\"env:API_KEY\", \"file:old\", \"env:NONE\"]\n",
    )
    .file("new", "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C\n")
    .file("old", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\r\n")
    .env("API_KEY_FILE", "new");
    let loaded = case.load();
    let credentials = loaded.config.auth.api_key.unwrap().credentials;
    assert_eq!(credentials[0].from, SecretSource::File(case.path("new")));
    assert_eq!(credentials[1].from, SecretSource::File(case.path("old")));
    assert_eq!(credentials.len(), 2);
    assert!(loaded.files.contains(&case.path("new")) && loaded.files.contains(&case.path("old")));
    assert!(case.warnings().contains("NONE is not set"));
}

#[test]
fn both_ways_to_name_the_upstream() {
    let config = Case::config("[upstreams.app]\nurl = [\"http://127.0.0.1:9000\", \"unix:/run/app.sock\"]\n")
        .load()
        .config;
    assert_eq!(config.upstreams.len(), 1);
    assert_eq!(config.upstreams[0].addresses[1], UpstreamAddress::Unix("/run/app.sock".into()));
    let mut case =
        Case::config("profile = \"pump-analyzer\"\n[upstreams.app]\nurl = \"http://127.0.0.1:9001\"\n");
    let config = case.load().config;
    assert_eq!((config.upstreams.len(), config.default_upstream), (1, 0));
    case.sources.upstream = Some("http://localhost:7000".into());
    let config = case.load().config;
    assert_eq!(config.upstreams[config.default_upstream].addresses[0].to_string(), "http://localhost:7000");
}

#[test]
fn listeners_in_every_form() {
    let config = Case::config(
        "upstream = \"http://a:1\"\n[server]\nlisten = [\"localhost:8000\", { address = \"[::1]:8001\", proxy_protocol = true }, \"unix:/run/p.sock\"]\n[server.tls]\ncert = \"c\"\nkey = \"k\"\n",
    )
    .file("c", "")
    .file("k", "")
    .load()
    .config;
    let listeners = config.server.listeners;
    assert_eq!(listeners[0].address.to_string(), "127.0.0.1:8000");
    assert!(listeners[0].tls && listeners[1].tls && !listeners[2].tls);
    assert!(listeners[1].proxy_protocol);
    assert_eq!(listeners[2].address, ListenAddress::Unix("/run/p.sock".into()));
}

#[test]
fn relative_paths_stand_beside_the_file_that_names_them() {
    let mut case = Case::new();
    std::fs::create_dir_all(case.path("etc")).unwrap();
    let case = {
        case.sources.config_path = Some("etc/p.toml".into());
        case.file("etc/p.toml", "upstream = \"unix:app.sock\"\n[log]\nfile = \"server.log\"\n")
            .env("PORTCULLIS_SERVER__LISTEN", "unix:in.sock")
    };
    let config = case.load().config;
    assert_eq!(config.log.file, Some(case.path("etc/server.log")));
    assert_eq!(config.upstreams[0].addresses[0], UpstreamAddress::Unix(case.path("etc/app.sock")));
    assert_eq!(config.server.listeners[0].address, ListenAddress::Unix(case.path("in.sock")));
}

#[test]
fn a_dotenv_is_read_only_outside_production() {
    let key = "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C";
    let body = "environment = \"production\"\nupstream = \"http://a:1\"\n[auth.api_key]\nvalue = \"env:API_KEY\"\n[[limits]]\nrate = \"1/second\"\n";
    let mut case = Case::config(body).file(".env", &format!("API_KEY={key}\n"));
    assert!(case.problems().to_string().contains("API_KEY is not set"));
    case.sources.env_file = Some(".env".into());
    let loaded = case.load();
    assert_eq!(loaded.env_file, Some((case.path(".env"), true)));
    assert!(case.warnings().contains("easily copied or committed"));
    let case = Case::config(body).file(".env", "API_KEY=x\n").env("API_KEY", key);
    assert!(case.warnings().contains("`.env` is here and not read"));
}

#[test]
fn an_application_behind_finds_its_own_names_and_none_of_ours() {
    let case = Case::profile("kalshiwhale")
        .file(".env", "API_KEY=abc\nKALSHI_API_KEY=theirs\nPORT=8000\n")
        .env("SENTRY_DSN", "from the process");
    let environment = case.load().child_environment;
    assert_eq!(environment, [("KALSHI_API_KEY".into(), "theirs".into()), ("API_KEY".into(), String::new())]);
}
