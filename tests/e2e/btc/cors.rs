//! B-CORS, B-ENV-08 and B-ENV-09: pages of other origins.

use portcullis_tests::{Application, Gateway, Request, System};

use super::{Behind, assert_forecast, launch, predict};

const PAGE: &str = "https://yourdomain.com";
const FOREIGN: &str = "https://elsewhere.example";

/// What a page of that origin gets: whether it may read the answer, and whether with credentials.
fn seen_from(gateway: &Gateway, origin: &str) -> (Option<String>, Option<String>) {
    let answer = Request::get("/").header("Origin", origin).send_to(gateway.address());
    assert_eq!(answer.status, 200, "{origin}: {}", answer.head);
    let field = |name: &str| answer.field(name).map(str::to_owned);
    (field("access-control-allow-origin"), field("access-control-allow-credentials"))
}

#[test]
fn b_env_08_origins_are_a_json_array_or_a_list_with_commas() {
    for list in [
        r#"["https://yourdomain.com"]"#,
        r#"["https://yourdomain.com","https://app.yourdomain.com"]"#,
        r#"[ "https://app.yourdomain.com", "https://yourdomain.com" ]"#,
        "https://yourdomain.com",
        "https://app.yourdomain.com, https://yourdomain.com",
    ] {
        let behind = Behind::with(|launch| launch.env("CORS_ORIGINS", list));
        assert_eq!(seen_from(&behind.gateway, PAGE).0.as_deref(), Some(PAGE), "{list}");
        for other in [FOREIGN, "http://yourdomain.com", "https://yourdomain.com:8443", "null"] {
            assert_eq!(seen_from(&behind.gateway, other).0, None, "{list}: {other}");
        }
    }
    for wrong in [r#"["https://yourdomain.com""#, r#"{"a":1}"#, "[1]", "yourdomain.com", r#"["ftp:"]"#] {
        let said = launch("http://127.0.0.1:9").env("CORS_ORIGINS", wrong).refused();
        assert!(said.contains("CORS_ORIGINS"), "{wrong}: {said}");
    }
}

#[test]
fn b_env_09_credentials_follow_the_setting() {
    for (said, allowed) in [(None, Some("true")), (Some("true"), Some("true")), (Some("false"), None)] {
        let behind = Behind::with(|launch| {
            let launch = launch.env("CORS_ORIGINS", r#"["https://yourdomain.com"]"#);
            said.into_iter().fold(launch, |launch, said| launch.env("CORS_ALLOW_CREDENTIALS", said))
        });
        assert_eq!(
            seen_from(&behind.gateway, PAGE),
            (Some(PAGE.to_owned()), allowed.map(str::to_owned)),
            "{said:?}"
        );
    }
    let said = launch("http://127.0.0.1:9").env("CORS_ALLOW_CREDENTIALS", "maybe").refused();
    assert!(said.contains("CORS_ALLOW_CREDENTIALS") && said.contains("maybe"), "{said}");
}

#[test]
fn b_cors_01_a_known_page_may_and_another_may_not_and_everybody_never_with_credentials() {
    let behind = Behind::with(|launch| launch.env("CORS_ORIGINS", r#"["https://yourdomain.com"]"#));
    let preflight = |origin: &str| {
        let asked = Request::preflight("/predict", origin, "POST", "authorization,content-type,x-api-key");
        behind.send(&asked)
    };
    let answer = preflight(PAGE);
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.field("access-control-allow-origin"), Some(PAGE));
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
    let allowed = answer.words("access-control-allow-headers");
    for name in ["authorization", "content-type", "x-api-key"] {
        assert!(allowed.iter().any(|word| word == name || word == "*"), "{name}: {}", answer.head);
    }
    let answer = preflight(FOREIGN);
    assert_eq!(answer.status, 400, "{}", answer.head);
    assert_eq!(answer.field("access-control-allow-origin"), None);
    behind.gateway.wait_for_log(&["cors_violation", "CORS"]);
    // Refusals can be read by the page as well, and so can the limits.
    let refused = behind.send(&Request::post("/predict", "{}").header("Origin", PAGE));
    assert_eq!((refused.status, refused.field("access-control-allow-origin")), (401, Some(PAGE)));
    let exposed = refused.words("access-control-expose-headers");
    for name in ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        assert!(exposed.iter().any(|word| word == name), "{name}: {}", refused.head);
    }

    for everybody in ["*", r#"["*"]"#] {
        let said = launch("http://127.0.0.1:9")
            .env("CORS_ORIGINS", everybody)
            .env("CORS_ALLOW_CREDENTIALS", "true")
            .refused();
        assert!(said.contains("CORS_") || said.contains("cors"), "{said}");
    }
    let behind =
        Behind::with(|launch| launch.env("CORS_ORIGINS", r#"["*"]"#).env("CORS_ALLOW_CREDENTIALS", "false"));
    assert_eq!(seen_from(&behind.gateway, FOREIGN), (Some("*".to_owned()), None));
}

/// The guide has a frontend on a port of its own and says nothing of what it asks for: its pages call like all
/// others.
#[test]
fn b_in_03_the_pages_of_the_frontend_call_where_they_are_named() {
    const PAGES: &str = "http://localhost:8501";
    let behind = Behind::with(|launch| launch.env("CORS_ORIGINS", r#"["http://localhost:8501"]"#));
    let login = behind.accounts.newcomer("newuser");
    let answer = behind.send(&predict().bearer(&login.access).header("Origin", PAGES));
    assert_forecast(&answer);
    assert_eq!(answer.field("access-control-allow-origin"), Some(PAGES));
}

#[test]
fn b_cors_02_development_and_production_have_settings_of_their_own() {
    let application = Application::start(System::Btc);
    let own = |name: &str, origin: &str| {
        let text = format!("CORS_ORIGINS=[\"{origin}\"]\n");
        launch(application.url()).file(name, &text).arg("--env-file").arg(name)
    };
    let development = own(".env.development", "http://localhost:8501").start();
    let production = own(".env.production", PAGE).env("ENVIRONMENT", "production").start();
    for (gateway, own, other) in
        [(&development, "http://localhost:8501", PAGE), (&production, PAGE, "http://localhost:8501")]
    {
        assert_eq!(seen_from(gateway, own).0.as_deref(), Some(own));
        assert_eq!(seen_from(gateway, other).0, None);
    }
    // Where nobody says anything, no page of another origin may: not all of them, as in the application.
    let behind = Behind::start();
    assert_eq!(seen_from(&behind.gateway, FOREIGN).0, None);
}
