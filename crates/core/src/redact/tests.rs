//! What must go, what must stay, and that nothing else happens.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{EMAIL, PHONE, TOKEN, path, query, text};

fn text_of(input: &str) -> String {
    let mut out = String::new();
    text(input, &mut out);
    out
}

fn path_of(input: &str) -> String {
    let mut out = String::new();
    path(input, &mut out);
    out
}

fn query_of(input: &str) -> String {
    let mut out = String::new();
    query(input, &mut out);
    out
}

const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const URL_SAFE: &str = "iM0hSTqkKRqQkwHwnAmB7sfEkGqKXC2wL9Dq1kyrqDI";
const BASE64: &str = "OQfZ5A/E0JXWm8gQXnq0q1w7Jt+LdvhZ4sVjUe0sPV8=";
const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

#[test]
fn email_addresses_go() {
    for address in [
        "john@example.com",
        "john.doe+news@mail.example.co.uk",
        "o'brien@example.ie",
        "josé@exämple.de",
        "j%40example.com",
        "john%2Bnews%40example%2Ecom",
        "john%2540example.com",
        "a@b.co",
        "x_y-z@sub.example.technology",
    ] {
        assert_eq!(text_of(&format!("mail <{address}> was refused")), format!("mail <{EMAIL}> was refused"));
        assert_eq!(text_of(&format!("{address}.")), format!("{EMAIL}."), "at the end of a sentence");
    }
    assert_eq!(text_of("a@b.com,c@d.org"), format!("{EMAIL},{EMAIL}"));
    assert_eq!(text_of("{\"email\":\"john@example.com\"}"), format!("{{\"email\":\"{EMAIL}\"}}"));
}

#[test]
fn phone_numbers_go_in_their_national_forms() {
    for number in [
        "+91 98765 43210",
        "+919876543210",
        "+91-9876543210",
        "9876543210",
        "98765 43210",
        "919876543210",
        "(555) 123-4567",
        "(555)123-4567",
        "555-123-4567",
        "555.123.4567",
        "+1 (555) 123-4567",
        "+1-555-123-4567",
        "1-555-123-4567",
        "5551234567",
        "+44 20 7946 0958",
        "020 7946 0958",
        "(020) 7946 0958",
        "07911 123456",
        "07911123456",
        "+49 30 901820",
        "+49 (0)30 901820",
        "0049 30 901820",
        "030 901820",
        "030/901820",
        "0176 12345678",
        "+62 812-3456-7890",
        "0812-3456-7890",
        "081234567890",
        "%2B919876543210",
        "%2B91%2098765%2043210",
        "+91\u{a0}98765\u{a0}43210",
    ] {
        assert_eq!(text_of(number), PHONE, "{number}");
        assert_eq!(text_of(&format!("call {number}, please")), format!("call {PHONE}, please"));
        assert_eq!(text_of(&format!("\"phone\":\"{number}\"")), format!("\"phone\":\"{PHONE}\""));
        assert_eq!(text_of(&format!("von {number}.")), format!("von {PHONE}."));
        assert_eq!(text_of(&format!("({number})")), format!("({PHONE})"), "{number}");
    }
    assert_eq!(
        text_of("phone=1555123456"),
        format!("phone={PHONE}"),
        "an epoch second, but called a phone number"
    );
    assert_eq!(path_of("/users/9876543210/orders"), format!("/users/{PHONE}/orders"));
    assert_eq!(path_of("/users/%2B91%2098765%2043210"), format!("/users/{PHONE}"));
}

#[test]
fn tokens_go_by_their_shape() {
    for token in [
        HEX,
        URL_SAFE,
        BASE64,
        JWT,
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "5F4DCC3B5AA765D61D8327DEB882CF99",
        "ech_iM0hSTqkKRqQkwHwnAmB7sfEkGqKXC2wL9Dq1kyrqDI",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "pc_7hG2kQ9xLm4RtV8wZb3N",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "AKIAIOSFODNN7EXAMPLE",
        "gAAAAABlqQ5mT0s1bYx8V0pM3kq0J9u4b8uWn2iKcZ1oQw3eRtYx==",
        "a8Kd93jDk20fKd93jdK3",
        "4eC39HqLyjWDarjtT1zdp7dc/9f8KqT2+bLmZx0Qe=",
    ] {
        assert_eq!(text_of(token), TOKEN, "{token}");
        assert_eq!(text_of(&format!("key {token} refused")), format!("key {TOKEN} refused"));
        assert_eq!(text_of(&format!("[\"{token}\"]")), format!("[\"{TOKEN}\"]"));
        assert_eq!(text_of(&format!("ingest-{URL_SAFE}/next")), format!("{TOKEN}/next"));
    }
}

