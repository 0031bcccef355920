//! The commands of the guide, as they stand there, against the sample application.

use portcullis_tests::{Application, Gateway, System, guide_command};

use super::{LIMITED, UNAUTHORIZED, launch};

/// The key in the guide's commands.
const GUIDE_KEY: &str = "your-api-key";

const LOOP: &str = r#"for i in {1..110}; do 
    curl -H "X-API-Key: your-api-key" http://localhost:8000/api/status
done"#;

fn gateway(application: &Application) -> Gateway {
    launch(application.url()).env("API_KEY", GUIDE_KEY).start()
}

#[test]
fn k_key_01_the_test_without_a_key_fails() {
    let application = Application::start(System::Kalshi);
    let gateway = gateway(&application);
    let answers = guide_command("curl http://localhost:8000/api/status", gateway.address());
    assert_eq!((answers[0].status, answers[0].body.as_str()), (401, UNAUTHORIZED));
    let line = gateway.wait_for_log(&["Invalid API key attempt from 127.0.0.1"]);
    assert!(line.contains("WARN") && line.contains("auth_attempt") && line.contains("401"), "{line}");
}

#[test]
fn k_key_02_the_test_with_the_key_succeeds() {
    let application = Application::start(System::Kalshi);
    let gateway = gateway(&application);
    let answers = guide_command(
        r#"curl -H "X-API-Key: your-api-key" http://localhost:8000/api/status"#,
        gateway.address(),
    );
    assert_eq!(answers[0].status, 200, "{answers:?}");
    assert!(answers[0].body.contains(r#""status":"running""#), "{answers:?}");
}

#[test]
fn k_rl_01_k_rl_02_of_the_loop_of_110_the_first_60_pass_though_it_comes_from_loopback() {
    let application = Application::start(System::Kalshi);
    let gateway =
        launch(application.url()).env("API_KEY", GUIDE_KEY).env("RATE_LIMIT_PER_MINUTE", "60").start();
    let answers = guide_command(LOOP, gateway.address());
    assert_eq!(answers.len(), 110);
    let (through, refused) = answers.split_at(60);
    assert!(through.iter().all(|answer| answer.status == 200), "{through:?}");
    assert!(refused.iter().all(|answer| answer.status == 429 && answer.body == LIMITED), "{refused:?}");
}

#[test]
fn k_rl_01_with_the_default_100_of_the_loop_pass_and_10_are_refused() {
    let application = Application::start(System::Kalshi);
    let gateway = gateway(&application);
    let answers = guide_command(LOOP, gateway.address());
    let (through, refused) = answers.split_at(100);
    assert!(through.iter().all(|answer| answer.status == 200), "{through:?}");
    assert_eq!(refused.len(), 10);
    assert!(refused.iter().all(|answer| answer.status == 429), "{refused:?}");
}

#[test]
fn k_cors_01_the_test_from_an_unauthorized_origin_fails() {
    let application = Application::start(System::Kalshi);
    let gateway = gateway(&application);
    let answers = guide_command(
        r#"curl -H "Origin: https://malicious-site.com" \
     -H "X-API-Key: your-api-key" \
     http://localhost:8000/api/status"#,
        gateway.address(),
    );
    assert_eq!(answers[0].status, 403, "{answers:?}");
    assert!(!answers[0].body.contains("running"), "{answers:?}");
}
