//! E-SES: sessions that the gateway makes, bound to a device, and what the application is told of them.

use portcullis_tests::{Accounts, Answer, Application, Device, Request, System, Upstream, until};
use serde_json::json;

use super::{Visitor, assert_reached, generous, launch};

fn is_secret(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[test]
fn e_ses_01_a_session_is_made_by_the_gateway_and_belongs_to_a_device() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("first");
    let device = accounts.device();
    let sessions: Vec<String> = (0..4).map(|_| accounts.session(&login.access, &device).secret).collect();
    for (at, session) in sessions.iter().enumerate() {
        assert!(is_secret(session), "256 bits: {session}");
        assert!(!sessions[at + 1..].contains(session), "{sessions:?}");
    }
    // Nobody chooses one, and none is made without a user, a device, and what only the device has.
    let wished = json!({
        "device_id": device.id, "device_secret": device.secret, "session_id": "chosen-by-the-client-chosen-by-the-client-1",
    });
    let answer = accounts.send(&accounts.post("/auth/sessions", &wished).bearer(&login.access));
    assert!(!answer.text().contains("chosen-by-the-client"), "{}", answer.text());
    let without_user = json!({ "device_id": device.id, "device_secret": device.secret });
    assert_eq!(accounts.send(&accounts.post("/auth/sessions", &without_user)).status, 401);
    let guessed = Device { id: device.id.clone(), secret: device.secret.chars().rev().collect() };
    let answer = accounts.try_session(&login.access, &guessed);
    assert!((400..500).contains(&answer.status), "{}{}", answer.head, answer.text());
    let invented =
        Device { id: "0192a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b".to_owned(), secret: device.secret.clone() };
    let other = accounts.try_session(&login.access, &invented);
    assert_eq!(
        (other.status, other.text().len()),
        (answer.status, answer.text().len()),
        "known or not: the same"
    );
}

#[test]
fn e_ses_04_a_session_is_worth_nothing_with_another_device() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let (one, other) = (Visitor::new(&gateway, "one"), Visitor::new(&gateway, "other"));
    let second = Accounts::of(&gateway).device();
    assert_reached(&one.sign(Request::get("/user/profile")).send_to(gateway.address()));
    let profile = || Request::get("/user/profile").header("X-Session-ID", &one.session.secret);
    for request in [
        profile(),
        profile().header("X-Device-ID", ""),
        profile().header("X-Device-ID", "anything"),
        profile().header("X-Device-ID", &other.device.id),
        profile().header("X-Device-ID", &second.id),
        profile().header("X-Device-ID", &one.device.id).header("X-Device-ID", &other.device.id),
    ] {
        let answer = request.send_to(gateway.address());
        assert!(matches!(answer.status, 400 | 401), "{request:?}: {}", answer.head);
        assert_eq!(answer.field("www-authenticate").is_some(), answer.status == 401, "{}", answer.head);
    }
    assert_eq!(upstream.count(), 1);
    assert_reached(&one.sign(Request::get("/user/profile")).send_to(gateway.address()));
}

#[test]
fn e_ses_05_e_ses_06_knowing_a_device_gives_nothing_and_ends_nothing() {
    let application = Application::start(System::EchoTuner);
    let gateway = launch(application.url()).env("RATE_LIMIT_REQUESTS_PER_MINUTE", "1000").start();
    let visitor = Visitor::new(&gateway, "visited");
    let device = &visitor.device.id;
    // The application's own routes, as the guide's client calls them.
    let started = Request::post("/auth/init", &json!({ "device_id": device }).to_string());
    let own = started.send_to(gateway.address()).json()["session_id"].as_str().unwrap().to_owned();
    let check = Request::get("/auth/check-session").header("device_id", device).send_to(gateway.address());
    assert_eq!(check.json(), json!({ "authenticated": false }), "not whose session it is");
    assert!(!check.text().contains(&own), "{}", check.text());
    let out = Request::post("/auth/logout", &json!({ "device_id": device }).to_string());
    assert_eq!(out.send_to(gateway.address()).status, 422);
    let both = Request::get("/auth/check-session").header("device_id", device).header("session_id", &own);
    assert_eq!(both.send_to(gateway.address()).json(), json!({ "authenticated": true }));

    // The gateway's.
    let accounts = Accounts::of(&gateway);
    for request in [
        accounts.get("/auth/sessions"),
        accounts.get("/auth/devices"),
        accounts.get("/auth/profile"),
        accounts.delete(&format!("/auth/devices/{device}")),
        accounts.delete(&format!("/auth/sessions/{}", visitor.session.id)),
        accounts.post("/auth/logout", &json!({ "device_id": device })),
    ] {
        let answer = accounts.send(&request.header("X-Device-ID", device));
        assert_eq!(answer.status, 401, "{}{}", answer.head, answer.text());
        assert!(!answer.text().contains(&visitor.session.secret), "{}", answer.text());
    }
    // Nor for somebody else who is known.
    let stranger = accounts.newcomer("stranger");
    for endpoint in [format!("/auth/devices/{device}"), format!("/auth/sessions/{}", visitor.session.id)] {
        let answer = accounts.send(&accounts.delete(&endpoint).bearer(&stranger.access));
        assert!(matches!(answer.status, 403 | 404), "{endpoint}: {}", answer.head);
    }
    let theirs = accounts.try_session(&stranger.access, &visitor.device);
    assert!((400..500).contains(&theirs.status), "it is somebody's already: {}", theirs.text());
    let profile = visitor.sign(Request::get("/user/profile")).send_to(gateway.address());
    assert_eq!(profile.json(), json!({ "user_id": "visited" }));
}