#[test]
fn values_go_by_their_name() {
    for (input, expected) in [
        ("token=hunter2", "token=…"),
        ("api_key: hunter2 is wrong", "api_key: … is wrong"),
        ("X-API-Key: hunter2", "X-API-Key: …"),
        ("password=hun)ter2&user=bob", "password=…&user=bob"),
        ("{\"password\":\"hun ter \\\"2\",\"user\":\"bob\"}", "{\"password\":\"…\",\"user\":\"bob\"}"),
        ("{\\\"api_key\\\":\\\"hunter2\\\",\\\"a\\\":1}", "{\\\"api_key\\\":\\\"…\\\",\\\"a\\\":1}"),
        ("{'secret': 'hunter2'}", "{'secret': '…'}"),
        ("{\"pin\":1234}", "{\"pin\":…}"),
        ("JWT_SECRET_KEY=hunter2", "JWT_SECRET_KEY=…"),
        ("Authorization: Bearer hunter2 rejected", "Authorization: … rejected"),
        ("authorization: Basic aHVudGVyMg==", "authorization: …"),
        ("Cookie: a=1; b=2", "Cookie: …"),
        ("session_id=550e8400-e29b-41d4-a716-446655440000", "session_id=…"),
        ("user[password]=hunter2", "user[password]=…"),
        ("password%3Dhunter2", "password%3D…"),
        ("server_seed=abc", "server_seed=…"),
        ("code=4/0AX4XfWhgT", "code=…"),
        ("Bearer hunter2", "Bearer …"),
        ("got 'bearer abc.def-ghi'", "got 'bearer …'"),
        ("Basic YWRtaW46YWRtaW4=", "Basic …"),
        ("password2 = hunter2", "password2 = …"),
        ("token => hunter2", "token => …"),
    ] {
        assert_eq!(text_of(input), expected.replace('…', TOKEN), "{input}");
    }
}

#[test]
fn urls_keep_scheme_and_host() {
    for (input, expected) in [
        ("redis://user:pw@cache:6379/0", "redis://[redacted]@cache:6379/0"),
        ("redis://:p/w@cache.example.com/0", "redis://[redacted]@cache.example.com/0"),
        ("postgresql+asyncpg://u:p@ss@db:5432/x failed", "postgresql+asyncpg://[redacted]@db:5432/x failed"),
        ("user:pw@localhost:5432", "[redacted]@localhost:5432"),
        ("u:p@tcp(db:3306)/x", "[redacted]@tcp(db:3306)/x"),
        ("http://localhost:8000/@alice", "http://localhost:8000/@alice"),
    ] {
        assert_eq!(text_of(input), expected);
    }
}

#[test]
fn private_keys_go_whole() {
    let pem = "-----BEGIN EC PRIVATE KEY-----\nabc\ndef\n-----END EC PRIVATE KEY-----";
    assert_eq!(text_of(&format!("read {pem} from disk")), format!("read {TOKEN} from disk"));
    assert_eq!(text_of("x -----BEGIN PRIVATE KEY-----\\nMIIE"), format!("x {TOKEN}"), "cut off");
    assert_eq!(text_of("-----BEGIN CERTIFICATE-----\nabc"), "-----BEGIN CERTIFICATE-----\nabc");
}

#[test]
fn paths_lose_secrets_and_session_ids() {
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    for (input, expected) in [
        (format!("/live/streams/{uuid}"), format!("/live/streams/{uuid}")),
        (format!("/auth/account_type/{uuid}"), format!("/auth/account_type/{TOKEN}")),
        (format!("/Auth/x/{uuid}/y"), format!("/Auth/x/{TOKEN}/y")),
        (format!("/sessions/{URL_SAFE}"), format!("/sessions/{TOKEN}")),
        (format!("/verify/{HEX}/ok"), format!("/verify/{TOKEN}/ok")),
        ("/auth/sessions/42".into(), "/auth/sessions/42".into()),
        ("/auth/password".into(), "/auth/password".into()),
        ("/u/john%40example.com/x".into(), format!("/u/{EMAIL}/x")),
        ("/u/john@example.com".into(), format!("/u/{EMAIL}")),
        (format!("/x/{}", HEX.replace('9', "%39")), format!("/x/{TOKEN}")),
        ("/x;jsessionid=abc/y".into(), format!("/x;jsessionid={TOKEN}")),
        (
            "/%D0%BF%D1%80%D0%B8%D0%B2%D0%B5%D1%82/%20".into(),
            "/%D0%BF%D1%80%D0%B8%D0%B2%D0%B5%D1%82/%20".into(),
        ),
        ("*".into(), "*".into()),
        (String::new(), String::new()),
    ] {
        assert_eq!(path_of(&input), expected);
    }
}

