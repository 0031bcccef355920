//! Devices and the sessions that are bound to them: knowing an id gives nothing.

use portcullis_tests::{Request, Session, Upstream, unix_seconds, until};
use serde_json::json;

use super::{started, work};

fn work_with(session: &str, device: Option<&str>) -> Request {
    let request = work().header("X-Session-ID", session);
    device.into_iter().fold(request, |request, device| request.header("X-Device-ID", device))
}

#[test]
fn a_session_is_good_with_its_device_alone() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let (device, other) = (accounts.device(), accounts.device());
    let session = accounts.session(&login.access, &device);
    accounts.session(&login.access, &other);
    let status = |request: Request| request.send_to(gateway.address()).status;
    assert_eq!(status(work_with(&session.secret, Some(&device.id))), 200);
    let received = upstream.only();
    assert_eq!(received.field("x-auth-user"), Some("alice"));
    assert_eq!(received.field("x-auth-method"), Some("session"));
    assert_eq!(received.field("x-session-id"), None, "{}", received.head);
    assert_eq!(session.secret.len(), 43);
    for wrong in [
        work_with(&session.secret, None),
        work_with(&session.secret, Some(&other.id)),
        work_with(&session.secret, Some("")),
        // Its public id is no secret, and so no session.
        work_with(&session.id, Some(&device.id)),
        work_with("", Some(&device.id)),
        work_with(&session.secret[..42], Some(&device.id)),
        work().header("X-Device-ID", &device.id),
        work().header("X-Session-ID", &format!("{0}, {0}", session.secret)).header("X-Device-ID", &device.id),
        work_with(&session.secret, Some(&device.id)).header("X-Device-ID", &other.id),
    ] {
        let answer = wrong.send_to(gateway.address());
        assert_eq!(answer.status, 401, "{:?}: {}", String::from_utf8_lossy(&wrong.bytes()), answer.head);
    }
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_device_becomes_somebody_s_with_its_secret_and_stays_his() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    let (alice, mallory) = (accounts.newcomer("alice"), accounts.newcomer("mallory"));
    let device = accounts.device();
    let guessed = portcullis_tests::Device { secret: "A".repeat(43), ..device.clone() };
    assert!((400..=404).contains(&accounts.try_session(&mallory.access, &guessed).status));
    let session = accounts.session(&alice.access, &device);
    // Whoever has even its secret cannot make it his.
    let foreign = accounts.try_session(&mallory.access, &device);
    assert!(matches!(foreign.status, 401 | 403 | 404), "{}", foreign.text());
    assert_eq!(accounts.try_session("not-a-token", &device).status, 401);
    // Nobody sees or removes what is another's.
    let list = |token: &str| accounts.done(&accounts.get("/auth/devices").bearer(token)).to_string();
    assert!(list(&alice.access).contains(&device.id) && !list(&mallory.access).contains(&device.id));
    for endpoint in [format!("/auth/devices/{}", device.id), format!("/auth/sessions/{}", session.id)] {
        assert_eq!(
            accounts.send(&accounts.delete(&endpoint).bearer(&mallory.access)).status,
            404,
            "{endpoint}"
        );
    }
    for secret in [&device.secret, &session.secret] {
        assert!(!list(&alice.access).contains(secret.as_str()));
    }
}

#[test]
fn a_registration_that_is_not_completed_in_time_ends() {
    let upstream = Upstream::ok();
    let more = "[auth.devices]\nregistration_timeout = \"1s\"\n";
    let (_gateway, accounts) = started(&upstream, more);
    let login = accounts.newcomer("alice");
    let (quick, late) = (accounts.device(), accounts.device());
    accounts.session(&login.access, &quick);
    let begun = unix_seconds();
    until("the end of the registration", || (unix_seconds() > begun + 1).then_some(()));
    let answer = accounts.try_session(&login.access, &late);
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    accounts.session(&login.access, &quick);
}

#[test]
fn a_user_has_as_many_devices_as_said_and_room_for_another_when_one_goes() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "[auth.devices]\nmax_per_user = 2\n");
    let login = accounts.newcomer("alice");
    let devices = [accounts.device(), accounts.device(), accounts.device()];
    let first = accounts.session(&login.access, &devices[0]);
    accounts.session(&login.access, &devices[1]);
    let refused = accounts.try_session(&login.access, &devices[2]);
    assert!(matches!(refused.status, 403 | 409), "{}", refused.text());
    // Another session on a device that is his is no other device.
    accounts.session(&login.access, &devices[1]);
    let gone = accounts.delete(&format!("/auth/devices/{}", devices[0].id)).bearer(&login.access);
    assert!(accounts.send(&gone).status < 300);
    let status = work_with(&first.secret, Some(&devices[0].id)).send_to(gateway.address()).status;
    assert_eq!(status, 401, "its sessions end with it, at once");
    accounts.session(&login.access, &devices[2]);
}

#[test]
fn a_session_ends_at_its_age_when_idle_and_at_a_word() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let device = accounts.device();
    let session = accounts.session(&login.access, &device);
    let good = |session: &Session| {
        work_with(&session.secret, Some(&device.id)).send_to(gateway.address()).status == 200
    };
    assert!(good(&session));
    let ended = accounts.delete(&format!("/auth/sessions/{}", session.id)).bearer(&login.access);
    assert!(accounts.send(&ended).status < 300);
    assert!(!good(&session));
    // A logout by the session itself ends it, and leaves the token alone.
    let session = accounts.session(&login.access, &device);
    let logout = Request::new("POST", &accounts.path("/auth/logout"))
        .header("X-Session-ID", &session.secret)
        .header("X-Device-ID", &device.id);
    assert!(accounts.send(&logout).status < 300);
    assert!(!good(&session));
    assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
}

#[test]
fn a_session_ends_by_itself() {
    for (more, touched) in [("max_age = \"1s\"\n", true), ("max_age = \"1h\"\nidle = \"1s\"\n", false)] {
        let upstream = Upstream::ok();
        let config = super::config(&upstream.url(), "")
            .replace("[auth.sessions]\n", &format!("[auth.sessions]\n{more}"));
        let gateway =
            portcullis_tests::Launch::run().config(&config).env("STORE_KEY", super::STORE_KEY).start();
        let accounts = portcullis_tests::Accounts::of(&gateway);
        let login = accounts.newcomer("alice");
        let device = accounts.device();
        let session = accounts.session(&login.access, &device);
        let request = work_with(&session.secret, Some(&device.id));
        if touched {
            until("the end of the session", || {
                (request.send_to(gateway.address()).status == 401).then_some(())
            });
        } else {
            assert_eq!(request.send_to(gateway.address()).status, 200);
            let began = unix_seconds();
            until("the session to be idle", || (unix_seconds() > began + 1).then_some(()));
            assert_eq!(request.send_to(gateway.address()).status, 401);
        }
    }
}

#[test]
fn a_user_sees_his_sessions_and_which_one_he_asks_with() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let device = accounts.device();
    let sessions = [accounts.session(&login.access, &device), accounts.session(&login.access, &device)];
    let asked = accounts
        .get("/auth/sessions")
        .header("X-Session-ID", &sessions[0].secret)
        .header("X-Device-ID", &device.id)
        .header("User-Agent", "a-phone/1.0");
    let listed = accounts.done(&asked);
    let current: Vec<_> = listed["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["id"].as_str().unwrap(), one["current"].as_bool().unwrap(), &one["device_id"]))
        .collect();
    assert_eq!(current.len(), 2, "{listed}");
    for (id, is_current, of) in current {
        assert_eq!(is_current, id == sessions[0].id);
        assert_eq!(of, &json!(device.id));
    }
}
