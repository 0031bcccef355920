//! P-CMD: the commands of the guide, as they stand there, against the sample application.

use portcullis_tests::{Application, Gateway, Launch, System, guide_command};

fn gateway(application: &Application, token: &str) -> Gateway {
    Launch::profile("pump-analyzer", application.url()).env("INGEST_TOKEN", token).start()
}

#[test]
fn p_cmd_01_the_example_request_passes_and_the_application_judges_its_body() {
    let application = Application::start(System::Pump);
    let gateway = gateway(&application, "my-secret-ingestion-token");
    let answers = guide_command(
        r#"curl -X POST http://localhost:8000/live/ingest \
  -H "Content-Type: application/json" \
  -H "X-Ingest-Token: my-secret-ingestion-token" \
  -d '{"id": "bet123", "nonce": 1, ...}'"#,
        gateway.address(),
    );
    // The dots of the guide are not JSON; the application says so in its own words.
    assert_eq!(answers[0].status, 422, "{answers:?}");
    assert!(answers[0].body.contains("\"detail\":["), "{answers:?}");
}

#[test]
fn p_cmd_02_the_test_without_a_token_fails() {
    let application = Application::start(System::Pump);
    let gateway = gateway(&application, "your-token-here");
    let answers = guide_command(
        r#"curl -X POST http://localhost:8000/live/ingest \
  -H "Content-Type: application/json" \
  -d '{"id": "test", "nonce": 1}'"#,
        gateway.address(),
    );
    assert_eq!(answers[0].status, 401);
    assert_eq!(answers[0].body, r#"{"detail":"X-Ingest-Token header is required"}"#);
}

#[test]
fn p_cmd_03_the_test_with_the_token_reaches_the_application() {
    let application = Application::start(System::Pump);
    let gateway = gateway(&application, "your-token-here");
    let answers = guide_command(
        r#"curl -X POST http://localhost:8000/live/ingest \
  -H "Content-Type: application/json" \
  -H "X-Ingest-Token: your-token-here" \
  -d '{"id": "test", "nonce": 1}'"#,
        gateway.address(),
    );
    // The gateway let it through; the application misses the fields that the guide's body lacks.
    assert_eq!(answers[0].status, 422, "{answers:?}");
    for field in ["amount", "payout", "difficulty", "clientSeed", "serverSeedHashed", "roundResult"] {
        assert!(answers[0].body.contains(field), "{field}: {answers:?}");
    }
}

#[test]
fn p_cmd_04_of_the_loop_of_70_the_first_60_pass_and_10_are_refused() {
    let application = Application::start(System::Pump);
    let gateway = gateway(&application, "your-token-here");
    let answers = guide_command(
        r#"for i in {1..70}; do
  curl -X POST http://localhost:8000/live/ingest \
    -H "X-Ingest-Token: your-token-here" \
    -d '{"id": "test'$i'", "nonce": '$i'}'
done"#,
        gateway.address(),
    );
    assert_eq!(answers.len(), 70);
    let (through, refused) = answers.split_at(60);
    assert!(through.iter().all(|answer| answer.status == 422), "{through:?}");
    let body = r#"{"detail":"Rate limit exceeded. Maximum 60 requests per minute allowed."}"#;
    assert!(refused.iter().all(|answer| answer.status == 429 && answer.body == body), "{refused:?}");
}
