//! What the five guides call.

use super::{Body, Request, StatusCode, System, ask, router, send};
use serde_json::{Value, json};

const BET: &str = r#"{"id":"bet123","dateTime":"2025-06-25T10:00:00Z","nonce":1,"amount":0.5,"payout":1.0,
    "difficulty":"expert","roundTarget":2.0,"roundResult":2.5,"clientSeed":"c","serverSeedHashed":"s"}"#;

#[tokio::test]
async fn a_bet_is_accepted_once_and_then_stands_in_its_stream() {
    let app = router(System::Pump);
    let first = ask(&app, "POST /live/ingest", Some(BET)).await;
    assert_eq!((first.status, &first.json()["accepted"]), (StatusCode::OK, &json!(true)));
    let again = ask(&app, "POST /live/ingest", Some(BET)).await;
    assert_eq!((again.status, &again.json()["accepted"]), (StatusCode::OK, &json!(false)));
    let id = first.json()["streamId"].as_str().unwrap().to_owned();
    assert_eq!(again.json()["streamId"], *id);

    let listed = ask(&app, "GET /live/streams?limit=10&offset=0", None).await.json();
    assert_eq!((&listed["total"], &listed["streams"][0]["total_bets"]), (&json!(1), &json!(1)));
    let tail = ask(&app, &format!("GET /live/streams/{id}/tail?since_id=0"), None).await.json();
    assert_eq!(tail["bets"][0]["betId"], "bet123");
    let tail = ask(&app, &format!("GET /live/streams/{id}/tail?since_id=1"), None).await.json();
    assert_eq!(tail["bets"], json!([]));
    let export = ask(&app, &format!("GET /live/streams/{id}/export.csv"), None).await;
    assert_eq!(export.header("content-type"), "text/csv; charset=utf-8");
    assert!(export.header("content-disposition").starts_with("attachment; filename="));
    assert!(!export.headers.contains_key("content-length"), "the download is chunked");
    assert_eq!(String::from_utf8(export.body).unwrap().lines().count(), 2);

    let deleted = ask(&app, &format!("DELETE /live/streams/{id}"), None).await.json();
    assert_eq!(deleted, json!({ "deleted": true, "stream_id": id, "bets_deleted": 1 }));
    let gone = ask(&app, &format!("GET /live/streams/{id}"), None).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert_eq!(gone.json()["detail"], format!("Stream with ID {id} not found"));
}

