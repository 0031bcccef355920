//! Accounts on a real PostgreSQL server.

use portcullis_tests::{
    Accounts, Gateway, Launch, Login, PASSWORD, Postgres, Request, Upstream, totp, unix_seconds, until,
};
use serde_json::json;

use super::{STORE_KEY, work};

fn launch(upstream: &Upstream, postgres: &Postgres) -> Launch {
    let text = super::config(&upstream.url(), "").replace("sqlite:people.db", "env:STORE_URL");
    Launch::run().config(&text).env("STORE_KEY", STORE_KEY).env("STORE_URL", &postgres.url())
}

fn status(gateway: &Gateway, request: &Request) -> u16 {
    request.send_to(gateway.address()).status
}

#[test]
fn people_come_and_go_on_postgresql_as_on_sqlite() {
    let (upstream, postgres) = (Upstream::ok(), Postgres::start());
    let gateway = launch(&upstream, &postgres).start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("alice");
    let key = accounts.key(&login.access, &json!({ "name": "robot" }));
    let device = accounts.device();
    let session = accounts.session(&login.access, &device);
    let by_key = work().header("X-API-Key", &key.key);
    let by_session = work().header("X-Session-ID", &session.secret).header("X-Device-ID", &device.id);
    for request in [&work().bearer(&login.access), &by_key, &by_session] {
        assert_eq!(status(&gateway, request), 200);
    }
    let second = Login::of(&accounts.refresh(&login.refresh));
    let begun = accounts.done(&accounts.post("/auth/totp/enroll", &json!({})).bearer(&second.access));
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let confirm = json!({ "code": totp(&secret, unix_seconds(), 0) });
    accounts.done(&accounts.post("/auth/totp/confirm", &confirm).bearer(&second.access));

    // What it keeps is of no use to whoever reads it.
    let dump = postgres.dump();
    assert!(dump.contains("alice"), "{dump}");
    for (what, text) in [
        ("the password", PASSWORD),
        ("the key", &key.key),
        ("the session", &session.secret),
        ("the device's secret", &device.secret),
        ("the second factor", &secret),
    ] {
        assert!(!dump.contains(text), "{what} stands in the database");
    }

    let gateway = gateway.kill().start();
    let accounts = Accounts::of(&gateway);
    assert_eq!((status(&gateway, &by_key), status(&gateway, &by_session)), (200, 200));
    let code = json!({ "username": "alice", "password": PASSWORD, "totp": totp(&secret, unix_seconds(), 1) });
    Login::of(&accounts.send(&accounts.post("/auth/login", &code)));
    assert_eq!(accounts.refresh(&login.refresh).status, 401, "used before");
    for said in [gateway.log(), gateway.command("users list").ran().succeeded()] {
        assert!(!said.contains(postgres.password()), "{said}");
    }
}

#[test]
fn two_gateways_on_one_server_know_the_same_people_at_once() {
    let (upstream, postgres) = (Upstream::ok(), Postgres::start());
    let launches = [launch(&upstream, &postgres), launch(&upstream, &postgres)];
    // Both begin on an empty database: one of them makes its tables.
    let [one, other] =
        launches.map(|launch| std::thread::spawn(move || launch.start())).map(|it| it.join().unwrap());
    let accounts = Accounts::of(&one);
    let login = accounts.newcomer("alice");
    let key = accounts.key(&login.access, &json!({}));
    let (by_key, by_token) = (work().header("X-API-Key", &key.key), work().bearer(&login.access));
    Accounts::of(&other).until("the key there", &by_key, 200);
    Accounts::of(&other).until("the token there, signed with the same key", &by_token, 200);
    let revoke = accounts.delete(&format!("/auth/api-keys/{}", key.id)).bearer(&login.access);
    assert!(accounts.send(&revoke).status < 300);
    until("its end there", || (status(&other, &by_key) == 401).then_some(()));
    other.command("users disable alice").ran().succeeded();
    until("the end of the login", || (status(&one, &by_token) == 401).then_some(()));
    until("the end there", || (status(&other, &by_token) == 401).then_some(()));
}

/// What is in memory is served; what would have to be written is refused, and nothing is lost.
#[test]
fn while_the_server_is_away_requests_are_judged_and_changes_refused() {
    let (upstream, mut postgres) = (Upstream::ok(), Postgres::start());
    let gateway = launch(&upstream, &postgres).start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("alice");
    let key = accounts.key(&login.access, &json!({}));
    postgres.stop();
    assert_eq!(status(&gateway, &work().header("X-API-Key", &key.key)), 200);
    assert_eq!(status(&gateway, &work().header("X-API-Key", "wrong")), 401);
    assert_eq!(status(&gateway, &work().bearer(&login.access)), 200);
    let answer = accounts.try_login("alice", PASSWORD);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.number("retry-after") >= 1);
    let inside = answer.text().to_lowercase();
    assert!(!inside.contains("postgres") && !inside.contains("127.0.0.1"), "{inside}");
    let health = || Request::get("/portcullis/health").send_to(gateway.address()).json()["store"].clone();
    until("health to say so", || (health() == "unreachable").then_some(()));
    let said = gateway.command("users list").ran().failed();
    assert!(!said.contains(postgres.password()), "{said}");
    postgres.start_again();
    until("the store", || (accounts.try_login("alice", PASSWORD).status == 200).then_some(()));
    until("health to say so", || (health() == "reachable").then_some(()));
}

#[test]
fn another_program_s_tables_are_left_alone() {
    let (upstream, postgres) = (Upstream::ok(), Postgres::start());
    let folder = portcullis_tests::Scratch::new();
    let make = format!(
        "psql -q '{}' -c 'create table users (id int, username text)' -c \"insert into users values (1, 'theirs')\"",
        postgres.url()
    );
    portcullis_tests::shell(&make, &folder);
    let before = postgres.dump();
    let said = launch(&upstream, &postgres).refused();
    assert!(!said.contains(postgres.password()), "{said}");
    assert_eq!(plain(&postgres.dump()), plain(&before));
}

/// A dump without what differs from one to the next.
fn plain(dump: &str) -> String {
    dump.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")).collect()
}
