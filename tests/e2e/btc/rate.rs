//! B-RL and B-ENV-06, B-ENV-07: how much each role may.

use std::time::{Duration, Instant};

use portcullis_tests::{
    Accounts, Connection, Gateway, Request, Response, Upstream, guide_command, unix_seconds,
};
use serde_json::json;

use super::{Behind, launch, predict};

/// Small limits, so that tests are quick.
fn small(upstream: &Upstream) -> Gateway {
    launch(&upstream.url())
        .env("RATE_LIMIT_FREE", "6")
        .env("RATE_LIMIT_PREMIUM", "9")
        .env("RATE_LIMIT_ADMIN", "12")
        .start()
}

/// How many of so many are let through.
fn admitted(gateway: &Gateway, request: &Request, count: usize) -> usize {
    let mut connection = Connection::open(gateway.address());
    let statuses: Vec<u16> = (0..count).map(|_| request.on(&mut connection).status).collect();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

#[test]
fn b_rl_01_of_a_minute_s_requests_each_role_has_what_the_guide_says() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).start();
    let accounts = Accounts::at_root(&gateway);
    for (role, limit) in [("free", 60), ("premium", 300), ("admin", 1000)] {
        let login = gateway.user(&accounts, &format!("a-{role}"), role);
        // What its login took of the same allowance stands in the answer.
        let first = predict().bearer(&login.access).send_to(gateway.address());
        assert_eq!(first.number("x-ratelimit-limit"), limit, "{role}");
        let left = first.number("x-ratelimit-remaining");
        assert!((limit - 3..limit).contains(&left), "{role}: {left}");
        let through = admitted(&gateway, &predict().bearer(&login.access), limit as usize + 1);
        assert_eq!(through as u64, left, "{role}");
    }
}

#[test]
fn b_env_07_the_limits_are_those_said() {
    let upstream = Upstream::ok();
    let gateway = small(&upstream);
    let accounts = Accounts::at_root(&gateway);
    for (role, limit) in [("free", 6), ("premium", 9), ("admin", 12)] {
        let login = gateway.user(&accounts, &format!("a-{role}"), role);
        let first = predict().bearer(&login.access).send_to(gateway.address());
        assert_eq!(first.number("x-ratelimit-limit"), limit, "{role}");
    }
    for name in ["RATE_LIMIT_FREE", "RATE_LIMIT_PREMIUM", "RATE_LIMIT_ADMIN"] {
        for wrong in ["many", "0", "-1", "1.5"] {
            let said = launch(&upstream.url()).env(name, wrong).refused();
            assert!(said.contains(name) && said.contains(wrong), "{said}");
        }
    }
}

#[test]
fn b_env_06_the_limiter_can_be_switched_off() {
    let upstream = Upstream::ok();
    for (said, limited) in [("true", true), ("false", false)] {
        let gateway =
            launch(&upstream.url()).env("RATE_LIMIT_ENABLED", said).env("RATE_LIMIT_FREE", "6").start();
        let login = Accounts::at_root(&gateway).newcomer("newuser");
        let request = predict().bearer(&login.access);
        assert_eq!(admitted(&gateway, &request, 70) < 70, limited, "{said}");
        let answer = request.send_to(gateway.address());
        assert_eq!(answer.field("x-ratelimit-limit").is_some(), limited, "{}", answer.head);
    }
    let said = launch(&upstream.url()).env("RATE_LIMIT_ENABLED", "perhaps").refused();
    assert!(said.contains("RATE_LIMIT_ENABLED") && said.contains("perhaps"), "{said}");
}

/// Fails unless the three fields of the guide are there and mean what they say.
#[track_caller]
fn assert_counted(answer: &Response, limit: u64) -> u64 {
    assert_eq!(answer.number("x-ratelimit-limit"), limit, "{}", answer.head);
    let (now, reset) = (unix_seconds(), answer.number("x-ratelimit-reset"));
    assert!((now..=now + 75).contains(&reset), "{reset} is not within the minute after {now}");
    answer.number("x-ratelimit-remaining")
}

