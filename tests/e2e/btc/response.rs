//! B-HDR, B-IN, B-HLT: what comes back, whatever the application answered.

use portcullis_tests::{Accounts, Answer, Request, Upstream, guide_command};
use serde_json::{Value, json};

use super::{Behind, assert_forecast, launch, predict};

#[test]
fn b_hdr_01_the_response_time_of_the_application_passes() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    for request in [Request::get("/"), predict().bearer(&login.access)] {
        let answer = behind.send(&request);
        let seconds: f64 = answer.field("x-response-time").expect("a time").parse().unwrap();
        assert!((0.0..30.0).contains(&seconds), "{}", answer.head);
    }
}

#[test]
fn b_in_01_a_wrong_type_is_refused_in_the_application_s_own_words() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let wrong = Request::post("/predict", r#"{"days":"x"}"#).bearer(&login.access);
    let answer = behind.send(&wrong);
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "days"]));
    assert_forecast(&behind.send(&predict().bearer(&login.access)));
}

#[test]
fn b_in_02_in_production_no_error_of_the_application_shows_its_inside() {
    let upstream = Upstream::start(|received| match received.line() {
        line if line.contains("/predict") => Answer::json(
            "500 Internal Server Error",
            r#"{"detail":"Prediction failed: no such table: models in /srv/app/btcforecast.db"}"#,
        ),
        line if line.contains("/evaluate") => {
            Answer::json("422 Unprocessable Entity", r#"{"detail":[{"loc":["body","days"]}]}"#)
        }
        _ => Answer::json("503 Service Unavailable", r#"{"detail":"redis://:hunter2@cache:6379 refused"}"#),
    });
    let production = launch(&upstream.url()).env("ENVIRONMENT", "production").start();
    let development = launch(&upstream.url()).start();
    for (gateway, shows) in [(&production, false), (&development, true)] {
        let login = Accounts::at_root(gateway).newcomer("newuser");
        for (request, status, inside) in
            [(predict(), 500, "no such table"), (Request::get("/status"), 503, "hunter2")]
        {
            let answer = request.bearer(&login.access).send_to(gateway.address());
            assert_eq!(answer.status, status, "{}", answer.text());
            assert_eq!(answer.text().contains(inside), shows, "{}", answer.text());
            // Its clients look there.
            assert!(answer.json()["detail"].is_string(), "{}", answer.text());
        }
        // What is wrong with a request is for its sender to know.
        let answer = Request::post("/evaluate", "{}").bearer(&login.access).send_to(gateway.address());
        assert_eq!((answer.status, &answer.json()["detail"][0]["loc"]), (422, &json!(["body", "days"])));
    }
}

#[test]
fn b_in_02_what_a_user_sends_reaches_no_answer_and_no_log_as_it_stands() {
    let behind = Behind::start();
    for name in ["<script>alert(1)</script>", "a' OR '1'='1", "x\u{202e}y", "a\nb", "../../etc/passwd", ""] {
        let body = json!({ "username": name, "email": "user@example.com", "password": "SecurePassword123!" });
        let answer = behind.accounts.send(&behind.accounts.post("/auth/register", &body));
        assert_eq!(answer.status, 422, "{name:?}: {}", answer.text());
        assert!(name.is_empty() || !answer.text().contains(name), "{}", answer.text());
        let body = json!({ "username": name, "password": "SecurePassword123!" });
        let answer = behind.accounts.send(&behind.accounts.post("/auth/login", &body));
        assert!(matches!(answer.status, 401 | 422 | 429), "{name:?}: {}", answer.text());
    }
    for word in ["<script>", "OR '1'", "etc/passwd", "SecurePassword123!"] {
        assert!(!behind.gateway.log().contains(word), "{word}: {}", behind.gateway.log());
    }
}

/// The guide's three checks; who comes from the machine itself sees the details.
#[test]
fn b_hlt_01_b_hlt_02_b_hlt_03_the_health_commands_of_the_guide_answer() {
    let behind = Behind::start();
    for path in ["health", "health/detailed", "health/metrics"] {
        let answers =
            guide_command(&format!("curl \"http://localhost:8000/{path}\""), behind.gateway.address());
        assert_eq!(answers[0].status, 200, "{path}: {answers:?}");
        let body: Value = serde_json::from_str(&answers[0].body).unwrap();
        assert!(body.is_object(), "{path}: {body}");
    }
}
