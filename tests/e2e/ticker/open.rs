//! T-ENV-09 to T-ENV-16: names that are the application's, the address, the log folder, the file.

use std::net::SocketAddr;

use portcullis_tests::{Launch, Request, Upstream, free_port, outer_address, until};

use super::{KEY, assert_reached, await_warning, guarded, launch, orders, orders_with, warned};

#[test]
fn t_env_09_a_default_password_of_the_database_is_warned_of() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).env("INSTRUMENT_DB_PASSWORD", "stocksblitz123").start();
    await_warning(&gateway, "INSTRUMENT_DB_PASSWORD");
    assert!(!gateway.log().contains("stocksblitz123"), "{}", gateway.log());
    assert_reached(&orders_with(KEY).send_to(gateway.address()));

    let own = "Vw9-planted-database-password-3e2d1c";
    let gateway = guarded(&upstream).env("INSTRUMENT_DB_PASSWORD", own).start();
    assert_reached(&orders_with(KEY).send_to(gateway.address()));
    gateway.wait_for_log(&["access", "200"]);
    assert!(!warned(&gateway, "INSTRUMENT_DB_PASSWORD"), "{}", gateway.log());
    assert!(!gateway.log().contains("planted"), "{}", gateway.log());
}

#[test]
fn t_env_10_the_log_stands_in_its_folder() {
    let upstream = Upstream::ok();
    for (said, folder) in [(None, "logs"), (Some("elsewhere/deep"), "elsewhere/deep")] {
        let start = guarded(&upstream);
        let gateway = said.into_iter().fold(start, |start, said| start.env("LOG_DIR", said)).start();
        assert_eq!(orders().send_to(gateway.address()).status, 401);
        let file = format!("{folder}/ticker_service.log");
        until(&format!("a line in {file}"), || {
            gateway.folder().read(&file).filter(|text| text.contains("auth_attempt"))
        });
    }
    let (success, shown) =
        Launch::command("config show --profile ticker-service").env("API_KEY", KEY).finish();
    assert!(success, "{shown}");
    let says = |key: &str, value: &str| shown.lines().any(|line| line.contains(key) && line.contains(value));
    assert!(says("rotate", "100 MB") || says("rotate", "100000000") || says("rotate", "95"), "{shown}");
    assert!(says("keep", "7d") || says("keep", "7 days") || says("keep", "168h"), "{shown}");
}

/// What the repository's `.env.example` holds beside the names of the gateway.
const DOT_ENV: &str = "\
# API
API_KEY_ENABLED=true
API_KEY=4pQ0gKpVb0yqXv9dJ8mZbWc2rTn5sLhEoUaYxG7iRkM
ENVIRONMENT=dev
LOG_DIR=logs
DB_PASSWORD=Jk4-planted-password-9f8e
ENCRYPTION_KEY=Jk4-planted-encryption-0a1b
SOMETHING_ELSE_ENTIRELY=1
";

#[test]
fn t_env_11_a_file_with_names_that_nobody_knows_is_read() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).file(".env", DOT_ENV).start();
    assert_reached(&orders_with(KEY).send_to(gateway.address()));
    assert_eq!(orders().send_to(gateway.address()).status, 401);
    gateway.wait_for_log(&["auth_attempt"]);
    assert!(!gateway.log().contains("planted"), "{}", gateway.log());
}

#[test]
fn t_env_12_t_env_13_names_of_the_application_are_left_alone() {
    let upstream = Upstream::ok();
    let names = [
        ("ENCRYPTION_KEY", "Lm5-planted-fernet-key"),
        ("ACCOUNT_ENCRYPTION_KEY", "Lm5-planted-account-key"),
        ("REDIS_URL", "redis://:Lm5-planted@localhost:6379/0"),
        ("INSTRUMENT_DB_HOST", "localhost"),
        ("INSTRUMENT_DB_PORT", "5432"),
        ("INSTRUMENT_DB_NAME", "stocksblitz_unified"),
        ("INSTRUMENT_DB_USER", "stocksblitz"),
        ("KITE_API_KEY", "Lm5-planted-broker-key"),
        ("KITE_primary_API_SECRET", "Lm5-planted-broker-secret"),
        ("MARKET_OPEN_TIME", "09:15"),
        ("ENABLE_MOCK_DATA", "true"),
        ("TICKER_MODE", "full"),
    ];
    let gateway =
        names.iter().fold(guarded(&upstream), |start, (name, value)| start.env(name, value)).start();
    assert_reached(&orders_with(KEY).send_to(gateway.address()));
    gateway.wait_for_log(&["access", "200"]);
    assert!(names.iter().all(|(name, _)| !warned(&gateway, name)), "{}", gateway.log());
    assert!(!gateway.log().contains("planted"), "{}", gateway.log());
    // A key of somebody else is not ours.
    assert_eq!(orders_with("Lm5-planted-broker-key").send_to(gateway.address()).status, 401);
}

