//! What stands under `/sample/`.

use super::{Body, Options, Request, StatusCode, System, ask, listen, router, send};
use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::json;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_service::Service;

#[tokio::test]
async fn the_echo_shows_all_that_arrived() {
    let app = router(System::All);
    let request = Request::patch("/sample/echo/a/b?x=1&y=%20")
        .header("X-One", "first")
        .header("X-Two", "second")
        .header("X-One", "again")
        .body(Body::from("héllo"))
        .unwrap();
    let echo = send(&app, request).await.json();
    assert_eq!(
        (&echo["method"], &echo["path"], &echo["query"]),
        (&json!("PATCH"), &json!("/sample/echo/a/b"), &json!("x=1&y=%20"))
    );
    assert_eq!(echo["headers"], json!([["x-one", "first"], ["x-one", "again"], ["x-two", "second"]]));
    assert_eq!((&echo["body"]["length"], &echo["body"]["text"]), (&json!(6), &json!("héllo")));
    let empty = ask(&app, "DELETE /sample/echo", None).await.json();
    assert_eq!(empty["body"]["sha256"], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[tokio::test]
async fn bytes_come_in_a_known_pattern_with_and_without_a_length() {
    let app = router(System::All);
    let sized = ask(&app, "GET /sample/bytes/200001", None).await;
    assert_eq!(sized.header("content-length"), "200001");
    assert_eq!(sized.body.len(), 200_001);
    assert!(sized.body.iter().enumerate().all(|(at, byte)| *byte == at as u8));
    let chunked = ask(&app, "GET /sample/bytes/200001?chunked=1", None).await;
    assert!(!chunked.headers.contains_key("content-length"));
    assert_eq!(chunked.body, sized.body);
}

#[tokio::test]
async fn a_gibibyte_goes_out_without_being_held() {
    let response =
        router(System::All).call(Request::get("/sample/bytes/1073741824").body(Body::empty()).unwrap()).await;
    let mut body = response.unwrap().into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let chunk = frame.unwrap().into_data().unwrap();
        assert!(chunk.len() <= 64 * 1024, "one block at a time");
        length += chunk.len();
    }
    assert_eq!(length, 1 << 30);
}

#[tokio::test]
async fn an_upload_is_counted_as_it_comes() {
    let app = router(System::All);
    let chunks = stream::iter((0..3000).map(|_| Ok::<_, Infallible>(vec![7_u8; 1024])));
    let request = Request::put("/sample/upload").body(Body::from_stream(chunks)).unwrap();
    assert_eq!(send(&app, request).await.json(), json!({ "bytes": 3000 * 1024, "sha256": null }));
    let hashed = ask(&app, "POST /sample/upload?digest=sha256", Some("abc")).await.json();
    assert_eq!(hashed["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[tokio::test]
async fn events_come_one_by_one_the_first_at_once() {
    let app = router(System::All);
    let answer = ask(&app, "GET /sample/events?count=3&interval=0", None).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let event = |number: u64| format!("event: tick\nid: {number}\ndata: {{\"number\":{number}}}\n\n");
    assert_eq!(String::from_utf8(answer.body).unwrap(), [event(0), event(1), event(2)].concat());

    // The second is ten minutes away; whoever waited for it before sending the first would hang here.
    let request = Request::get("/sample/events?count=2&interval=600000").body(Body::empty()).unwrap();
    let mut body = app.clone().call(request).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), event(0));
}

#[tokio::test]
async fn statuses_cookies_and_headers_are_as_asked() {
    let app = router(System::All);
    for code in [200, 204, 304, 418, 503] {
        assert_eq!(ask(&app, &format!("GET /sample/status/{code}"), None).await.status.as_u16(), code);
    }
    assert_eq!(ask(&app, "GET /sample/status/302", None).await.header("location"), "/sample/echo");
    assert_eq!(ask(&app, "GET /sample/status/101", None).await.status, StatusCode::BAD_REQUEST);

    let cookies =
        Request::get("/sample/cookies?a=1&b=2").header("cookie", "x=y; z=w").body(Body::empty()).unwrap();
    let cookies = send(&app, cookies).await;
    assert_eq!(cookies.json(), json!({ "cookies": { "x": "y", "z": "w" } }));
    assert_eq!(cookies.headers.get_all("set-cookie").iter().count(), 2);

    let headers =
        ask(&app, "GET /sample/headers?X-Frame-Options=SAMEORIGIN&Server=old/1&X-A=1&X-A=2", None).await;
    assert_eq!(headers.header("x-frame-options"), "SAMEORIGIN");
    assert_eq!(headers.headers.get_all("x-a").iter().count(), 2);
    assert_eq!(ask(&app, "GET /sample/headers?a%0Ab=1", None).await.status, StatusCode::BAD_REQUEST);

    let error = ask(&app, "GET /sample/error", None).await;
    assert_eq!(error.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&error.body).contains("Traceback"));
}

#[tokio::test]
async fn requests_are_counted_but_not_the_question() {
    let app = router(System::All);
    for line in ["GET /healthz", "GET /no/such/path", "GET /sample/seen", "PUT /healthz"] {
        ask(&app, line, None).await;
    }
    assert_eq!(ask(&app, "GET /sample/seen", None).await.json(), json!({ "requests": 3 }));
}

#[tokio::test]
async fn trailers_come_to_whoever_says_te() {
    let address = listen(Options::default()).await;
    let with = exchange(
        &address,
        "GET /sample/chunked?bytes=5 HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(with.contains("transfer-encoding: chunked"), "{with}");
    assert!(with.ends_with("0\r\nx-sample-length: 5\r\n\r\n"), "{with}");
    let without =
        exchange(&address, "GET /sample/chunked?bytes=5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
    assert!(without.ends_with("0\r\n\r\n"), "{without}");
}

#[tokio::test]
async fn a_truncated_answer_breaks_off() {
    let address = listen(Options::default()).await;
    let text = exchange(&address, "GET /sample/truncated/100 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 100"), "{head}");
    assert!(body.len() < 100, "the connection ends before the body does");
}

#[tokio::test]
async fn a_unix_socket_serves_and_a_left_over_one_is_replaced() {
    use portcullis_sample::{Listener, serve_until};
    let folder = std::env::temp_dir().join(format!("portcullis-sample-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("app.sock");
    // A socket file whose listener is gone.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let address = format!("unix:{}", path.display());
    let listener = Listener::bind(&address).await.unwrap();
    assert_eq!(listener.address().unwrap(), address);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve_until(listener, router(System::All), async { drop(stopped.await) }));
    assert!(Listener::bind(&address).await.is_err(), "a socket in use is not taken away");

    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(!path.exists(), "the socket file is removed");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_body_over_the_limit_of_a_json_endpoint_is_413() {
    let huge = "x".repeat(3 << 20);
    let answer = ask(&router(System::All), "POST /live/ingest", Some(&huge)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let body = Request::post("/sample/echo").body(Body::from(huge)).unwrap();
    assert_eq!(send(&router(System::All), body).await.json()["body"]["length"], 3 << 20);
}

async fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