#[test]
fn e_ses_06_its_own_user_ends_a_session_at_once() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let accounts = Accounts::of(&gateway);
    let visitor = Visitor::new(&gateway, "leaving");
    let kept = accounts.session(&visitor.login.access, &visitor.device);
    let profile = || visitor.sign(Request::get("/user/profile")).send_to(gateway.address());
    assert_reached(&profile());
    let end =
        accounts.delete(&format!("/auth/sessions/{}", visitor.session.id)).bearer(&visitor.login.access);
    accounts.done(&end);
    assert_eq!(profile().status, 401);
    let other = Visitor { session: kept, ..visitor };
    assert_reached(&other.sign(Request::get("/user/profile")).send_to(gateway.address()));
    // With the device, what stands on it ends.
    let gone = accounts.delete(&format!("/auth/devices/{}", other.device.id)).bearer(&other.login.access);
    accounts.done(&gone);
    assert_eq!(other.sign(Request::get("/user/profile")).send_to(gateway.address()).status, 401);
}

#[test]
fn e_ses_07_fields_and_bodies_of_the_application_are_passed_on_unchanged() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let device = Accounts::of(&gateway).device();
    let body = r#"{"prompt":"jazz","session_id":"a_b-C1","device_id":"d_e-F2"}"#;
    let request = Request::post("/playlist/refine", body)
        .header("session_id", "a_b-C1")
        .header("device_id", "d_e-F2")
        .header("X-Device-ID", &device.id);
    assert_reached(&request.send_to(gateway.address()));
    let received = upstream.only();
    assert_eq!(received.field("session_id"), Some("a_b-C1"), "{}", received.head);
    assert_eq!(received.field("device_id"), Some("d_e-F2"), "{}", received.head);
    assert_eq!(received.body, body.as_bytes());
}

#[test]
fn e_ses_08_the_user_is_the_one_of_the_session_and_never_the_one_the_client_names() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let visitor = Visitor::new(&gateway, "melody");
    let names =
        ["X-User-ID", "x-user-id", "X_User_ID", "X-Auth-User", "x_auth_user", "X-Auth-Role", "X-Auth-Method"];
    let pretending = |request: Request| {
        names.iter().fold(request, |request, name| request.header(name, "spotify_somebody-else"))
    };
    let body = r#"{"mood":"calm"}"#;
    let routes = || {
        [
            Request::new("PUT", "/personality").header("Content-Type", "application/json").body(body),
            Request::get("/user/profile"),
            Request::get("/playlists"),
        ]
    };
    for request in routes() {
        assert_reached(&visitor.sign(pretending(request)).send_to(gateway.address()));
    }
    for received in upstream.received() {
        assert!(!received.head.contains("spotify_somebody-else"), "{}", received.head);
        assert_eq!(received.field("x-user-id"), Some("melody"), "{}", received.head);
        assert_eq!(received.field("x-auth-user"), Some("melody"), "{}", received.head);
        assert_eq!(received.field("x-auth-method"), Some("session"), "{}", received.head);
        assert_eq!(received.field("x-session-id"), None, "the session is taken off: {}", received.head);
    }
    // Without a session it is nobody.
    let before = upstream.count();
    for request in routes() {
        let answer = pretending(request).send_to(gateway.address());
        assert!(matches!(answer.status, 200 | 401), "{}", answer.head);
    }
    for received in &upstream.received()[before..] {
        assert!(!received.head.contains("spotify_somebody-else"), "{}", received.head);
        assert_eq!(
            (received.field("x-user-id"), received.field("x-auth-user")),
            (None, None),
            "{}",
            received.head
        );
    }
}

#[test]
fn e_ses_09_the_identifier_of_a_started_login_reaches_the_application() {
    let application = Application::start(System::EchoTuner);
    let gateway = launch(application.url()).start();
    let status = |own: Option<&str>| {
        let request = Request::get("/auth/status");
        let request = own.into_iter().fold(request, |request, own| request.header("X-Session-UUID", own));
        let answer = request.send_to(gateway.address());
        (answer.status, answer.text().to_owned())
    };
    assert_eq!(status(None), (400, r#"{"detail":"X-Session-UUID header required"}"#.to_owned()));
    assert_eq!(status(Some("nonsense")), (400, r#"{"detail":"Invalid X-Session-UUID format"}"#.to_owned()));
    let unknown = "6f9619ff-8b86-4d01-b42d-00c04fc964ff";
    assert_eq!(status(Some(unknown)), (200, r#"{"status":"pending"}"#.to_owned()));
}

#[test]
fn e_ses_10_a_session_in_a_path_is_not_logged() {
    let upstream = Upstream::start(|_| Answer::json("200 OK", r#"{"account_type":"normal"}"#));
    let gateway = generous(&upstream).env("PORTCULLIS_LOG__LEVEL", "debug").start();
    let visitor = Visitor::new(&gateway, "pathfinder");
    let sessions =
        ["6f9619ff-8b86-4d01-b42d-00c04fc964aa", "Zx8-planted-session-5c4b3a2d1e0f", &visitor.session.secret];
    for session in sessions {
        let path = format!("/auth/account_type/{session}");
        assert_eq!(Request::get(&path).send_to(gateway.address()).status, 200);
        assert!(upstream.received().last().unwrap().line().contains(session), "the application has it");
    }
    assert_eq!(visitor.sign(Request::get("/config")).send_to(gateway.address()).status, 200);
    gateway.wait_for_log(&["access", "/config"]);
    until("the three lines", || {
        (gateway.log().matches("/auth/account_type/[TOKEN_REDACTED]").count() == 3).then_some(())
    });
    let log = gateway.log();
    for session in sessions {
        assert!(!log.contains(session), "{session} in:\n{log}");
    }
    assert!(!log.contains(&visitor.device.secret), "{log}");
}
