//! E-APP: the routes of the application, at the guide's time and today, through the gateway.

use portcullis_tests::{Answer, Application, Request, System, Upstream};

use super::{PROMPT, Visitor, generous, launch};

#[test]
fn e_app_01_what_is_public_passes() {
    let application = Application::start(System::EchoTuner);
    let gateway = launch(application.url()).start();
    for path in ["/", "/config", "/config/health", "/server/mode", "/auth/mode"] {
        let answer = Request::get(path).send_to(gateway.address());
        assert_eq!(answer.status, 200, "{path}: {}", answer.head);
        assert!(answer.json().is_object(), "{path}: {}", answer.text());
    }
}

#[test]
fn e_app_02_e_app_03_the_routes_pass_as_the_application_answers_them() {
    let application = Application::start(System::EchoTuner);
    let gateway = launch(application.url()).env("RATE_LIMIT_REQUESTS_PER_MINUTE", "1000").start();
    let direct = application.url().trim_start_matches("http://").parse().unwrap();
    let visitor = Visitor::new(&gateway, "tourist");
    let json = |method: &str, path: &str, body: &str| {
        Request::new(method, path).header("Content-Type", "application/json").body(body)
    };
    let requests = [
        json("POST", "/auth/init", r#"{"device_id":"device-1"}"#),
        json("POST", "/auth/register-device", r#"{"platform":"ios"}"#),
        json("POST", "/auth/validate", r#"{"session_id":"s","device_id":"d"}"#),
        json("POST", "/auth/logout", r#"{"session_id":"s","device_id":"d"}"#),
        Request::get("/auth/callback?code=c&state=s"),
        Request::get("/auth/status").header("X-Session-UUID", "6f9619ff-8b86-4d01-b42d-00c04fc964ff"),
        json("POST", "/playlist/generate", PROMPT),
        json("POST", "/playlist/refine", PROMPT),
        json("PUT", "/personality", "no JSON"),
        Request::get("/spotify/playlists"),
        json("PUT", "/personality", r#"{"mood":"calm"}"#),
        json("PUT", "/personality", r#"{"unknown":1}"#),
        Request::get("/personality"),
        Request::new("DELETE", "/personality"),
        Request::get("/personality/artists"),
        json("POST", "/playlists", r#"{"prompt":"jazz"}"#),
        Request::get("/playlists/none"),
        Request::new("DELETE", "/playlists/none"),
        json("POST", "/user/search-artists", r#"{"query":"beach"}"#),
        Request::get("/user/profile"),
        Request::get("/user/rate-limit-status"),
        Request::get("/ai/models"),
        json("POST", "/ai/test", r#"{"prompt":"jazz"}"#),
        Request::get("/nothing/here"),
    ];
    for request in requests {
        let through = visitor.sign(request.clone()).send_to(gateway.address());
        let itself = request.send_to(direct);
        assert_eq!(through.status, itself.status, "{request:?}: {}", through.text());
        assert_eq!(through.field("content-type"), itself.field("content-type"), "{request:?}");
        if itself.status >= 400 {
            assert_eq!(through.text(), itself.text(), "{request:?}");
        }
    }
}

#[test]
fn e_app_03_compressed_answers_stay_as_they_are() {
    // What matters is that not a byte changes; that it is gzip, its first bytes say.
    let packed: Vec<u8> =
        [0x1f, 0x8b, 8, 0].into_iter().chain((0..2000_u32).map(|n| (n * 7) as u8)).collect();
    let answer = [
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\n\
             Content-Length: {}\r\n\r\n",
            packed.len()
        )
        .into_bytes(),
        packed.clone(),
    ]
    .concat();
    let upstream = Upstream::start(move |_| Answer::Bytes(answer.clone()));
    let gateway = generous(&upstream).start();
    let answer = Request::get("/playlists").header("Accept-Encoding", "gzip").send_to(gateway.address());
    assert_eq!(answer.field("content-encoding"), Some("gzip"), "{}", answer.head);
    assert!(answer.words("vary").contains(&"accept-encoding".to_owned()), "{}", answer.head);
    assert_eq!(answer.body, packed);
    assert_eq!(upstream.only().field("accept-encoding"), Some("gzip"));
}

#[test]
fn e_app_04_the_refusal_of_a_route_for_debugging_passes() {
    let body = r#"{"detail":"This endpoint is only available in debug mode"}"#;
    let upstream = Upstream::start(move |_| Answer::json("403 Forbidden", body));
    let gateway = generous(&upstream).start();
    let visitor = Visitor::new(&gateway, "debugger");
    for request in [Request::get("/ai/models"), Request::post("/auth/cleanup", "")] {
        let answer = visitor.sign(request).send_to(gateway.address());
        assert_eq!((answer.status, answer.text()), (403, body), "{}", answer.head);
    }
}

#[test]
fn e_app_05_code_and_state_of_the_provider_reach_the_application_and_no_log() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).env("PORTCULLIS_LOG__LEVEL", "debug").start();
    let target = "/auth/callback?code=AQDq-planted-quince&state=planted-medlar";
    assert_eq!(Request::get(target).send_to(gateway.address()).status, 200);
    assert_eq!(upstream.only().line(), format!("GET {target} HTTP/1.1"));
    let line = gateway.wait_for_log(&["access", "/auth/callback"]);
    assert!(line.contains("code=[redacted]&state=[redacted]"), "{line}");
    assert!(!gateway.log().contains("planted"), "{}", gateway.log());
}