#[test]
fn queries_keep_names_only() {
    for (input, expected) in [
        ("server_seed=abc&limit=10", "server_seed=[redacted]&limit=[redacted]"),
        ("a=1;b=2&c", "a=[redacted]&b=[redacted]&c"),
        ("hunter2", "[redacted]"),
        ("filter[name]=x", "filter[name]=[redacted]"),
        ("j%40example.com=1", "[redacted]=[redacted]"),
        ("a=b=c", "a=[redacted]"),
        ("", ""),
    ] {
        assert_eq!(query_of(input), expected);
    }
    assert_eq!(query_of(&format!("{HEX}=1&{URL_SAFE}")), "[redacted]=[redacted]&[redacted]");
    assert!(query_of(&"a=&".repeat(10_000)).len() < 2_000);
}

#[test]
fn ordinary_lines_stay_as_they_are() {
    let lines = include_str!("benign.txt");
    assert!(lines.lines().count() >= 100);
    for line in lines.lines() {
        assert_eq!(text_of(line), line);
        if line.starts_with('/') {
            assert_eq!(path_of(line), line);
        }
    }
}

#[test]
fn a_buffer_is_appended_to() {
    let mut out = String::from("before ");
    text("a@b.co", &mut out);
    path("/x/a%40b.co", &mut out);
    query("k=v", &mut out);
    assert_eq!(out, format!("before {EMAIL}/x/{EMAIL}k=[redacted]"));
}

#[test]
fn the_cost_is_linear() {
    // Half a megabyte of what each matcher looks at: with a quadratic one this test takes an hour.
    for piece in [
        "a@",
        "a/",
        "aB1/",
        "://a:b/",
        "token=",
        "Bearer ",
        "+1 ",
        "1-",
        "-----BEGIN PRIVATE KEY",
        "%40",
        "eyJ.",
        "\\\"",
        "(1",
    ] {
        let long = piece.repeat((1 << 19) / piece.len());
        assert!(text_of(&long).len() <= 16 * long.len() + 64);
    }
}