#[test]
fn t_env_14_the_port_is_obeyed_on_every_interface() {
    let upstream = Upstream::ok();
    let (success, shown) =
        Launch::command("config show --profile ticker-service").env("API_KEY", KEY).finish();
    assert!(success && shown.contains("0.0.0.0:8080"), "{shown}");

    let port = free_port();
    let by_name = || {
        Launch::command("run --profile ticker-service --upstream").arg(&upstream.url()).env("API_KEY", KEY)
    };
    let gateway = by_name().env("PORT", &port.to_string()).start();
    assert_eq!(gateway.printed_address(), SocketAddr::from(([0, 0, 0, 0], port)));
    await_warning(&gateway, "0.0.0.0");
    let others = Some("127.0.0.2".parse().unwrap()).into_iter().chain(outer_address());
    for address in others.map(|address| SocketAddr::new(address, port)) {
        assert_eq!(Request::get("/health").send_to(address).status, 200, "{address}");
    }
    let said = by_name().env("PORT", "eighty").refused();
    assert!(said.contains("PORT") && said.contains("eighty"), "{said}");
}

#[test]
fn t_env_15_t_ck_02_in_production_a_dot_env_is_not_picked_up_and_one_that_is_named_is_warned_of() {
    let upstream = Upstream::ok();
    let file = format!("API_KEY={KEY}\n");
    let production = || launch(&upstream.url()).env("ENVIRONMENT", "production").file(".env", &file);
    let said = production().refused();
    assert!(said.contains("API_KEY"), "the file in the folder is not read: {said}");
    let gateway = production().arg("--env-file").arg(".env").start();
    assert_reached(&orders_with(KEY).send_to(gateway.address()));

    let check = |names: &[(&str, &str)], file: Option<&str>| {
        let check = Launch::command("check --profile ticker-service --json")
            .env("PORTCULLIS_UPSTREAM", &upstream.url())
            .env("ENVIRONMENT", "production");
        let check = names.iter().fold(check, |check, (name, value)| check.env(name, value));
        let (_, report) = match file {
            Some(text) => check.file("production.env", text).arg("--env-file").arg("production.env").finish(),
            None => check.finish(),
        };
        let items = serde_json::from_str::<serde_json::Value>(&report)
            .unwrap_or_else(|error| panic!("{error} in {report}"))["items"]
            .clone();
        let verdict = |id: &str| {
            let item = items.as_array().unwrap().iter().find(|item| item["id"] == id);
            item.unwrap_or_else(|| panic!("no {id} in {items}"))["verdict"].clone()
        };
        (verdict("secret-storage"), verdict("env-file"))
    };
    assert_eq!(check(&[], Some(&file)), ("warn".into(), "warn".into()));
    assert_eq!(check(&[("API_KEY", KEY)], None), ("pass".into(), "pass".into()));
}

#[test]
fn t_env_16_a_dot_env_in_version_control_is_found() {
    let upstream = Upstream::ok();
    let start = Launch::command("check --profile ticker-service")
        .env("PORTCULLIS_UPSTREAM", &upstream.url())
        .file(".env", &format!("API_KEY={KEY}\n"));
    let folder = start.path(".");
    let git = |arguments: &[&str]| {
        let done = std::process::Command::new("git").arg("-C").arg(&folder).args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "-q"]);
    git(&["add", "-f", ".env"]);
    let (success, report) = start.finish();
    assert!(!success && report.contains("version control"), "{report}");
    // Ours is kept out of it.
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../.gitignore");
    let ignored = std::fs::read_to_string(ours).unwrap();
    assert!(ignored.lines().any(|line| line.trim_start_matches('/') == ".env"), "{ignored}");
}
