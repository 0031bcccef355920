//! T-ENV-01 to T-ENV-06: whether a key is asked for, where, and which.

use portcullis_tests::{Request, Upstream};

use super::{
    KEY, MISSING, ORDERS, assert_reached, assert_refused, await_warning, guarded, launch, orders, orders_with,
};

#[test]
fn t_env_01_a_key_is_asked_for_in_every_environment() {
    let upstream = Upstream::ok();
    for environment in [None, Some("dev"), Some("development"), Some("staging"), Some("production")] {
        for enabled in [None, Some("true")] {
            let names = [("ENVIRONMENT", environment), ("API_KEY_ENABLED", enabled)];
            let gateway = names
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .fold(guarded(&upstream), |launch, (name, value)| launch.env(name, value))
                .start();
            assert_refused(&orders().send_to(gateway.address()), 401, MISSING);
            assert_reached(&orders_with(KEY).send_to(gateway.address()));
        }
    }
    let said = guarded(&upstream).env("API_KEY_ENABLED", "perhaps").refused();
    assert!(said.contains("API_KEY_ENABLED") && said.contains("perhaps"), "{said}");
}

#[test]
fn t_env_02_without_a_key_it_does_not_start_where_one_is_asked_for() {
    let upstream = Upstream::ok();
    for names in [
        &[][..],
        &[("API_KEY", "")],
        &[("API_KEY_ENABLED", "true")],
        &[("API_KEY_ENABLED", "True"), ("API_KEY", "")],
        &[("ENVIRONMENT", "development")],
        &[("ENVIRONMENT", "production")],
    ] {
        let start =
            names.iter().fold(launch(&upstream.url()), |launch, (name, value)| launch.env(name, value));
        let said = start.refused();
        assert!(said.contains("api_key must be set when api_key_enabled=True"), "{names:?}: {said}");
        assert!(said.contains("API_KEY"), "what to set: {said}");
    }
}

#[test]
fn t_env_03_in_development_the_key_can_be_switched_off() {
    let upstream = Upstream::ok();
    for key in [None, Some(""), Some(KEY)] {
        let start = launch(&upstream.url()).env("API_KEY_ENABLED", "false").env("ENVIRONMENT", "development");
        let gateway = key.into_iter().fold(start, |start, key| start.env("API_KEY", key)).start();
        await_warning(&gateway, "API_KEY_ENABLED");
        for request in [
            orders(),
            orders_with("anything"),
            Request::get("/trading-accounts"),
            Request::post("/admin/instrument-refresh", "{}"),
            Request::new("DELETE", "/subscriptions/256265"),
        ] {
            assert_reached(&request.send_to(gateway.address()));
        }
    }
}

#[test]
fn t_env_04_production_asks_for_the_key_whatever_the_switch_says() {
    let upstream = Upstream::ok();
    for environment in ["production", "PRODUCTION", "prod", "Live"] {
        let off = || launch(&upstream.url()).env("API_KEY_ENABLED", "false").env("ENVIRONMENT", environment);
        let gateway = off().env("API_KEY", KEY).start();
        await_warning(&gateway, "API_KEY_ENABLED");
        assert_refused(&orders().send_to(gateway.address()), 401, MISSING);
        assert_eq!(orders_with("other").send_to(gateway.address()).status, 401);
        assert_reached(&orders_with(KEY).send_to(gateway.address()));
        // Switched off, and nothing to ask for: then it does not serve at all.
        let said = off().refused();
        assert!(said.contains("API_KEY"), "{environment}: {said}");
    }
}

#[test]
fn t_env_05_the_environments_of_guide_and_example_are_known_and_development_is_the_default() {
    let upstream = Upstream::ok();
    let (success, shown) = portcullis_tests::Launch::command("config show --profile ticker-service")
        .env("API_KEY", KEY)
        .finish();
    assert!(success, "{shown}");
    let line = shown.lines().find(|line| line.trim_start().starts_with("environment")).unwrap();
    assert!(line.contains("development"), "{line}");
    for (said, mode) in [
        ("dev", "development"),
        ("development", "development"),
        ("staging", "development"),
        ("production", "production"),
    ] {
        let gateway = guarded(&upstream).env("ENVIRONMENT", said).start();
        assert!(gateway.log().contains(mode), "{said}: {}", gateway.log());
        // The real service takes it for one of those that need no protection, and says nothing.
        if said == "staging" {
            await_warning(&gateway, "ENVIRONMENT");
        }
    }
    let said = guarded(&upstream).env("ENVIRONMENT", "prodution").refused();
    assert!(said.contains("ENVIRONMENT") && said.contains("production"), "{said}");
}

#[test]
fn t_env_06_any_text_is_a_key_in_development_and_a_strong_one_in_production() {
    let upstream = Upstream::ok();
    for key in ["your-api-key", "two words", "p@ss:w0rd;=,\"x\"", KEY] {
        let gateway = launch(&upstream.url()).env("API_KEY", key).start();
        assert_reached(&orders_with(key).send_to(gateway.address()));
        assert_eq!(orders_with(&format!("{key}x")).send_to(gateway.address()).status, 401, "{key}");
    }
    let production = |key| launch(&upstream.url()).env("API_KEY", key).env("ENVIRONMENT", "production");
    assert_reached(&orders_with(KEY).send_to(production(KEY).start().address()));
    for weak in ["your-api-key", "short"] {
        let said = production(weak).refused();
        assert!(said.contains("API_KEY"), "{weak}: {said}");
    }
}

#[test]
fn t_env_07_t_cmd_07_the_key_of_the_process_environment_is_enough() {
    let upstream = Upstream::ok();
    let start = guarded(&upstream).env("ENVIRONMENT", "production");
    assert!(std::fs::read_dir(start.path(".")).unwrap().next().is_none(), "no file is there to read");
    let gateway = start.start();
    assert_reached(&orders_with(KEY).send_to(gateway.address()));
    assert_eq!(orders_with("other").send_to(gateway.address()).status, 401);
}

#[test]
fn t_env_08_a_docker_secret_is_a_file() {
    let upstream = Upstream::ok();
    let start =
        launch(&upstream.url()).file("secrets/api_key", &format!("{KEY}\n")).env("ENVIRONMENT", "production");
    let path = start.path("secrets/api_key");
    let gateway = start.env("API_KEY_FILE", &path).start();
    assert_reached(&orders_with(KEY).send_to(gateway.address()));
    assert_refused(&Request::get(ORDERS).send_to(gateway.address()), 401, MISSING);
    let said = launch(&upstream.url()).env("API_KEY_FILE", "/run/secrets/not-there").refused();
    assert!(said.contains("API_KEY_FILE") && said.contains("/run/secrets/not-there"), "{said}");
}