/// What surrounds a planted secret.
fn surroundings() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,20}",
        "(GET|POST) /[a-z]{1,9}(/[a-z0-9]{1,9}){0,3} [1-5][0-9]{2}",
        "\\{\"[a-z]{1,8}\":[0-9]{1,12},\"[a-z]{1,8}\":\"[a-z ]{0,12}\"\\}",
        "([a-z_]{1,8}=[a-z0-9.%]{0,12}&){0,3}",
    ]
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A secret and the part of it that must be gone.
fn planted() -> impl Strategy<Value = (String, String)> {
    let bytes = prop::collection::vec(any::<u8>(), 32);
    let hex = bytes.clone().prop_map(|bytes| encode(&bytes, b"0123456789abcdef", 4));
    let url_safe = bytes.clone().prop_map(|bytes| encode(&bytes, SAFE, 6));
    let base64 = bytes.prop_map(|bytes| encode(&bytes, STANDARD, 6) + "=");
    let same = |text: String| (text.clone(), text);
    let word = "[A-Za-z0-9!$*_-]{8,20}";
    prop_oneof![
        hex.clone().prop_map(same),
        hex.prop_map(|hex| hex[..32].to_owned()).prop_map(same),
        url_safe.clone().prop_map(same),
        base64.prop_map(same),
        url_safe.clone().prop_map(|token| format!("ech_{token}")).prop_map(same),
        url_safe
            .clone()
            .prop_map(|sign| format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.{sign}"))
            .prop_map(same),
        url_safe.prop_map(|token| (format!("Bearer {token}"), token)),
        word.prop_map(|word| (format!("token={word}"), word)),
        word.prop_map(|word| (format!("\"api_key\": \"{word}\""), word)),
        word.prop_map(|word| (format!("password={word}"), word)),
        word.prop_map(|word| (format!("redis://user:{word}@cache:6379/0"), word)),
        word.prop_map(|word| (
            format!("-----BEGIN PRIVATE KEY-----\n{word}\n-----END PRIVATE KEY-----"),
            word
        )),
        "[a-z]{3,8}\\.[a-z]{3,8}@[a-z]{3,8}\\.(com|org|de)".prop_map(same),
        "\\+91 [6-9][0-9]{4} [0-9]{5}".prop_map(same),
        // Between words of its own: beside a random `max` or `ms` it would be a count.
        "[6-9][0-9]{9}".prop_map(|number| (format!("user {number} left"), number)),
        "\\([2-9][0-9]{2}\\) [0-9]{3}-[0-9]{4}".prop_map(same),
        "[2-9][0-9]{2}-[0-9]{3}-[0-9]{4}".prop_map(same),
        "\\+44 20 [0-9]{4} [0-9]{4}".prop_map(same),
        "07[0-9]{3} [1-9][0-9]{5}".prop_map(same),
        "\\+49 30 [0-9]{6}".prop_map(same),
        "\\+62 812-[0-9]{4}-[0-9]{4}".prop_map(same),
        "0812-[1-9][0-9]{3}-[0-9]{4}".prop_map(same),
    ]
}

/// Base 16 or 64 without padding.
fn encode(bytes: &[u8], alphabet: &[u8], bits: usize) -> String {
    let total = (bytes.len() * 8).div_ceil(bits);
    (0..total)
        .map(|index| {
            let value = (0..bits).fold(0, |value, bit| {
                let position = index * bits + bit;
                let byte = bytes.get(position / 8).copied().unwrap_or(0);
                value << 1 | usize::from(byte >> (7 - position % 8) & 1)
            });
            char::from(alphabet[value])
        })
        .collect()
}

proptest! {
    // The seed is fixed: the shape of tokens is judged by likelihood, and a build must not fail by chance.
    #![proptest_config(ProptestConfig { cases: 4000, rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_planted_secret_survives(before in surroundings(), after in surroundings(), (planted, secret) in planted(), quoted in any::<bool>()) {
        let line = if quoted { format!("{before} \"{planted}\" {after}") } else { format!("{before} {planted} {after}") };
        let out = text_of(&line);
        prop_assert!(!out.contains(&secret), "{} -> {}", line, out);
    }

    #[test]
    fn no_query_value_survives(name in "[a-z_]{1,12}", (planted, secret) in planted(), rest in "[a-z]{0,5}") {
        prop_assert_eq!(query_of(&format!("{name}={}&x={rest}", planted.replace('&', "%26"))), format!("{name}=[redacted]&x=[redacted]"));
        prop_assert!(!query_of(&planted).contains(&secret));
    }

    #[test]
    fn no_planted_path_segment_survives(before in "(/[a-z]{1,9}){0,4}", after in "(/[a-z]{1,9}){0,3}", (planted, secret) in planted(), all in any::<bool>()) {
        let encoded: String = planted.bytes().map(|byte| {
            if byte.is_ascii_alphanumeric() && !all || b"-_.".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        }).collect();
        let out = path_of(&format!("{before}/{encoded}{after}"));
        prop_assert!(!out.contains(&secret) && !out.contains(&encoded), "{}", out);
    }

    #[test]
    fn any_text_is_taken(input in "\\PC{0,80}|[ -~]{0,200}|([a-z]{0,3}[@:=%+(/. \"0-9-]){0,60}", cut in any::<prop::sample::Index>()) {
        for input in [input.as_str(), input.get(cut.index(input.len() + 1)..).unwrap_or_default()] {
            for out in [text_of(input), path_of(input), query_of(input)] {
                prop_assert!(out.len() <= 16 * input.len() + 64);
            }
        }
    }

    #[test]
    fn what_is_redacted_stays_redacted(input in surroundings(), (planted, _) in planted()) {
        let once = text_of(&format!("{input} {planted}"));
        let twice = text_of(&once);
        prop_assert_eq!(twice.matches("REDACTED]").count() + twice.matches("[redacted]").count(),
            once.matches("REDACTED]").count() + once.matches("[redacted]").count());
    }
}

/// A secret of TOTP is 32 characters of base32 (RFC 4648 section 6): one in a hundred has a digit or none.
#[test]
fn a_secret_in_base32_without_a_digit_is_one() {
    for secret in ["QWERTZUIOPASDFGHJKLYXCVBNMQWERTZ", "QWERTZUIOPASDFGHJKL2YXCVBNMQWERT"] {
        let mut out = String::new();
        text(&format!("the code of {secret} is wrong"), &mut out);
        assert_eq!(out, "the code of [TOKEN_REDACTED] is wrong");
    }
    let mut out = String::new();
    text("MAXIMUM_NUMBER_OF_CONNECTIONS_PER_ADDRESS is a constant", &mut out);
    assert!(out.starts_with("MAXIMUM_NUMBER"), "{out}");
}
