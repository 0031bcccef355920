//! E-ENV: a `.env` written for the guide, and what each name means.

use std::net::SocketAddr;

use portcullis_tests::{Launch, Request, Scratch, Upstream, free_port, is_refused, outer_address, shell};

use super::{
    FRONTEND, SECRET_KEY, Visitor, assert_reached, assert_refused, await_warning, generate, generous, launch,
    warned,
};

#[test]
fn e_env_05_the_secret_key_is_required_and_at_least_32_characters_long() {
    let upstream = Upstream::ok();
    for key in [None, Some(""), Some("short"), Some(&SECRET_KEY[..31]), Some("your-secret-key")] {
        let start = Launch::profile("echotuner", &upstream.url());
        let said = key.into_iter().fold(start, |start, key| start.env("SECRET_KEY", key)).refused();
        assert!(said.contains("SECRET_KEY"), "{key:?}: {said}");
        assert!(key.is_none_or(|key| key.is_empty() || !said.contains(key)), "{key:?}: {said}");
    }
    let gateway = Launch::profile("echotuner", &upstream.url()).env("SECRET_KEY", &SECRET_KEY[..32]).start();
    assert_reached(&Request::get("/config").send_to(gateway.address()));
    assert!(!gateway.log().contains(&SECRET_KEY[..32]), "{}", gateway.log());
}

