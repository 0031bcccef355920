//! The commands of the guide, as they stand there.

use portcullis_tests::{Application, Launch, Scratch, System, Upstream, guide_command, shell};

use super::{MISSING, assert_reached, await_warning, launch, orders_with};

/// The key in the guide's commands.
const GUIDE_KEY: &str = "your-api-key";

#[test]
fn t_cmd_01_the_example_is_copied_filled_in_and_starts() {
    let upstream = Upstream::ok();
    let folder = Scratch::new();
    let (success, said) =
        Launch::command("init --profile ticker-service --dir").arg(&folder.file("made")).finish();
    assert!(success, "{said}");
    let example = folder.read("made/.env.example").unwrap_or_else(|| panic!("no .env.example: {said}"));
    for name in ["API_KEY", "API_KEY_ENABLED", "ENVIRONMENT"] {
        let there =
            example.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{name}=")));
        assert!(there, "{name} is missing in:\n{example}");
    }
    shell("cp made/.env.example .env", &folder);
    let copied = folder.read(".env").unwrap();
    // Step 2 and step 4 of the guide: a key of one's own, filled in.
    let key = format!("API_KEY={}", super::KEY);
    let filled: Vec<&str> = copied
        .lines()
        .filter(|line| !line.starts_with("PORT=") && !line.starts_with("API_KEY="))
        .chain([&*key])
        .collect();
    let gateway = launch(&upstream.url()).file(".env", &filled.join("\n")).start();
    assert_reached(&orders_with(super::KEY).send_to(gateway.address()));
    assert_eq!(super::orders().send_to(gateway.address()).status, 401);
    // The one that `init` has filled in itself starts as it is.
    let made = folder.read("made/.env").unwrap();
    let key = made.lines().find_map(|line| line.strip_prefix("API_KEY=")).unwrap().trim();
    let gateway = launch(&upstream.url()).file(".env", &made).start();
    assert_reached(&orders_with(key).send_to(gateway.address()));
}

#[test]
fn t_cmd_02_t_ck_01_what_the_generator_of_the_guide_prints_is_accepted_in_production() {
    let upstream = Upstream::ok();
    let line = r#"python3 -c "import secrets; print(secrets.token_urlsafe(32))""#;
    let key = shell(line, &Scratch::new()).trim().to_owned();
    assert_eq!(key.len(), 43);
    let gateway = launch(&upstream.url()).env("API_KEY", &key).env("ENVIRONMENT", "production").start();
    assert_reached(&orders_with(&key).send_to(gateway.address()));
    // A short one is warned of, and refused in production.
    let gateway = launch(&upstream.url()).env("API_KEY", "k3y").start();
    await_warning(&gateway, "API_KEY");
    for weak in ["k3y", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", GUIDE_KEY] {
        let said = launch(&upstream.url()).env("API_KEY", weak).env("ENVIRONMENT", "production").refused();
        assert!(said.contains("API_KEY"), "{weak}: {said}");
    }
}

#[test]
fn t_cmd_03_an_encryption_key_as_the_guide_makes_one_can_be_had_here_too() {
    let (success, printed) = Launch::command("generate encryption-key").finish();
    assert!(success, "{printed}");
    let key = printed.lines().next().unwrap().trim();
    assert_eq!(key.len(), 44, "{key}");
    let decodes = format!("python3 -c \"import base64; print(len(base64.urlsafe_b64decode('{key}')))\"");
    assert_eq!(shell(&decodes, &Scratch::new()).trim(), "32");
}

#[test]
fn t_cmd_04_the_key_of_the_command_is_accepted_and_the_service_says_405() {
    let application = Application::start(System::Ticker);
    let gateway = launch(application.url()).env("API_KEY", GUIDE_KEY).start();
    // The guide's port is 8080; what differs is the port alone.
    let with_key = "curl -H \"X-API-Key: your-api-key\" \\\n  http://localhost:8000/advanced/batch-orders";
    let answers = guide_command(with_key, gateway.address());
    assert_eq!(
        (answers[0].status, &*answers[0].body),
        (405, r#"{"detail":"Method Not Allowed"}"#),
        "{answers:?}"
    );
    let without = guide_command("curl http://localhost:8000/advanced/batch-orders", gateway.address());
    assert_eq!((without[0].status, &*without[0].body), (401, MISSING));
}
