//! What production refuses, each with its reason, its place and its mend; development only warns.

use super::Case;

const KEY: &str = "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C";

/// A production configuration that is accepted, with more lines at its end.
fn production(more: &str) -> Case {
    let body = format!(
        "environment = \"production\"\nupstream = \"http://127.0.0.1:9000\"\n[[limits]]\nrate = \"100/minute per ip\"\n{more}"
    );
    Case::config(&body).env("API_KEY", KEY)
}

const GUARDED: &str = "[auth.api_key]\nvalue = \"env:API_KEY\"\n";

#[test]
fn what_is_safe_is_accepted_without_a_word() {
    assert_eq!(production(GUARDED).warnings(), "");
}

#[test]
fn each_reason_is_named_with_its_mend() {
    for (more, reason, mend) in [
        ("", "no authentication is configured: every route stands open", "[auth.api_key]"),
        (
            "[auth.api_key]\nvalue = \"a-literal-of-many-letters-8472\"\n",
            "stands in the configuration itself",
            "env:NAME",
        ),
        (
            "[auth.api_key]\nvalue = \"env:EMPTY\"\nwhen_unset = \"open\"\n",
            "API_KEY is not configured",
            "portcullis generate",
        ),
        ("[auth.api_key]\nvalue = \"env:SHORT\"\n", "SHORT: it is shorter", "portcullis generate"),
        ("[auth.api_key]\nvalue = \"env:EXAMPLE\"\n", "EXAMPLE: it is a placeholder", "portcullis generate"),
        ("[auth.api_key]\nvalue = \"env:SHELL\"\n", "SHELL: it is a placeholder", "portcullis generate"),
        (
            "[auth.api_key]\nvalue = [\"env:API_KEY\", \"env:SAME\"]\n",
            "SAME: it can be guessed",
            "portcullis generate",
        ),
        (
            "[server]\nlisten = \"0.0.0.0:8000\"\n[auth.api_key]\nvalue = \"env:API_KEY\"\n",
            "production refuses 0.0.0.0:8000 without TLS",
            "server.trusted_proxies",
        ),
    ] {
        let case = production(more)
            .env("EMPTY", "")
            .env("SHORT", "abc")
            .env("EXAMPLE", "your-api-key-here")
            .env("SHELL", "$(openssl rand -hex 32)")
            .env("SAME", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        let said = case.problems().to_string();
        assert!(said.contains(reason) && said.contains(mend), "{more}\n{said}");
        assert!(!said.contains("8472"), "{said}");
    }
}

#[test]
fn development_starts_with_what_production_refuses_and_warns() {
    let body = "upstream = \"http://127.0.0.1:9000\"\n[server]\nlisten = \"0.0.0.0:8000\"\n";
    let warnings = Case::config(body).warnings();
    for warning in ["no authentication is configured", "0.0.0.0:8000 is reachable", "no limit is set"] {
        assert!(warnings.contains(warning), "{warning}: {warnings}");
    }
    let warnings =
        Case::config(&format!("{body}[auth.api_key]\nvalue = \"env:K\"\n")).env("K", "changeme").warnings();
    assert!(warnings.contains("K: it is a placeholder") && !warnings.contains("changeme"), "{warnings}");
}

#[test]
fn tls_a_proxy_or_a_socket_makes_a_listener_safe() {
    for listen in [
        "[server]\nlisten = \"0.0.0.0:8000\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n",
        "[server]\nlisten = \"0.0.0.0:8000\"\n[server.tls]\ncert = \"c\"\nkey = \"k\"\n",
        "[server]\nlisten = \"unix:/run/p.sock\"\n",
        "[server]\nlisten = \"[::1]:8000\"\n",
        "[server]\nlisten = \"[::ffff:127.0.0.1]:8000\"\n",
    ] {
        production(&format!("{GUARDED}{listen}")).file("c", "").file("k", "").load();
    }
    let plain = "[server]\nlisten = { address = \"0.0.0.0:8000\", tls = false }\n[server.tls]\ncert = \"c\"\nkey = \"k\"\n";
    let case = production(&format!("{GUARDED}{plain}")).file("c", "").file("k", "");
    assert!(case.problems().to_string().contains("0.0.0.0:8000 without TLS"));
}

#[test]
fn every_reason_stands_in_one_answer() {
    let case = Case::config(
        "environment = \"production\"\nupstream = \"http://127.0.0.1:9000\"\n[server]\nlisten = \"0.0.0.0:80\"\n[auth.api_key]\nvalue = \"hunter2\"\n",
    );
    let said = case.problems().to_string();
    assert!(said.ends_with("3 errors"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn r7_a_dotenv_that_says_production_must_be_named() {
    let env = format!("ENVIRONMENT=production\nAPI_KEY={KEY}\nHOST=127.0.0.1\n");
    let mut case = Case::profile("kalshiwhale").file(".env", &env);
    let said = case.problems().to_string();
    assert!(
        said.contains("production does not pick up .env by itself") && said.contains("--env-file .env"),
        "{said}"
    );
    case.sources.env_file = Some(".env".into());
    case.load();
}

#[test]
fn any_origin_is_a_warning_everywhere() {
    let case = production(&format!("{GUARDED}[cors]\norigins = \"*\"\n"));
    assert!(case.warnings().contains("every page on the web may call"));
}

#[test]
fn what_production_refuses_can_still_be_read_and_shown() {
    assert!(!production("").read().config.auth.schemes().any(|_| true));
}
