//! The end of a login: by its user, by a new password, by an operator; at once, on open connections too.

use portcullis_tests::{
    Accounts, Application, Ending, Launch, Login, PASSWORD, Request, Socket, System, Upstream, until,
};
use serde_json::json;

use super::{STORE_KEY, assert_refused, config, started, work};

const OTHER: &str = "Silent-Orchard-58-Windmills?";

#[test]
fn a_logout_ends_its_own_login_at_once_and_no_other() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let (one, other) = (accounts.newcomer("alice"), accounts.login("alice"));
    let logout = Request::new("POST", &accounts.path("/auth/logout")).bearer(&one.access);
    assert!(accounts.send(&logout).status < 300);
    assert_eq!(work().bearer(&one.access).send_to(gateway.address()).status, 401);
    assert_eq!(accounts.refresh(&one.refresh).status, 401);
    assert_eq!(work().bearer(&other.access).send_to(gateway.address()).status, 200);
    // It stays ended whoever forgets.
    let gateway = gateway.kill().start();
    assert_eq!(work().bearer(&one.access).send_to(gateway.address()).status, 401);
    assert_eq!(work().bearer(&other.access).send_to(gateway.address()).status, 200);
}

#[test]
fn a_new_password_ends_every_login_made_before() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let (one, other) = (accounts.newcomer("alice"), accounts.login("alice"));
    let change = |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        accounts.send(&accounts.post("/auth/password", &body).bearer(&one.access))
    };
    let wrong = change(OTHER, "Narrow-Bridge-69-Candles!");
    assert!(matches!(wrong.status, 401 | 403), "{}", wrong.text());
    assert!(change(PASSWORD, OTHER).status < 300);
    for login in [&one, &other] {
        assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 401);
        assert_eq!(accounts.refresh(&login.refresh).status, 401);
    }
    assert_refused(&accounts.try_login("alice", PASSWORD), 401, "invalid-login");
    let login = Login::of(&accounts.try_login("alice", OTHER));
    assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
}

#[test]
fn an_open_websocket_ends_with_the_login_it_came_by() {
    let application = Application::start(System::Btc);
    let gateway = Launch::run().config(&config(application.url(), "")).env("STORE_KEY", STORE_KEY).start();
    let accounts = Accounts::of(&gateway);
    let (one, other) = (accounts.newcomer("alice"), accounts.login("alice"));
    let open = |login: &Login| {
        let field = format!("Bearer {}", login.access);
        let mut socket = Socket::open(gateway.address(), "/ws", &[("Authorization", &field)]).unwrap();
        assert_eq!(socket.receive_json()["type"], "connected");
        socket
    };
    let (mut ends, mut stays) = (open(&one), open(&other));
    let logout = Request::new("POST", &accounts.path("/auth/logout")).bearer(&one.access);
    assert!(accounts.send(&logout).status < 300);
    let ending = ends.ending();
    assert!(matches!(ending, Ending::Closed(4403, _)), "{ending:?}");
    stays.send("price?");
    assert_eq!(stays.receive_json()["type"], "price");
    // And by an operator's word.
    gateway.command("users revoke alice").ran().succeeded();
    let ending = stays.ending();
    assert!(matches!(ending, Ending::Closed(4403, _)), "{ending:?}");
}

#[test]
fn an_operator_ends_everything_of_a_user_and_lets_him_in_again() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let key = accounts.key(&login.access, &json!({})).key;
    let session = accounts.session(&login.access, &accounts.device());
    let bystander = accounts.newcomer("bob");
    gateway.command("users revoke alice").ran().succeeded();
    let by_key = work().header("X-API-Key", &key);
    until("the end of the key", || (by_key.send_to(gateway.address()).status == 401).then_some(()));
    assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 401);
    assert_eq!(work().header("X-Session-ID", &session.secret).send_to(gateway.address()).status, 401);
    assert_eq!(work().bearer(&bystander.access).send_to(gateway.address()).status, 200);
    let again = accounts.login("alice");
    assert_eq!(work().bearer(&again.access).send_to(gateway.address()).status, 200);
}

#[test]
fn nobody_learns_from_a_login_whether_a_name_exists() {
    let upstream = Upstream::ok();
    let (_gateway, accounts) = started(&upstream, "");
    accounts.register("alice");
    let (known, unknown) = (accounts.try_login("alice", OTHER), accounts.try_login("nobody", OTHER));
    assert_refused(&known, 401, "invalid-login");
    assert_refused(&unknown, 401, "invalid-login");
    let mut bodies = [known.json(), unknown.json()];
    for body in &mut bodies {
        body.as_object_mut().unwrap().remove("request_id");
    }
    assert_eq!(bodies[0], bodies[1]);
    let names = |answer: &portcullis_tests::Response| {
        answer.fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&known), names(&unknown));
}

#[test]
fn registration_can_be_closed_and_nobody_is_made_then() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "[auth.registration]\nenabled = false\n");
    let body = json!({ "username": "alice", "email": "alice@example.com", "password": PASSWORD });
    let answer = accounts.send(&accounts.post("/auth/register", &body));
    assert!(matches!(answer.status, 403 | 404), "{}", answer.text());
    let login = gateway.user(&accounts, "made", "free");
    assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
    let answer = accounts.send(&accounts.post("/auth/register", &body).bearer(&login.access));
    assert!(matches!(answer.status, 403 | 404), "{}", answer.text());
}