#[test]
fn b_rl_02_every_limited_answer_says_how_much_is_left_and_when_it_is_whole_again() {
    let upstream = Upstream::ok();
    let gateway = small(&upstream);
    let login = gateway.user(&Accounts::at_root(&gateway), "worker", "premium");
    let mut left = assert_counted(&predict().bearer(&login.access).send_to(gateway.address()), 9);
    while left > 0 {
        let answer = predict().bearer(&login.access).send_to(gateway.address());
        assert_eq!(answer.status, 200);
        let now = assert_counted(&answer, 9);
        assert_eq!(now + 1, left);
        left = now;
    }
    let refused = predict().bearer(&login.access).send_to(gateway.address());
    assert_eq!((refused.status, assert_counted(&refused, 9)), (429, 0));
}

#[test]
fn b_rl_03_a_refusal_has_the_body_of_the_guide_s_clients_and_says_when_to_come_again() {
    let upstream = Upstream::ok();
    let gateway = small(&upstream);
    let login = gateway.user(&Accounts::at_root(&gateway), "worker", "premium");
    admitted(&gateway, &predict().bearer(&login.access), 9);
    let answer = predict().bearer(&login.access).send_to(gateway.address());
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let wait = answer.number("retry-after");
    assert!((1..=67).contains(&wait), "{}", answer.head);
    let detail = answer.json()["detail"].clone();
    assert_eq!(
        detail,
        json!({
            "error": "Rate limit exceeded", "limit": 9, "remaining": 0,
            "reset_time": answer.number("x-ratelimit-reset"), "retry_after": wait,
        })
    );
    gateway.wait_for_log(&["rate_limit_exceeded", "429"]);
}

#[test]
fn b_rl_04_a_made_up_key_opens_no_fresh_allowance() {
    let upstream = Upstream::ok();
    let gateway = small(&upstream);
    let accounts = Accounts::at_root(&gateway);
    let login = accounts.newcomer("worker");
    let keys: Vec<_> = (0..2).map(|_| accounts.key(&login.access, &json!({})).key).collect();
    // All that is one user's counts together, whatever it comes with.
    let with_key = |key: &str| predict().header("X-API-Key", key);
    let through: usize = [predict().bearer(&login.access), with_key(&keys[0]), with_key(&keys[1])]
        .iter()
        .map(|request| admitted(&gateway, request, 6))
        .sum();
    assert!(through <= 6, "{through}");
    // Another user from the same address has an allowance of its own.
    let other = gateway.user(&accounts, "other", "premium");
    let answer = predict().bearer(&other.access).send_to(gateway.address());
    assert_eq!(answer.number("x-ratelimit-limit"), 9, "{}", answer.head);
    let guess = |number: usize| with_key(&format!("guess-{number}")).send_to(gateway.address()).status;
    let statuses: Vec<u16> = (0..30).map(guess).collect();
    assert_eq!(statuses[..20], [401; 20]);
    assert_eq!(statuses[20..], [429; 10]);
}

/// What asks for nobody's name is counted by address, like a free user.
#[test]
fn b_rl_05_who_is_not_known_has_what_a_free_user_has() {
    let upstream = Upstream::ok();
    let gateway = small(&upstream);
    assert_eq!(assert_counted(&Request::get("/").send_to(gateway.address()), 6), 5);
    assert_eq!(admitted(&gateway, &Request::get("/"), 7), 5);
    // Those who ask without a credential are counted too.
    let statuses: Vec<u16> =
        (0..8).map(|_| predict().send_from("127.0.0.5", gateway.address()).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 429, 429]);
    // Each address has its own.
    assert_eq!(Request::get("/").send_from("127.0.0.6", gateway.address()).status, 200);
}

#[test]
fn b_rl_06_a_forwarded_address_of_nobody_we_trust_changes_nothing() {
    let upstream = Upstream::ok();
    let gateway = small(&upstream);
    let through = (0..20)
        .filter(|number| {
            let address = format!("9.9.9.{number}");
            let request = Request::get("/")
                .header("X-Forwarded-For", &address)
                .header("X-Real-IP", &address)
                .header("Forwarded", &format!("for={address}"));
            request.send_to(gateway.address()).status == 200
        })
        .count();
    assert_eq!(through, 6);
    for received in upstream.received() {
        assert_eq!(received.field("x-forwarded-for"), Some("127.0.0.1"), "{}", received.head);
        assert_eq!(received.field("x-real-ip"), Some("127.0.0.1"), "{}", received.head);
    }
}

