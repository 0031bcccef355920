//! What the log says, and what it never says: no secret of any shape; and that it holds nothing up.

use portcullis_tests::{Launch, Request, Scratch, Upstream, binary, shell};

/// As the commands of the guides make them, and as they come in requests.
const PLANTED: [&str; 14] = [
    // openssl rand -hex 32
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    // secrets.token_urlsafe(32)
    "Xq3mJ9vT0yLr8KzWc5bN2hPfGdS7eA4uVi1oRwQxEtY",
    // openssl rand -base64 32
    "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTc5NTIzMDAwMH0.4Adcj3UFYzPUVaVF43FmMab6RlaQD8A9V8wFzzht-KQ",
    "Bearer 0dGhpcy1pcy1hLXRva2VuLXRoYXQtbG9va3Mtb3BhcXVl",
    "redis://cache:hunter2-of-the-cache@cache.internal:6379/0",
    "ech_Xq3mJ9vT0yLr8KzWc5bN2hPfGdS7eA4uVi1oRwQxEtY",
    "alice.liddell@wonderland.example",
    "+91 98765 43210",
    "(555) 123-4567",
    "+44 20 7946 0958",
    "+49 30 901820",
    "+62 812-3456-7890",
    "password=correct-horse-battery-staple",
];

/// What of a planted text must not be found: the text, or its telling part.
fn telling(planted: &str) -> &str {
    match planted {
        "redis://cache:hunter2-of-the-cache@cache.internal:6379/0" => "hunter2-of-the-cache",
        "password=correct-horse-battery-staple" => "correct-horse-battery-staple",
        other => other.strip_prefix("Bearer ").unwrap_or(other),
    }
}

/// As it may stand in a path or a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn nothing_is_found_in(format: &str) {
    let upstream = Upstream::ok();
    let gateway = Launch::profile("pump-analyzer", &upstream.url())
        .env("INGEST_TOKEN", "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9")
        .env("INGEST_RATE_LIMIT", "5")
        .env("PORTCULLIS_LOG__FORMAT", format)
        .env("PORTCULLIS_LOG__LEVEL", "debug")
        .start();
    for planted in PLANTED {
        let text = encoded(planted);
        for request in [
            Request::post("/live/ingest", planted).header("X-Ingest-Token", planted),
            Request::get(&format!("/verify?server_seed={text}&note={text}")),
            Request::get(&format!("/auth/account_type/{text}")),
            Request::get("/runs").header("User-Agent", &format!("client/1.0 ({planted})")),
            Request::get("/runs")
                .header("Authorization", planted)
                .header("Cookie", &format!("session={text}")),
            Request::get("/runs").header("X-Device-ID", planted).header("Origin", "https://evil.example"),
            Request::get("/runs").header("Referer", &format!("https://app.example/?token={text}")),
        ] {
            let _ = request.send_to(gateway.address());
        }
    }
    let _ = Request::get("/the-last-one").send_to(gateway.address());
    gateway.wait_for_log(&["/the-last-one"]);
    let log = gateway.log();
    assert!(log.contains("401") && log.contains("auth_attempt"), "{log}");
    for planted in PLANTED {
        for form in [telling(planted).to_owned(), encoded(telling(planted))] {
            assert!(!log.contains(&form), "{form} stands in the log:\n{log}");
        }
    }
    // Epoch seconds are no phone numbers, and what happened can still be read.
    assert!(log.contains("server_seed=[redacted]"), "{log}");
}

#[test]
fn planted_secrets_reach_no_log_in_text() {
    nothing_is_found_in("text");
}

#[test]
fn planted_secrets_reach_no_log_in_json() {
    nothing_is_found_in("json");
}

#[test]
fn an_observed_route_lets_pass_and_says_what_it_would_have_refused() {
    let upstream = Upstream::ok();
    let text = format!(
        "upstream = \"{}\"\n[auth.api_key]\nvalue = \"a-key-of-32-characters-for-a-test\"\n[[routes]]\nmatch = \"GET /watched\"\n\
         mode = \"observe\"\nlimits = [\"2/hour per ip\"]\n\
         [[limits]]\nrate = \"7/hour per ip\"\n[[limits]]\nrate = \"3/hour per ip\"\nmode = \"observe\"\n",
        upstream.url()
    );
    let gateway = Launch::run().config(&text).start();
    for _ in 0..4 {
        assert_eq!(Request::get("/watched").send_to(gateway.address()).status, 200);
    }
    assert_eq!(Request::get("/elsewhere").send_to(gateway.address()).status, 401);
    gateway.wait_for_log(&["auth_attempt", "observed=true", "missing-credential"]);
    let right = Request::get("/elsewhere").header("X-API-Key", "a-key-of-32-characters-for-a-test");
    assert_eq!(right.send_to(gateway.address()).status, 200);
    gateway.wait_for_log(&["auth_attempt", "success=true"]);
}

#[test]
fn a_standard_error_that_nobody_reads_holds_no_end_up() {
    let upstream = Upstream::ok();
    let folder = Scratch::new();
    // The pipe is opened and never read: it fills, and every further write would wait for ever.
    let script = format!(
        "mkfifo err; exec 3<>err; {} run --upstream {} --listen 127.0.0.1:0 2>err >out & gateway=$!\n\
         until grep -q listening out; do :; done; at=$(sed -n 's/listening on //p' out)\n\
         for i in $(seq 1500); do echo \"url = $at/a?$i\"; done > urls\n\
         curl -s -K urls -A \"$(head -c 200 /dev/zero | tr '\\0' x)\" > answers\n\
         kill -TERM $gateway; (sleep 30; kill -9 $gateway) >/dev/null 2>&1 & wait $gateway; echo ended with $?",
        binary().display(),
        upstream.url()
    );
    assert!(shell(&script, &folder).contains("ended with 0"));
    assert_eq!(upstream.count(), 1500);
}
