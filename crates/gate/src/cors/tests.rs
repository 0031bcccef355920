//! Which pages may read, and the bytes that say so.

use portcullis_core::{Field, Upgrade};
use proptest::prelude::*;

use super::*;

fn config() -> Config {
    Config {
        origins: vec!["https://app.example.com".to_owned(), "http://localhost:5173".to_owned()],
        credentials: true,
        headers: ["Content-Type", "X-Ingest-Token"].map(str::to_owned).to_vec(),
        ..Config::default()
    }
}

fn cors() -> Cors {
    Cors::new(config()).unwrap()
}

fn fields(lines: &[&'static str]) -> Vec<Field<'static>> {
    let split = |line: &&'static str| line.split_once(": ").unwrap();
    lines.iter().map(split).map(|(name, value)| Field { name, value: value.as_bytes() }).collect()
}

fn head<'a>(method: &'a str, authority: &'a str, fields: &'a [Field<'a>]) -> Head<'a> {
    Head { method, path: "/", query: None, authority, secure: false, upgrade: Upgrade::None, fields }
}

fn judged(authority: &str, lines: &[&'static str], secure: bool) -> Origin {
    cors().judge(&head("GET", authority, &fields(lines)), secure)
}

fn preflight(cors: &Cors, lines: &[&'static str]) -> Option<Preflight> {
    let fields = fields(lines);
    let head = head("OPTIONS", "api.example.com", &fields);
    cors.preflight(&head, cors.judge(&head, false))
}

fn lines(write: impl FnOnce(&mut dyn FnMut(&str, &[u8]))) -> Vec<String> {
    let mut lines = Vec::new();
    write(&mut |name, value| lines.push(format!("{name}: {}", std::str::from_utf8(value).unwrap())));
    lines
}

#[test]
fn origins_compare_exactly() {
    for (line, expected) in [
        ("Origin: https://app.example.com", Origin::Allowed(0)),
        ("origin: http://localhost:5173", Origin::Allowed(1)),
        ("Origin: http://app.example.com", Origin::Foreign),
        ("Origin: https://app.example.com:8443", Origin::Foreign),
        ("Origin: https://app.example.com.evil.example", Origin::Foreign),
        ("Origin: https://evil.example/https://app.example.com", Origin::Foreign),
        ("Origin: http://localhost", Origin::Foreign),
        ("Origin: http://localhost:51730", Origin::Foreign),
        ("Origin: HTTPS://app.example.com", Origin::Foreign),
        ("Origin: null", Origin::Foreign),
        ("Origin: ", Origin::Foreign),
        ("Accept: */*", Origin::None),
    ] {
        assert_eq!(judged("api.example.com", &[line], false), expected, "{line}");
    }
    let two = ["Origin: https://app.example.com", "Origin: https://evil.example"];
    assert_eq!(judged("api.example.com", &two, false), Origin::Foreign);
}

#[test]
fn our_own_origin_is_not_another() {
    for (authority, line, secure, expected) in [
        ("api.example.com", "Origin: http://api.example.com", false, Origin::Same),
        ("API.example.com", "Origin: http://api.example.com", false, Origin::Same),
        ("api.example.com:80", "Origin: http://api.example.com", false, Origin::Same),
        ("api.example.com:443", "Origin: https://api.example.com", true, Origin::Same),
        ("localhost:8000", "Origin: http://localhost:8000", false, Origin::Same),
        // TLS may end in front of us, but a plain page is not ours over TLS.
        ("api.example.com", "Origin: https://api.example.com", false, Origin::Same),
        ("api.example.com", "Origin: http://api.example.com", true, Origin::Foreign),
        ("localhost:8000", "Origin: http://localhost:3000", false, Origin::Foreign),
        ("api.example.com", "Origin: http://example.com", false, Origin::Foreign),
        ("", "Origin: http://", false, Origin::Foreign),
    ] {
        assert_eq!(judged(authority, &[line], secure), expected, "{authority} {line}");
    }
}

#[test]
fn preflights() {
    let origin = "Origin: https://app.example.com";
    let method = "Access-Control-Request-Method: POST";
    for (lines, expected) in [
        (&[origin, method][..], Some(Preflight::Allowed)),
        (
            &[origin, method, "Access-Control-Request-Headers: x-ingest-token,content-type"],
            Some(Preflight::Allowed),
        ),
        (
            &[origin, method, "Access-Control-Request-Headers: accept, , Content-Language"],
            Some(Preflight::Allowed),
        ),
        (
            &[origin, method, "Access-Control-Request-Headers: x-ingest-token, x-other"],
            Some(Preflight::Headers),
        ),
        (
            &[
                origin,
                method,
                "Access-Control-Request-Headers: accept",
                "Access-Control-Request-Headers: x-other",
            ],
            Some(Preflight::Headers),
        ),
        (&[origin, "Access-Control-Request-Method: PATCH"], Some(Preflight::Method)),
        (&[origin, "Access-Control-Request-Method: post"], Some(Preflight::Method)),
        (&[origin, method, method], Some(Preflight::Method)),
        (&["Origin: https://evil.example", method], Some(Preflight::Foreign)),
        (&["Origin: https://api.example.com", method], None),
        (&[origin], None),
        (&[method], None),
    ] {
        assert_eq!(preflight(&cors(), lines), expected, "{lines:?}");
    }
    let fields = fields(&[origin, method]);
    assert_eq!(cors().preflight(&head("POST", "", &fields), Origin::Allowed(0)), None);
    let all = Cors::new(Config { headers: vec!["*".to_owned()], methods: vec!["*".to_owned()], ..config() })
        .unwrap();
    let lines =
        [origin, "Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: x-anything"];
    assert_eq!(preflight(&all, &lines), Some(Preflight::Allowed));
}

#[test]
fn what_ordinary_answers_carry() {
    let expose = "Access-Control-Expose-Headers: X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";
    let cors = cors();
    assert_eq!(
        lines(|mut put| cors.write_simple(Origin::Allowed(1), &mut put)),
        [
            "Access-Control-Allow-Origin: http://localhost:5173",
            "Access-Control-Allow-Credentials: true",
            expose,
            "Vary: Origin"
        ]
    );
    for origin in [Origin::Foreign, Origin::Same, Origin::None] {
        assert_eq!(lines(|mut put| cors.write_simple(origin, &mut put)), ["Vary: Origin"], "{origin:?}");
    }
    let exact = Config {
        credentials: false,
        expose: vec!["X-Total-Count".to_owned(), "X-Page-Count".to_owned()],
        ..config()
    };
    let exact = Cors::new(exact).unwrap();
    assert_eq!(
        lines(|mut put| exact.write_simple(Origin::Allowed(0), &mut put)),
        [
            "Access-Control-Allow-Origin: https://app.example.com",
            "Access-Control-Expose-Headers: X-Total-Count, X-Page-Count",
            "Vary: Origin"
        ]
    );
    let open = Config { origins: vec!["*".to_owned()], credentials: false, expose: Vec::new(), ..config() };
    let open = Cors::new(open).unwrap();
    let origin = open.judge(&head("GET", "", &fields(&["Origin: null"])), true);
    assert_eq!(lines(|mut put| open.write_simple(origin, &mut put)), ["Access-Control-Allow-Origin: *"]);
}

#[test]
fn what_preflights_are_answered() {
    let cors = cors();
    assert_eq!(
        lines(|mut put| cors.write_preflight(Origin::Allowed(0), Some(b"x-ingest-token"), &mut put)),
        [
            "Access-Control-Allow-Origin: https://app.example.com",
            "Access-Control-Allow-Credentials: true",
            "Access-Control-Allow-Methods: GET, POST, PUT, DELETE, OPTIONS",
            "Access-Control-Allow-Headers: Content-Type, X-Ingest-Token",
            "Access-Control-Max-Age: 600",
            "Vary: Origin",
        ]
    );
    let echo = Cors::new(Config { headers: vec!["*".to_owned()], ..config() }).unwrap();
    let told = |requested| lines(|mut put| echo.write_preflight(Origin::Allowed(0), requested, &mut put));
    assert!(told(Some(b"x-one, x-two")).contains(&"Access-Control-Allow-Headers: x-one, x-two".to_owned()));
    assert!(!told(None).iter().any(|line| line.starts_with("Access-Control-Allow-Headers")));
    let all = Cors::new(Config { methods: vec!["*".to_owned()], ..config() }).unwrap();
    assert!(
        lines(|mut put| all.write_preflight(Origin::Allowed(0), None, &mut put)).contains(
            &"Access-Control-Allow-Methods: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT".to_owned()
        )
    );
    assert_eq!(lines(|mut put| cors.write_preflight(Origin::Foreign, None, &mut put)), ["Vary: Origin"]);
}

#[test]
fn origins_that_can_never_match_are_refused() {
    use OriginProblem as P;
    let built = |origin: &str| Cors::new(Config { origins: vec![origin.to_owned()], ..config() });
    for (origin, problem) in [
        ("app.example.com", P::NoScheme),
        ("//app.example.com", P::NoScheme),
        ("://app.example.com", P::NoScheme),
        ("1http://app.example.com", P::NoScheme),
        ("", P::NoScheme),
        ("https://app.example.com/", P::TrailingSlash),
        ("https://app.example.com/path", P::Path),
        ("https://app.example.com?x", P::Path),
        ("https://App.example.com", P::UpperCase),
        ("HTTPS://app.example.com", P::UpperCase),
        ("https://user@app.example.com", P::UserInfo),
        ("https://*.example.com", P::Wildcard),
        ("https://app.example.com:", P::Port),
        ("https://app.example.com:x", P::Port),
        ("https://app.example.com:0", P::Port),
        ("https://app.example.com:65536", P::Port),
        ("https://app.example.com:08443", P::Port),
        ("https://app.example.com:443", P::DefaultPort),
        ("http://app.example.com:80", P::DefaultPort),
        ("https://", P::Host),
        ("https://:8443", P::Host),
        ("https://app example.com", P::Host),
        (" https://app.example.com", P::NoScheme),
        ("https://app.example.com ", P::Host),
        ("https://a.example,https://b.example", P::Path),
        ("https://bücher.example", P::Host),
        ("http://[::1", P::Ipv6),
        ("http://[0:0::1]", P::Ipv6),
        ("http://[::1]8000", P::Port),
    ] {
        let error = built(origin).err();
        assert_eq!(error, Some(ConfigError::Origin { origin: origin.to_owned(), problem }), "{origin}");
    }
    for origin in [
        "https://app.example.com",
        "http://127.0.0.1:5173",
        "http://[::1]:8000",
        "https://app.example.com:80",
        "http://my_host",
        "capacitor://localhost",
        "null",
    ] {
        assert!(built(origin).is_ok(), "{origin}");
    }
}

#[test]
fn configurations_that_contradict_are_refused() {
    let star = || vec!["*".to_owned()];
    let mixed = || vec!["*".to_owned(), "GET".to_owned()];
    for (config, error) in [
        (Config { origins: star(), ..config() }, ConfigError::WildcardWithCredentials),
        (Config { expose: star(), ..config() }, ConfigError::WildcardExpose),
        (
            Config {
                origins: vec!["*".to_owned(), "https://a.example".to_owned()],
                credentials: false,
                ..config()
            },
            ConfigError::WildcardMixed { list: "origins" },
        ),
        (Config { methods: mixed(), ..config() }, ConfigError::WildcardMixed { list: "methods" }),
        (Config { headers: mixed(), ..config() }, ConfigError::WildcardMixed { list: "headers" }),
        (Config { methods: vec!["get".to_owned()], ..config() }, ConfigError::Method("get".to_owned())),
        (
            Config { headers: vec!["X-A,X-B".to_owned()], ..config() },
            ConfigError::Header("X-A,X-B".to_owned()),
        ),
        (Config { expose: vec![String::new()], ..config() }, ConfigError::Header(String::new())),
    ] {
        assert_eq!(Cors::new(config).err(), Some(error));
    }
}

#[test]
fn the_application_says_nothing_about_it() {
    for name in ["Access-Control-Allow-Origin", "access-control-expose-headers", "ACCESS-CONTROL-MAX-AGE"] {
        assert!(upstream_field(name), "{name}");
    }
    for name in ["", "Access", "Vary", "Access-Control", "X-Access-Control-Allow-Origin"] {
        assert!(!upstream_field(name), "{name}");
    }
}

proptest! {
    /// Whatever stands in `Origin`: only an origin of the configuration is ever named in an answer.
    #[test]
    fn no_other_origin_is_ever_named(origin in prop_oneof!["https?://[a-z.]{0,12}(:[0-9]{1,5})?", "(http://localhost:5173|https://app.example.com)[ -~]{0,3}"], secure in any::<bool>()) {
        let cors = cors();
        let fields = [Field { name: "Origin", value: origin.as_bytes() }];
        let judged = cors.judge(&head("GET", "api.example.com", &fields), secure);
        let said = lines(|mut put| cors.write_simple(judged, &mut put));
        let named = said.iter().any(|line| line.starts_with("Access-Control-Allow-Origin"));
        prop_assert_eq!(named, config().origins.contains(&origin));
        let itself = format!("Access-Control-Allow-Origin: {origin}");
        prop_assert!(!named || said.contains(&itself));
    }
}
