//! `portcullis users`, `keys`, `sessions` and `devices`: on a gateway that runs and on one that does not.

use portcullis_tests::{Accounts, Launch, Login, PASSWORD, Ran, Upstream, until};
use serde_json::json;

use super::{launch, started, work};

const OTHER: &str = "Silent-Orchard-58-Windmills?";

fn add(launch: Launch, role: &str) -> Ran {
    let launch = launch.arg("--role").arg(role).arg("--password-stdin");
    launch.stdin(&format!("{PASSWORD}\n")).ran()
}

#[test]
fn everything_can_be_done_before_the_gateway_ever_ran() {
    let upstream = Upstream::ok();
    let launch = launch(&upstream, "");
    let said = add(launch.beside("users add alice --email alice@example.com"), "premium").succeeded();
    assert!(said.contains("alice") && said.contains("premium"), "{said}");
    let made = launch.beside("keys create --user alice --name robot --json").ran().json();
    let revoked = launch.beside("keys create --user alice --name old --json").ran().json();
    launch.beside("keys revoke").arg(revoked["id"].as_str().unwrap()).ran().succeeded();
    add(launch.beside("users add bob"), "free").succeeded();
    launch.beside("users disable bob").ran().succeeded();

    let gateway = launch.start();
    let accounts = Accounts::of(&gateway);
    let status = |key: &serde_json::Value| {
        work().header("X-API-Key", key["api_key"].as_str().unwrap()).send_to(gateway.address()).status
    };
    assert_eq!((status(&made), status(&revoked)), (200, 401));
    assert_eq!(accounts.profile(&accounts.login("alice").access).json()["role"], "premium");
    assert_eq!(accounts.try_login("bob", PASSWORD).status, 400);
}

#[test]
fn people_are_made_shown_changed_and_removed_while_it_runs() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let run = |command: &str| gateway.command(command).ran();
    assert!(run("users list").succeeded().contains("users add"), "an empty list says how to go on");
    let login = gateway.user(&accounts, "alice", "free");
    let table = run("users list").succeeded();
    for word in ["NAME", "ROLE", "alice", "free", "alice@example.com", "yes"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let listed = run("users list --json").json();
    assert_eq!(listed["users"][0]["username"], "alice", "{listed}");
    for shown in [
        table,
        listed.to_string(),
        run("users show alice").succeeded(),
        run("users show alice --json").succeeded(),
    ] {
        for word in ["$argon2", "$2b$", "password", "digest"] {
            assert!(!shown.contains(word), "{word}: {shown}");
        }
    }
    run("users role alice admin").succeeded();
    until("the role", || (accounts.profile(&login.access).json()["role"] == "admin").then_some(()));
    let reset = gateway.command("users reset-password alice --password-stdin").stdin(OTHER).ran();
    reset.succeeded();
    until("the end of the login", || (accounts.profile(&login.access).status == 401).then_some(()));
    assert_eq!(accounts.try_login("alice", PASSWORD).status, 401);
    let login = Login::of(&accounts.try_login("alice", OTHER));
    run("users disable alice").succeeded();
    until("the end of the login", || (accounts.profile(&login.access).status == 401).then_some(()));
    run("users enable alice").succeeded();
    Login::of(&accounts.try_login("alice", OTHER));
    run("users delete alice").succeeded();
    assert_eq!(accounts.try_login("alice", OTHER).status, 401);
    assert_eq!(run("users list --json").json()["users"], json!([]));
}

/// No waiting for the next look at the store: whoever logs in is known from then on.
#[test]
fn who_was_made_a_moment_ago_logs_in_and_comes_in_at_once() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    for name in ["alice", "bob", "carol"] {
        gateway.add_user(name, "free");
        let login = accounts.login(name);
        assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200, "{name}");
    }
}