#[test]
fn e_env_12_the_limits_can_be_switched_off() {
    let upstream = Upstream::ok();
    let init = || Request::post("/auth/init", r#"{"device_id":"d"}"#);
    let off = launch(&upstream.url())
        .env("RATE_LIMIT_ENABLED", "false")
        .env("RATE_LIMIT_REQUESTS_PER_MINUTE", "3")
        .start();
    await_warning(&off, "RATE_LIMIT_ENABLED");
    for _ in 0..8 {
        let answer = init().send_to(off.address());
        assert_reached(&answer);
        assert_eq!(answer.field("x-ratelimit-limit"), None, "{}", answer.head);
    }
    for on in [None, Some("true")] {
        let start = launch(&upstream.url()).env("RATE_LIMIT_REQUESTS_PER_MINUTE", "3");
        let on = on.into_iter().fold(start, |start, on| start.env("RATE_LIMIT_ENABLED", on)).start();
        let statuses: Vec<u16> = (0..4).map(|_| init().send_to(on.address()).status).collect();
        assert_eq!(statuses, [200, 200, 200, 429]);
    }
    let said = launch(&upstream.url()).env("RATE_LIMIT_ENABLED", "sometimes").refused();
    assert!(said.contains("RATE_LIMIT_ENABLED") && said.contains("sometimes"), "{said}");
}

#[test]
fn e_env_13_count_and_window_of_the_limit_are_the_ones_said() {
    let upstream = Upstream::ok();
    for (count, window, shown) in [
        (None, None, (60, 60)),
        (Some("60"), Some("60"), (60, 60)),
        (Some("7"), Some("90"), (7, 90)),
        (None, Some("10"), (60, 10)),
    ] {
        let names = [("RATE_LIMIT_REQUESTS_PER_MINUTE", count), ("RATE_LIMIT_WINDOW_SECONDS", window)];
        let gateway = names
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .fold(launch(&upstream.url()), |start, (name, value)| start.env(name, value))
            .start();
        let answer = Request::get("/config").send_to(gateway.address());
        assert_reached(&answer);
        let (limit, seconds) = shown;
        assert_eq!(
            (answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")),
            (limit, limit - 1)
        );
        let policy = answer.field("ratelimit-policy").unwrap();
        assert!(
            policy.contains(&format!("q={limit}")) && policy.contains(&format!("w={seconds}")),
            "{policy}"
        );
    }
    for name in ["RATE_LIMIT_REQUESTS_PER_MINUTE", "RATE_LIMIT_WINDOW_SECONDS"] {
        for wrong in ["sixty", "0", "-1"] {
            let said = launch(&upstream.url()).env(name, wrong).refused();
            assert!(said.contains(name) && said.contains(wrong), "{said}");
        }
    }
}

/// The blocks of the guide, one after the other.
const DOT_ENV: &str = "\
# .env
CORS_ENABLED=true
ALLOWED_ORIGINS=https://yourdomain.com,https://app.yourdomain.com

# Session configuration
SECRET_KEY=b3F0V4yK+8m/Qz1Lr7cXw2Nn5pTj9sHd6gUeAaRiYkE=
MAX_SESSION_AGE=86400                     # 24 hours
SESSION_CLEANUP_INTERVAL=3600             # 1 hour cleanup
AUTH_ATTEMPT_TIMEOUT=300                  # 5 minutes

# Global rate limits
RATE_LIMIT_ENABLED=true
RATE_LIMIT_REQUESTS_PER_MINUTE=60
RATE_LIMIT_WINDOW_SECONDS=60
";

#[test]
fn e_env_14_comments_behind_values_are_comments() {
    let upstream = Upstream::ok();
    let gateway = Launch::profile("echotuner", &upstream.url()).file(".env", DOT_ENV).start();
    assert_reached(&Request::get("/config").send_to(gateway.address()));
    let visitor = Visitor::new(&gateway, "comments");
    assert_reached(&visitor.sign(Request::get("/user/profile")).send_to(gateway.address()));
    let (success, shown) = Launch::command("config show --profile echotuner").file(".env", DOT_ENV).finish();
    assert!(success, "{shown}");
    let line = shown.lines().find(|line| line.starts_with("auth.sessions.max_age"));
    let line = line.unwrap_or_else(|| panic!("no age of sessions in {shown}"));
    assert!(["24h", "86400s", "1d", "1440m"].iter().any(|day| line.contains(day)), "{line}");
    assert!(!shown.contains("b3F0V4yK"), "{shown}");
}

#[test]
fn e_env_15_the_lines_of_the_guide_for_a_shell_are_accepted() {
    let upstream = Upstream::ok();
    let key = shell("printf %s \"$(openssl rand -base64 32)\"", &Scratch::new());
    assert_eq!(key.len(), 44);
    let gateway = Launch::profile("echotuner", &upstream.url()).env("SECRET_KEY", &key).start();
    assert_reached(&Request::get("/config").send_to(gateway.address()));
    // The same lines in a file.
    let file = format!(
        "# Never commit these to version control\nexport SECRET_KEY=\"{key}\"\n\
         export SPOTIFY_CLIENT_SECRET=\"your-secret-here\"\nexport OPENAI_API_KEY=\"your-key-here\"\n"
    );
    let gateway = Launch::profile("echotuner", &upstream.url()).file(".env", &file).start();
    assert_reached(&Request::get("/config").send_to(gateway.address()));
    assert!(!gateway.log().contains(&key), "{}", gateway.log());
    assert!(!gateway.log().contains("your-secret-here"), "{}", gateway.log());
}

/// Answers every request with two names of its environment.
const APPLICATION: &str = "\
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        names = ['SPOTIFY_CLIENT_SECRET', 'OPENAI_API_KEY', 'AUTH_REQUIRED', 'DEMO']
        body = json.dumps({name: os.environ.get(name) for name in names}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";

#[test]
fn e_env_16_names_of_the_application_reach_it_and_no_log() {
    let names = [
        ("SPOTIFY_CLIENT_ID", "Ks3-planted-client"),
        ("SPOTIFY_CLIENT_SECRET", "Ks3-planted-client-secret"),
        ("OPENAI_API_KEY", "sk-Ks3-planted-openai"),
        ("CLOUD_API_KEY", "Ks3-planted-cloud"),
        ("GOOGLE_CLIENT_SECRET", "Ks3-planted-google"),
        ("AI_MODEL", "phi3:mini"),
        ("AUTH_REQUIRED", "true"),
        ("DEMO", "false"),
        ("SHARED", "false"),
        ("DATABASE_PATH", "echotuner.db"),
    ];
    let port = free_port().to_string();
    let start = launch(&format!("http://127.0.0.1:{port}"));
    let gateway = names
        .iter()
        .fold(start, |start, (name, value)| start.env(name, value))
        .application(&["python3", "-c", APPLICATION, &port])
        .start();
    let seen = Request::get("/config").send_to(gateway.address()).json();
    for name in ["SPOTIFY_CLIENT_SECRET", "OPENAI_API_KEY", "AUTH_REQUIRED", "DEMO"] {
        let own = names.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(seen[name], own, "{seen}");
    }
    gateway.wait_for_log(&["access", "/config"]);
    assert!(names.iter().all(|(name, _)| !warned(&gateway, name)), "{}", gateway.log());
    assert!(!gateway.log().contains("planted"), "{}", gateway.log());
}

#[test]
fn e_env_16_the_gateway_takes_the_address_that_the_application_had() {
    let upstream = Upstream::ok();
    let (success, shown) =
        Launch::command("config show --profile echotuner").env("SECRET_KEY", SECRET_KEY).finish();
    assert!(success && shown.contains("0.0.0.0:8000"), "{shown}");
    let port = free_port();
    let gateway = Launch::command("run --profile echotuner --upstream")
        .arg(&upstream.url())
        .env("SECRET_KEY", SECRET_KEY)
        .env("API_HOST", "127.0.0.1")
        .env("API_PORT", &port.to_string())
        .start();
    assert_eq!(gateway.printed_address(), SocketAddr::from(([127, 0, 0, 1], port)));
    for address in Some("127.0.0.2".parse().unwrap()).into_iter().chain(outer_address()) {
        assert!(is_refused(SocketAddr::new(address, port)), "{address} answers");
    }
}

#[test]
fn e_env_17_debug_mode_is_warned_of_in_production() {
    let upstream = Upstream::ok();
    let (_, key) = Launch::command("generate encryption-key").finish();
    let production = || {
        launch(&upstream.url())
            .env("PORTCULLIS_ENVIRONMENT", "production")
            .env("PORTCULLIS_STORE__ENCRYPTION_KEY", key.trim())
            .env("ALLOWED_ORIGINS", FRONTEND)
    };
    let gateway = production().env("DEBUG", "true").start();
    await_warning(&gateway, "DEBUG");
    assert_reached(&Request::get("/config").send_to(gateway.address()));
    let quiet = production().env("DEBUG", "false").start();
    assert_reached(&Request::get("/config").send_to(quiet.address()));
    quiet.wait_for_log(&["access", "/config"]);
    assert!(!warned(&quiet, "DEBUG"), "{}", quiet.log());
}

/// Nothing of the names changes what a wrong session or a missing device is answered.
#[test]
fn without_any_name_but_the_required_one_the_gate_stands() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).start();
    assert_refused(&generate().send_to(gateway.address()), 400, r#"{"detail":"Device ID required"}"#);
    let forged = Request::get("/user/profile").header("X-Session-ID", "forged").header("X-Device-ID", "d");
    assert_eq!(forged.send_to(gateway.address()).status, 401);
    assert_eq!(upstream.count(), 0);
    let gateway = generous(&upstream).start();
    assert_reached(&Request::get("/config/health").send_to(gateway.address()));
}
