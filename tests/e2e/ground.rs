//! The ground the other tests stand on: client, upstream, application and shell, without a gateway.

use portcullis_tests::{
    Answer, Application, Connection, Postgres, Request, Scratch, System, Upstream, guide_command, shell, totp,
};

#[test]
fn the_upstream_records_the_exact_bytes() {
    let upstream = Upstream::ok();
    let bytes = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n0\r\nT: 1\r\n\r\n";
    let answer = Connection::open(upstream.address()).send(bytes).response();
    assert_eq!(answer.status, 200);
    let received = upstream.only();
    assert_eq!(received.bytes, bytes);
    assert_eq!(received.body, b"abc");
    assert_eq!(received.field("host"), Some("x"));
}

#[test]
fn the_client_reads_every_framing() {
    let upstream = Upstream::start(|received| {
        match received.line().split(' ').nth(1).unwrap() {
        "/length" => Answer::json("201 Created", "{}"),
        "/chunked" => Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-End: yes\r\n\r\n".to_vec(),
        ),
        "/close" => Answer::Last(b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec()),
        _ => Answer::Close,
    }
    });
    let mut connection = Connection::open(upstream.address());
    let by_length = Request::get("/length").on(&mut connection);
    assert_eq!((by_length.status, by_length.text()), (201, "{}"));
    let chunked = Request::get("/chunked").on(&mut connection);
    assert_eq!(chunked.text(), "abc");
    assert_eq!(chunked.trailers, [("X-End".to_owned(), "yes".to_owned())]);
    assert_eq!(Request::get("/close").on(&mut connection).text(), "until the end");
    assert!(connection.is_closed());
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_client_may_come_from_another_address() {
    let upstream = Upstream::ok();
    assert_eq!(Request::get("/").send_from("127.0.0.9", upstream.address()).status, 200);
}

#[test]
fn the_application_answers_as_the_real_one() {
    let application = Application::start(System::Pump);
    let address = application.url().trim_start_matches("http://").parse().unwrap();
    assert_eq!(Request::get("/healthz").send_to(address).json()["status"], "ok");
    // The guide's command as it stands: the body lacks fields, and the application says so.
    let answers = guide_command(
        "for i in {1..2}; do curl -X POST http://localhost:8000/live/ingest -d '{\"id\": \"test'$i'\"}'; done",
        address,
    );
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [422, 422]);
    assert!(answers[0].body.contains("detail"), "{answers:?}");
}

#[test]
fn a_folder_is_gone_with_its_test() {
    let folder = Scratch::new();
    folder.write("deep/file", "text");
    assert_eq!(shell("cat deep/file", &folder), "text");
    let path = folder.path().to_owned();
    drop(folder);
    assert!(!path.exists());
}

/// RFC 6238, appendix B.
#[test]
fn one_time_codes_are_those_of_the_rfc() {
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    assert_eq!(totp(secret, 59, 0), "287082");
    assert_eq!(totp(secret, 1_111_111_109, 0), "081804");
    assert_eq!(totp(secret, 1_111_111_139, -1), "081804");
    assert_eq!(totp(secret, 1_234_567_860, 1), "005924");
}

#[test]
fn the_database_server_asks_for_its_password_and_keeps_what_it_had() {
    let mut postgres = Postgres::start();
    let folder = Scratch::new();
    let ask = |url: &str, sql: &str| shell(&format!("psql -qtA '{url}' -c '{sql}' 2>&1 || true"), &folder);
    assert_eq!(ask(&postgres.url(), "create table a (b int); insert into a values (7)"), "");
    assert!(ask(&postgres.url().replace(postgres.password(), "wrong"), "select 1").contains("password"));
    postgres.stop();
    postgres.start_again();
    assert_eq!(ask(&postgres.url(), "select b from a"), "7\n");
    assert!(postgres.dump().contains("VALUES (7)"));
}