#[test]
fn b_rl_07_health_is_not_limited_and_shows_a_caller_s_own_allowance() {
    let behind = Behind::with(|launch| launch.env("RATE_LIMIT_FREE", "6"));
    let login = behind.accounts.newcomer("worker");
    let key = behind.accounts.key(&login.access, &json!({})).key;
    let mut connection = Connection::open(behind.gateway.address());
    for _ in 0..100 {
        for path in ["/health", "/health/detailed", "/health/metrics"] {
            assert_eq!(Request::get(path).on(&mut connection).status, 200, "{path}");
        }
    }
    let command = r#"curl -i "http://localhost:8000/health/metrics" \
  -H "X-API-Key: YOUR_API_KEY""#
        .replace("YOUR_API_KEY", &key);
    let left = |answer: &str| {
        let line = answer.to_lowercase().lines().find_map(|line| {
            line.strip_prefix("x-ratelimit-remaining:").map(|left| left.trim().parse::<u32>().unwrap())
        });
        line.unwrap_or_else(|| panic!("{answer}"))
    };
    let before = guide_command(&command, behind.gateway.address());
    assert_eq!(before[0].status, 200, "{before:?}");
    let text = before[0].body.to_lowercase();
    assert!(text.contains("x-ratelimit-limit: 6") && text.contains("x-ratelimit-reset: "), "{text}");
    let again = guide_command(&command, behind.gateway.address());
    assert_eq!(left(&before[0].body), left(&again[0].body), "to look costs nothing");
    let one = behind.send(&predict().header("X-API-Key", &key));
    assert_eq!(one.status, 200);
    let after = guide_command(&command, behind.gateway.address());
    assert_eq!(left(&after[0].body) + 1, left(&before[0].body), "{after:?}");
}

/// Clients that come once and never again; a map that keeps each of them would grow by 5 MiB and more.
#[test]
fn b_rl_08_who_never_returns_costs_no_memory() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url())
        .config("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n")
        .env("PORTCULLIS_LOG__LEVEL", "error")
        // It holds what its store has not taken yet, which has a bound of its own.
        .env("AUDIT_LOGGING_ENABLED", "false")
        .start();
    let mut connection = Connection::open(gateway.address());
    let mut flood = |from: u32, to: u32| {
        for batch in (from..to).step_by(100) {
            let one = |number: u32| {
                let [_, a, b, c] = number.to_be_bytes();
                predict().header("X-Forwarded-For", &format!("20.{a}.{b}.{c}")).bytes()
            };
            connection.send((batch..batch + 100).flat_map(one).collect::<Vec<u8>>());
            for _ in 0..100 {
                assert_eq!(connection.response().status, 401);
            }
        }
    };
    flood(0, 120_000);
    let settled = gateway.resident_kib();
    flood(120_000, 180_000);
    let grown = gateway.resident_kib().saturating_sub(settled);
    assert!(grown < 3 * 1024, "{grown} KiB more for clients that came once");
}

/// Two requests that are N apart were decided at least the window apart, wherever the clock stood.
#[test]
fn b_rl_09_the_window_slides_and_all_connections_share_it() {
    const LIMIT: usize = 5;
    const WINDOW: Duration = Duration::from_secs(2);
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).config("[roles.premium]\nlimit = \"5/2s per user\"\n").start();
    let login = gateway.user(&Accounts::at_root(&gateway), "worker", "premium");
    let ask = |admitted: &mut Vec<(Instant, Instant)>| {
        let sent = Instant::now();
        if predict().bearer(&login.access).send_to(gateway.address()).status == 200 {
            admitted.push((sent, Instant::now()));
        }
    };
    let (mut admitted, start) = (Vec::new(), Instant::now());
    while admitted.len() < 3 * LIMIT && start.elapsed() < WINDOW * 10 {
        ask(&mut admitted);
    }
    assert!(admitted.len() >= 3 * LIMIT, "only {} were admitted in ten windows", admitted.len());
    for (first, last) in admitted.iter().zip(admitted.iter().skip(LIMIT)) {
        let apart = last.1.duration_since(first.0);
        assert!(apart + Duration::from_millis(1) >= WINDOW, "{} admitted within {apart:?}", LIMIT + 1);
    }
}