#[tokio::test]
async fn the_short_bodies_of_the_guide_are_422() {
    let app = router(System::Pump);
    let short = ask(&app, "POST /live/ingest", Some(r#"{"id": "test", "nonce": 1}"#)).await;
    assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
    let missing: Vec<Value> =
        short.json()["detail"].as_array().unwrap().iter().map(|issue| issue["loc"][1].clone()).collect();
    assert_eq!(missing, ["amount", "payout", "difficulty", "roundResult", "clientSeed", "serverSeedHashed"]);

    let literal = ask(&app, "POST /live/ingest", Some(r#"{"id": "bet123", "nonce": 1, ...}"#)).await;
    assert_eq!(literal.status, StatusCode::UNPROCESSABLE_ENTITY);
    let form = Request::post("/live/ingest")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(BET))
        .unwrap();
    assert_eq!(send(&app, form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let extra = BET.replacen('{', r#"{"more":1,"#, 1);
    let extra = ask(&app, "POST /live/ingest", Some(&extra)).await;
    assert_eq!(extra.json()["detail"][0]["type"], "extra_forbidden");
}

#[tokio::test]
async fn paging_out_of_range_is_400_and_text_is_422() {
    let app = router(System::Pump);
    for (query, status) in
        [("limit=0", 400), ("limit=101", 400), ("offset=-1", 400), ("limit=x", 422), ("limit=100", 200)]
    {
        let answer = ask(&app, &format!("GET /live/streams?{query}"), None).await;
        assert_eq!(answer.status.as_u16(), status, "{query}");
    }
}

#[tokio::test]
async fn streams_and_bets_are_bounded() {
    let app = router(System::Pump);
    for number in 0..120 {
        let bet = BET.replace("\"clientSeed\":\"c\"", &format!("\"clientSeed\":\"c{number}\""));
        ask(&app, "POST /live/ingest", Some(&bet)).await;
    }
    assert_eq!(ask(&app, "GET /live/streams", None).await.json()["total"], 100);
    let mut id = String::new();
    for number in 0..520 {
        let bet = BET.replace("bet123", &format!("bet{number}"));
        let answer = ask(&app, "POST /live/ingest", Some(&bet)).await.json();
        answer["streamId"].as_str().unwrap().clone_into(&mut id);
    }
    assert_eq!(ask(&app, &format!("GET /live/streams/{id}/bets"), None).await.json()["total"], 500);
}

#[tokio::test]
async fn ticker_service_answers_its_guide() {
    let app = router(System::Ticker);
    let get = ask(&app, "GET /advanced/batch-orders", None).await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(get.json(), json!({ "detail": "Method Not Allowed" }));
    assert_eq!(get.header("allow"), "POST");
    let batch =
        ask(&app, "POST /advanced/batch-orders", Some(r#"{"orders":[{"symbol":"A"},{"symbol":"B"}]}"#)).await;
    assert_eq!((batch.status, &batch.json()["succeeded"]), (StatusCode::OK, &json!(2)));

    assert_eq!(
        ask(&app, "POST /subscriptions", Some(r#"{"instrument_token":7}"#)).await.status,
        StatusCode::CREATED
    );
    assert_eq!(ask(&app, "GET /subscriptions", None).await.json()[0]["instrument_token"], 7);
    assert_eq!(ask(&app, "DELETE /subscriptions/7", None).await.status, StatusCode::OK);
    assert_eq!(ask(&app, "DELETE /subscriptions/7", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(&app, "DELETE /subscriptions/x", None).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ask(&app, "GET /health", None).await.json()["status"], "ok");
}

#[tokio::test]
async fn webhooks_are_checked_kept_and_capped() {
    let app = router(System::Ticker);
    // Somebody must be there; of an https URL the connection alone is tried.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/hook", listener.local_addr().unwrap());
    let webhook = format!(r#"{{"url":"{url}","events":["order_placed"],"account_id":"primary"}}"#);
    let webhook = webhook.as_str();
    let added = ask(&app, "POST /advanced/webhooks", Some(webhook)).await;
    assert_eq!(added.status, StatusCode::CREATED);
    let id = added.json()["webhook_id"].as_str().unwrap().to_owned();
    let scheme = ask(&app, "POST /advanced/webhooks", Some(&webhook.replace("https", "ftp"))).await;
    assert_eq!(scheme.status, StatusCode::UNPROCESSABLE_ENTITY);
    let event = ask(&app, "POST /advanced/webhooks", Some(&webhook.replace("order_placed", "boom"))).await;
    assert_eq!(event.status, StatusCode::BAD_REQUEST);
    assert!(event.json()["detail"].as_str().unwrap().contains("Valid events: order_placed, order_completed"));
    for _ in 0..9 {
        assert_eq!(ask(&app, "POST /advanced/webhooks", Some(webhook)).await.status, StatusCode::CREATED);
    }
    let eleventh = ask(&app, "POST /advanced/webhooks", Some(webhook)).await;
    assert_eq!(eleventh.json()["detail"], "Maximum webhook limit (10) reached for account 'primary'");
    assert_eq!(
        ask(&app, &format!("DELETE /advanced/webhooks/{id}"), None).await.json(),
        json!({ "success": true, "webhook_id": id })
    );
    let gone = ask(&app, &format!("DELETE /advanced/webhooks/{id}"), None).await;
    assert_eq!((gone.status, gone.json()), (StatusCode::NOT_FOUND, json!({ "detail": "Webhook not found" })));
}

#[tokio::test]
async fn kalshiwhale_answers_its_guide() {
    let app = router(System::Kalshi);
    let status = ask(&app, "GET /api/status", None).await;
    assert_eq!((status.status, &status.json()["status"]), (StatusCode::OK, &json!("running")));
    assert!(ask(&app, "GET /", None).await.header("content-type").starts_with("text/html"));
    let before = ask(&app, "GET /api/markets", None).await.json()["markets"].clone();
    assert_eq!(before.as_array().unwrap().len(), 20);
    assert_eq!(ask(&app, "POST /api/refresh", None).await.json()["status"], "success");
    assert_ne!(
        before,
        ask(&app, "GET /api/markets", None).await.json()["markets"],
        "a refresh brings new prices"
    );
    let whales = ask(&app, "GET /api/whale-alerts", None).await.json();
    let analytics = ask(&app, "GET /api/whale-analytics", None).await.json();
    assert_eq!(whales["count"], analytics["total_whale_trades"]);
    assert_eq!(ask(&app, "GET /api/none", None).await.json(), json!({ "detail": "Not Found" }));
}

#[tokio::test]
async fn echotuner_checks_prompts_and_binds_sessions_to_devices() {
    let app = router(System::EchoTuner);
    assert_eq!(ask(&app, "GET /config/health", None).await.json()["status"], "healthy");
    let generate =
        |prompt: &str| json!({ "prompt": prompt, "session_id": "s-1", "device_id": "d_1" }).to_string();
    let made = ask(&app, "POST /playlist/generate", Some(&generate("  rainy evening "))).await;
    assert_eq!(made.json()["generated_from"], "rainy evening");
    let long = "x".repeat(501);
    for bad in ["", &long, "<SCRIPT>", "JavaScript:alert(1)", "data:text/html"] {
        let refused = ask(&app, "POST /playlist/generate", Some(&generate(bad))).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let made = ask(&app, "POST /auth/rate-limit-status", Some(r#"{"device_id":"d_1"}"#)).await.json();
    assert_eq!(made["requests_made_today"], 1);

    let begun = ask(&app, "POST /auth/init", Some(r#"{"device_id":"d_1"}"#)).await.json();
    let session = begun["session_id"].as_str().unwrap();
    let valid = |device: &str| json!({ "session_id": session, "device_id": device }).to_string();
    assert_eq!(ask(&app, "POST /auth/validate", Some(&valid("d_1"))).await.status, StatusCode::OK);
    assert_eq!(ask(&app, "POST /auth/validate", Some(&valid("d_2"))).await.status, StatusCode::UNAUTHORIZED);
    let underscored =
        Request::get("/auth/check-session").header("device_id", "d_1").header("session_id", session);
    let checked = send(&app, underscored.body(Body::empty()).unwrap()).await.json();
    assert_eq!(checked, json!({ "authenticated": true }));
    let device_only = Request::get("/auth/check-session").header("device_id", "d_1");
    let checked = send(&app, device_only.body(Body::empty()).unwrap()).await.json();
    assert_eq!(checked, json!({ "authenticated": false }));
}

#[tokio::test]
async fn btc_forecasting_answers_its_guide() {
    let app = router(System::Btc);
    let user =
        r#"{"username":"newuser","email":"user@example.com","password":"SecurePassword123!","role":"admin"}"#;
    let registered = ask(&app, "POST /auth/register", Some(user)).await;
    assert_eq!((registered.status, &registered.json()["role"]), (StatusCode::OK, &json!("free")));
    let again = ask(&app, "POST /auth/register", Some(user)).await;
    assert_eq!(
        (again.status, again.json()),
        (StatusCode::BAD_REQUEST, json!({ "detail": "Username already registered" }))
    );
    let login = |password: &str| json!({ "username": "newuser", "password": password }).to_string();
    let wrong = ask(&app, "POST /auth/login", Some(&login("password"))).await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (StatusCode::UNAUTHORIZED, json!({ "detail": "Invalid credentials" }))
    );
    let tokens = ask(&app, "POST /auth/login", Some(&login("SecurePassword123!"))).await.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("bearer"), &json!(1800)));
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let profile = Request::get("/auth/profile").header("authorization", &bearer).body(Body::empty()).unwrap();
    assert_eq!(send(&app, profile).await.json()["email"], "user@example.com");
    let refresh = format!("Bearer {}", tokens["refresh_token"].as_str().unwrap());
    let profile =
        Request::get("/auth/profile").header("authorization", &refresh).body(Body::empty()).unwrap();
    assert_eq!(send(&app, profile).await.status, StatusCode::UNAUTHORIZED);

    let predicted = ask(&app, "POST /predict", Some(r#"{"days": 7}"#)).await;
    assert_eq!(predicted.json()["predictions"].as_array().unwrap().len(), 7);
    assert!(predicted.header("x-response-time").parse::<f64>().unwrap() >= 0.0);
    let text = ask(&app, "POST /predict", Some(r#"{"days":"x"}"#)).await;
    assert_eq!(text.status, StatusCode::UNPROCESSABLE_ENTITY);
    let log = ask(&app, "GET /admin/audit-log?limit=2", None).await.json();
    let endpoints: Vec<&Value> =
        log["audit_log"].as_array().unwrap().iter().map(|record| &record["endpoint"]).collect();
    assert_eq!(endpoints, ["/predict", "/predict"], "the newest first, not more than asked for");
    assert_eq!(
        ask(&app, "GET /admin/audit-log?limit=0", None).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn every_listed_endpoint_is_there_in_its_own_system_and_in_all() {
    for (name, system) in System::NAMES {
        for app in [router(system), router(System::All)] {
            for endpoint in system.endpoints() {
                let (method, path) = endpoint.split_once(' ').unwrap();
                let path = path.replace("{action}", "start").replace(['{', '}'], "");
                let method = if method == "WS" { "GET" } else { method };
                let answer = ask(&app, &format!("{method} {path}"), None).await;
                assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{name}: {endpoint}");
                let unknown = answer.status == StatusCode::NOT_FOUND
                    && answer.json() == json!({ "detail": "Not Found" });
                assert!(!unknown, "{name}: {endpoint}");
            }
        }
    }
}

#[tokio::test]
async fn contested_paths_answer_as_the_named_system_does() {
    assert!(
        ask(&router(System::EchoTuner), "GET /", None).await.json()["message"]
            .as_str()
            .unwrap()
            .contains("EchoTuner")
    );
    assert!(
        ask(&router(System::Btc), "GET /", None).await.json()["message"].as_str().unwrap().contains("BTC")
    );
    assert_eq!(ask(&router(System::Btc), "GET /health", None).await.json(), json!({ "status": "ok" }));
    assert_eq!(ask(&router(System::Pump), "GET /healthz", None).await.json(), json!({ "status": "ok" }));
    assert_eq!(ask(&router(System::Pump), "GET /api/status", None).await.status, StatusCode::NOT_FOUND);
    let openapi = ask(&router(System::Pump), "GET /openapi.json", None).await.json();
    assert!(openapi["paths"]["/live/ingest"]["post"].is_object());
    assert!(openapi["paths"]["/api/status"].is_null());
}
