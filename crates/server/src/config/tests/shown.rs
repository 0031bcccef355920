//! What `config show`, `config schema` and `config env` say.

use super::super::show;
use super::Case;

const KEY: &str = "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C";

#[test]
fn every_value_stands_with_its_origin() {
    let case = Case::config("profile = \"kalshiwhale\"\n[server]\nlisten = \"127.0.0.1:8100\"\n[upstreams.app]\nurl = \"http://127.0.0.1:9000\"\n")
        .env("API_KEY", KEY)
        .file(".env", "RATE_LIMIT_PER_MINUTE=60\n");
    let text = show::text(&case.load());
    for (value, origin) in [
        ("server.listen = \"127.0.0.1:8100\"", "portcullis.toml:3:10"),
        ("server.caps.body = \"1 MiB\"", "default"),
        ("upstreams.app.url = \"http://127.0.0.1:9000\"", "portcullis.toml:5:7"),
        ("upstreams.app.idle_timeout = \"60s\"", "default"),
        ("limits[0].rate = \"60/minute per ip\"", ".env:1 RATE_LIMIT_PER_MINUTE"),
        ("auth.api_key.value = \"env:API_KEY\"", "profile kalshiwhale:"),
        ("auth.default = \"api-key\"", "profile kalshiwhale:"),
        ("routes[0].auth = [\"api-key\"]", "default"),
        ("headers.X-XSS-Protection = \"1; mode=block\"", "profile kalshiwhale:"),
        ("headers.Server = false", "default"),
        ("cors.reject = true", "profile kalshiwhale:"),
    ] {
        let line =
            text.lines().find(|line| line.starts_with(value)).unwrap_or_else(|| panic!("{value}\n{text}"));
        assert!(line.split("  # ").nth(1).unwrap().starts_with(origin), "{line}");
    }
    assert!(!text.contains("ingest_token.value") && !text.contains("tls.cert"), "{text}");
    let json = show::json(&case.load());
    assert!(
        json["values"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["path"] == "limits[0].rate" && it["origin"] == ".env:1 RATE_LIMIT_PER_MINUTE")
    );
}

#[test]
fn no_secret_is_ever_shown() {
    let case = Case::config(
        "upstream = \"http://a:1\"\n[auth.api_key]\nvalue = [\"hunter2-literal\", \"env:SECOND\", \"file:third\"]\n[auth.ingest_token]\nvalue = \"hunter2-other\"\n[[tests]]\nrequest = \"GET /\"\nheaders = { X-API-Key = \"hunter2-header\", Accept = \"*/*\" }\nexpect = { status = 401 }\n",
    )
    .env("SECOND", "hunter2-second")
    .env("PORTCULLIS_AUTH__INGEST_TOKEN__VALUE", "hunter2-own-name")
    .file("third", "hunter2-third");
    let loaded = case.load();
    for text in [show::text(&loaded), show::json(&loaded).to_string(), format!("{loaded:?}")] {
        // A test's header is no credential of ours, but may be copied from one.
        assert!(!text.replace("hunter2-header", "").contains("hunter2"), "{text}");
    }
    let text = show::text(&loaded);
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("[redacted]") && text.contains("env:SECOND") && text.contains("*/*"), "{text}");
}

#[test]
fn no_secret_of_accounts_is_ever_shown() {
    const SECRET: &str = "hunter2-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b";
    let body = format!(
        "upstream = \"http://a:1\"\n[store]\nurl = \"postgres://us:hunter2@h/d?password=hunter2\"\n\
         encryption_key = \"{SECRET}\"\n[auth.tokens]\nsecret = [\"env:S\", \"{SECRET}\"]\n"
    );
    let case = Case::config(&body).env("S", SECRET);
    let loaded = case.load();
    for text in [show::text(&loaded), show::json(&loaded).to_string(), format!("{loaded:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let text = show::text(&loaded);
    for line in [
        "store.url = \"postgres://us@h/d\"",
        "auth.tokens.secret = [\"env:S\",\"[redacted]\"]",
        "auth.tokens.algorithm = \"HS256\"",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // Where no accounts are kept, nothing says what they would be.
    let text = show::text(&Case::config("upstream = \"http://a:1\"\n").load());
    for word in ["store.", "auth.tokens", "auth.keys", "endpoints.auth"] {
        assert!(!text.contains(word), "{word}\n{text}");
    }
    // What is wrong with it is shown without it too.
    let said = Case::config(&body.replace("h/d?", "/d?")).env("S", SECRET).problems().to_string();
    assert!(said.contains("names no host") && !said.contains("hunter2"), "{said}");
}

#[test]
fn the_schema_knows_every_key_and_refuses_others() {
    let schema = show::schema();
    assert_eq!(schema["additionalProperties"], false);
    let caps = &schema["properties"]["server"]["properties"]["caps"];
    assert_eq!(caps["additionalProperties"], false);
    assert_eq!(caps["properties"]["connections"]["default"], 10_000);
    assert_eq!(schema["properties"]["routes"]["items"]["properties"]["match"]["type"], "string");
    assert!(schema["properties"]["upstreams"]["additionalProperties"]["properties"]["url"].is_object());
    assert!(schema["properties"]["headers"]["properties"]["secure"].is_object());
    for key in super::super::keys::KEYS {
        assert!(
            schema.to_string().contains(key.path.rsplit('.').next().unwrap().trim_matches('*')),
            "{}",
            key.path
        );
    }
}

#[test]
fn every_environment_name_is_listed() {
    let text = show::environment_text(&show::environment(None));
    for name in [
        "INGEST_TOKEN",
        "RATE_LIMIT_PER_MINUTE",
        "JWT_SECRET_KEY",
        "PORTCULLIS_SERVER__LISTEN",
        "PORTCULLIS_LIMITS",
    ] {
        assert!(text.lines().any(|line| line.trim() == name), "{name}\n{text}");
    }
    assert!(text.contains("JWT_SECRET_KEY\n      Signs tokens"), "{text}");
    let only = show::environment_text(&show::environment(Some("kalshiwhale")));
    assert!(only.contains("RATE_LIMIT_PER_MINUTE") && !only.contains("INGEST_TOKEN"), "{only}");
    // What the list calls a key is one.
    for name in show::environment(None).iter().filter(|it| it.profile.is_none()) {
        let known = super::super::keys::find(&name.sets).is_some()
            || ["limits", "routes", "tests"].contains(&name.sets.as_str());
        assert!(known, "{}", name.name);
    }
}