#[test]
fn what_cannot_be_done_is_said_with_its_mend_and_changes_nothing() {
    let upstream = Upstream::ok();
    let (gateway, _accounts) = started(&upstream, "");
    gateway.add_user("alice", "free");
    let failed = |command: &str| gateway.command(command).stdin(PASSWORD).ran().failed();
    for (command, word) in [
        ("users add alice --password-stdin", "taken"),
        ("users add bob --role king --password-stdin", "king"),
        ("users add bob --email nowhere --password-stdin", "e-mail"),
        ("users show nobody", "nobody"),
        ("users role nobody free", "nobody"),
        ("users role alice king", "king"),
        ("users delete nobody", "nobody"),
        ("keys create --user nobody --name x", "nobody"),
        ("keys create --user alice --name x --scope nonsense", "nonsense"),
        ("keys create --user alice --name x --bind nonsense", "nonsense"),
        ("keys create --user alice --name x --expires soon", "soon"),
        ("keys create --user alice --name x --role admin", "admin"),
        ("keys revoke nonsense", "nonsense"),
        ("keys revoke 0199c0de-0000-7000-8000-000000000001", "0199c0de"),
        ("keys rotate 0199c0de-0000-7000-8000-000000000001", "0199c0de"),
        ("sessions revoke 0199c0de-0000-7000-8000-000000000001", "0199c0de"),
        ("devices remove 0199c0de-0000-7000-8000-000000000001", "device"),
    ] {
        let said = failed(command);
        assert!(said.contains(word), "{command}: {said}");
        assert!(!said.contains(PASSWORD) && !said.contains("panicked"), "{said}");
    }
    let weak = gateway.command("users add bob --password-stdin").stdin("hunter2\n").ran().failed();
    assert!(!weak.contains("hunter2"), "{weak}");
    // Without a terminal there is nobody to ask.
    let said = gateway.command("users add bob").ran().failed();
    assert!(said.contains("--password-stdin"), "{said}");
    let users = gateway.command("users list --json").ran().json();
    assert_eq!(users["users"].as_array().map(Vec::len), Some(1), "{users}");
    assert_eq!(users["users"][0]["role"], "free");
}

#[test]
fn sessions_and_devices_are_shown_and_ended_while_it_runs() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let device = accounts.device();
    let sessions: Vec<_> = (0..3).map(|_| accounts.session(&login.access, &device)).collect();
    let status = |at: usize| {
        let request = work().header("X-Session-ID", &sessions[at].secret).header("X-Device-ID", &device.id);
        request.send_to(gateway.address()).status
    };
    let run = |command: &str| gateway.command(command).ran();
    let listed = run("sessions list --user alice --json").json();
    let of = &listed["sessions"];
    assert_eq!(of.as_array().map(Vec::len), Some(3), "{listed}");
    assert!(of.as_array().unwrap().iter().all(|one| one["device_id"] == json!(device.id)), "{listed}");
    for secret in [&sessions[0].secret, &device.secret] {
        assert!(!listed.to_string().contains(secret.as_str()));
        assert!(!run("devices list --json").succeeded().contains(secret.as_str()));
    }
    let table = run("sessions list").succeeded();
    assert!(
        table.contains(&sessions[0].id) && table.contains("alice") && table.contains(&device.id),
        "{table}"
    );
    run(&format!("sessions revoke {}", sessions[0].id)).succeeded();
    until("the end of the session", || (status(0) == 401).then_some(()));
    assert_eq!((status(1), status(2)), (200, 200));
    run("sessions revoke --user alice").succeeded();
    until("the end of the others", || (status(1) == 401 && status(2) == 401).then_some(()));
    let session = accounts.session(&login.access, &device);
    assert!(run("devices list").succeeded().contains(&device.id));
    run(&format!("devices remove {}", device.id)).succeeded();
    let request = work().header("X-Session-ID", &session.secret).header("X-Device-ID", &device.id);
    until("the end with the device", || (request.send_to(gateway.address()).status == 401).then_some(()));
    assert_eq!(run("devices list --json").json()["devices"], json!([]));
}

#[test]
fn keys_are_made_with_all_their_limits_and_shown_once() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "[[routes]]\nmatch = \"/accounts/{account}\"\n");
    gateway.add_user("alice", "premium");
    let command = gateway
        .command("keys create --user alice --name ingest --role free --expires 90d --json")
        .arg("--scope")
        .arg("GET /accounts/{account}")
        .arg("--bind")
        .arg("account=primary");
    let made = command.ran().json();
    let key = made["api_key"].as_str().unwrap();
    let status = |path: &str| {
        portcullis_tests::Request::get(path).header("X-API-Key", key).send_to(gateway.address()).status
    };
    let own = portcullis_tests::Request::get("/accounts/primary").header("X-API-Key", key);
    accounts.until("the key", &own, 200);
    assert_eq!((status("/accounts/other"), status("/work")), (403, 403));
    let listed = gateway.command("keys list --user alice --json").ran().json();
    let shown = &listed["keys"][0];
    assert_eq!(shown["scopes"], json!(["GET /accounts/{account}"]), "{listed}");
    assert_eq!((&shown["name"], &shown["role"]), (&json!("ingest"), &json!("free")), "{listed}");
    assert!(
        shown["expires_at"].is_string() && key.starts_with(shown["prefix"].as_str().unwrap()),
        "{listed}"
    );
    let table = gateway.command("keys list").ran().succeeded();
    for word in ["ingest", "alice", "valid", "GET /accounts/{account}"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    assert!(!table.contains(key) && !listed.to_string().contains(key));
    let plain = gateway.command("keys create --user alice --name second").ran().succeeded();
    assert!(plain.lines().next().is_some_and(|line| line.starts_with("pk_") && line.len() == 46), "{plain}");
}
