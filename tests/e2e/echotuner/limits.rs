//! E-RL: the limits of the guide by device, session, address and over all, and who is counted.

use portcullis_tests::{
    Accounts, Answer, Application, Connection, Gateway, Request, Response, System, Upstream,
};

use super::{LIMITED, PROMPT, Visitor, assert_reached, assert_refused, generate, generous, launch};

fn refine() -> Request {
    Request::post("/playlist/refine", PROMPT)
}

fn search() -> Request {
    Request::post("/user/search-artists", r#"{"query":"beach"}"#)
}

fn init() -> Request {
    Request::post("/auth/init", r#"{"device_id":"device-1"}"#)
}

/// Sends requests one after the other on one connection: the first `limit` of them must reach the application,
/// the next must be refused in the words of the guide. Returns that refusal.
#[track_caller]
fn assert_limit(gateway: &Gateway, limit: usize, window_s: u64, request: impl Fn() -> Request) -> Response {
    let mut connection = Connection::open(gateway.address());
    for number in 0..limit {
        let answer = request().on(&mut connection);
        assert_eq!(answer.status, 200, "number {number}: {}{}", answer.head, answer.text());
        let shown = (answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining"));
        assert_eq!(shown, (limit as u64, (limit - 1 - number) as u64), "{}", answer.head);
    }
    let answer = request().on(&mut connection);
    assert_refused(&answer, 429, LIMITED);
    assert!((1..=window_s + 1).contains(&answer.number("retry-after")), "{}", answer.head);
    answer
}

#[test]
fn e_rl_01_e_rl_10_a_device_makes_so_many_playlists() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let (one, other) = (Visitor::new(&gateway, "one"), Visitor::new(&gateway, "other"));
    assert_limit(&gateway, 10, 300, || one.sign(generate()));
    let line = gateway.wait_for_log(&["rate_limit_exceeded", "/playlist/generate"]);
    assert!(line.contains("429"), "{line}");
    // Another session of the same device has nothing new, another device has its own.
    let again = Accounts::of(&gateway).session(&one.login.access, &one.device);
    let again = Visitor { session: again, ..one };
    assert_eq!(again.sign(generate()).send_to(gateway.address()).status, 429);
    assert_reached(&other.sign(generate()).send_to(gateway.address()));
    assert_eq!(upstream.count(), 11);
}

#[test]
fn e_rl_02_a_device_refines_so_many() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let visitor = Visitor::new(&gateway, "refiner");
    assert_limit(&gateway, 20, 300, || visitor.sign(refine()));
    // What is made is counted apart from what is refined.
    assert_reached(&visitor.sign(generate()).send_to(gateway.address()));
}

#[test]
fn e_rl_03_e_rl_06_an_address_begins_so_many_logins() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    assert_limit(&gateway, 5, 60, init);
    for number in 0..3 {
        let claimed = format!("203.0.113.{number}");
        let request = init().header("X-Forwarded-For", &claimed).header("X-Real-IP", &claimed);
        assert_eq!(request.send_to(gateway.address()).status, 429, "whatever the client says of itself");
    }
    assert_reached(&init().send_from("127.0.0.2", gateway.address()));
}

#[test]
fn e_rl_04_a_session_searches_so_often() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let (one, other) = (Visitor::new(&gateway, "searcher"), Visitor::new(&gateway, "finder"));
    assert_limit(&gateway, 100, 60, || one.sign(search()));
    assert_reached(&other.sign(search()).send_to(gateway.address()));
}

#[test]
fn e_rl_05_e_rl_11_all_requests_together_have_the_global_limit_and_no_other() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).start();
    let routes =
        ["/config", "/server/mode", "/playlists", "/personality", "/spotify/playlists", "/auth/mode"];
    let mut connection = Connection::open(gateway.address());
    let mut statuses = Vec::new();
    for number in 0..61 {
        let answer = Request::get(routes[number % routes.len()]).on(&mut connection);
        assert_eq!(answer.number("x-ratelimit-limit"), 60, "no other one: {}", answer.head);
        statuses.push(answer.status);
    }
    assert_eq!(statuses.iter().position(|status| *status == 429), Some(60), "{statuses:?}");
    assert_refused(&Request::get("/config").on(&mut connection), 429, LIMITED);
    // With a larger one, an endpoint without a limit of its own is never refused.
    let gateway = generous(&upstream).start();
    let mut connection = Connection::open(gateway.address());
    for _ in 0..150 {
        assert_eq!(Request::get("/personality").on(&mut connection).status, 200);
    }
}

#[test]
fn e_rl_07_without_a_session_the_device_counts_and_without_a_device_the_address() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let visitor = Visitor::new(&gateway, "registered");
    // The address of whoever names nothing.
    assert_limit(&gateway, 100, 60, search);
    // A registered device has an allowance of its own, though it comes from there.
    let by_device = search().header("X-Device-ID", &visitor.device.id).send_to(gateway.address());
    assert_eq!(
        (by_device.status, by_device.number("x-ratelimit-remaining")),
        (200, 99),
        "{}",
        by_device.head
    );
    let by_device = search().header("X-Device-ID", &visitor.device.id).send_to(gateway.address());
    assert_eq!(by_device.number("x-ratelimit-remaining"), 98, "{}", by_device.head);
    assert_reached(&search().send_from("127.0.0.2", gateway.address()));
}

#[test]
fn e_rl_08_a_limit_by_device_needs_one() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    for request in [generate(), refine(), generate().header("X-Device-ID", "")] {
        assert_refused(&request.send_to(gateway.address()), 400, r#"{"detail":"Device ID required"}"#);
    }
    // Where the limit is by session or address, none is needed.
    assert_reached(&search().send_to(gateway.address()));
    assert_reached(&init().send_to(gateway.address()));
    assert_eq!(upstream.count(), 2);
}

/// Ruling R11.
#[test]
fn e_rl_09_inventing_devices_lifts_no_limit() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    let statuses: Vec<u16> = (0..12)
        .map(|number| {
            let invented = format!("0192a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a{number:02}");
            generate().header("X-Device-ID", &invented).send_to(gateway.address()).status
        })
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10, "{statuses:?}");
    assert_eq!(upstream.count(), 10);
    // Who has registered is not refused with them.
    let visitor = Visitor::new(&gateway, "honest");
    assert_reached(&visitor.sign(generate()).send_to(gateway.address()));
}

#[test]
fn e_rl_13_the_daily_limit_of_the_application_passes_unchanged() {
    let daily = r#"{"detail":"Daily limit of 3 playlists reached. Try again tomorrow."}"#;
    let upstream = Upstream::start(move |_| Answer::json("429 Too Many Requests", daily));
    let gateway = generous(&upstream).start();
    let visitor = Visitor::new(&gateway, "eager");
    let answer = visitor.sign(generate()).send_to(gateway.address());
    assert_eq!((answer.status, answer.text()), (429, daily), "{}", answer.head);
}

#[test]
fn e_rl_14_the_application_tells_what_it_counts_itself() {
    let application = Application::start(System::EchoTuner);
    let gateway = launch(application.url()).start();
    let visitor = Visitor::new(&gateway, "counted");
    assert_eq!(visitor.sign(generate()).send_to(gateway.address()).status, 200);
    let asked = Request::post("/auth/rate-limit-status", r#"{"device_id":"device-1"}"#);
    let told = asked.send_to(gateway.address());
    assert_eq!(
        (told.status, &told.json()["requests_made_today"]),
        (200, &serde_json::json!(1)),
        "{}",
        told.text()
    );
    assert_eq!(told.json()["max_requests_per_day"], 3);
}
