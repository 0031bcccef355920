//! HTTP/2 towards clients, over TLS and with prior knowledge: the same gate, the same bodies.

use std::sync::mpsc;
use std::sync::{Arc, Barrier};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use portcullis_tests::{Answer, Certificate, Gateway, H2Client, Launch, RawUpstream, Upstream, shell};

use super::gateway;

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://gateway.test{path}")).body(Full::default()).unwrap()
}

/// What curl prints for a line with the gateway's address in place of `URL`.
fn curl(gateway: &Gateway, line: &str) -> String {
    let scheme = if gateway.is_secure() { "https" } else { "http" };
    let line = line.replace("URL", &format!("{scheme}://{}", gateway.address()));
    shell(&format!("curl -sS --max-time 60 --noproxy '*' {line}"), gateway.folder())
}

#[test]
fn curl_speaks_it_in_clear_and_over_tls() {
    let certificate = Certificate::new();
    let upstream = Upstream::start(|received| Answer::json("200 OK", &format!("{:?}", received.line())));
    let mut launch = Launch::run();
    for (name, pem) in [("cert.pem", certificate.pem()), ("key.pem", certificate.key_pem())] {
        launch = launch.file(name, &pem);
    }
    let tls =
        format!("[server.tls]\ncert = {:?}\nkey = {:?}\n", launch.path("cert.pem"), launch.path("key.pem"));
    let base = format!("upstream = {:?}\n[auth]\ndefault = \"none\"\n", upstream.url());
    let secure = launch.config(&format!("{base}{tls}")).start();
    let clear = gateway(&upstream.url(), "");
    for (gateway, how) in [(&clear, "--http2-prior-knowledge"), (&secure, "--http2 --cacert cert.pem")] {
        let answer = curl(gateway, &format!("{how} -w '%{{http_version}} %{{http_code}}' 'URL/a%20b?c=d'"));
        assert_eq!(answer, "\"GET /a%20b?c=d HTTP/1.1\"2 200");
        let answer = curl(gateway, &format!("{how} -d body -w '%{{http_version}} %{{http_code}}' URL/post"));
        assert_eq!(answer, "\"POST /post HTTP/1.1\"2 200");
        let head = curl(gateway, &format!("{how} -I URL/head"));
        assert!(head.starts_with("HTTP/2 200") && head.contains("content-length: 21"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "sealed as every answer: {head}");
        assert_eq!(head.contains("strict-transport-security"), gateway.is_secure(), "{head}");
    }
    let received = upstream.received();
    assert_eq!((received[1].body.as_slice(), received[1].field("content-length")), (&b"body"[..], Some("4")));
    assert!(received[0].field("host").unwrap().starts_with("127.0.0.1:"), "{}", received[0].head);
    let protocols: Vec<_> = received.iter().map(|it| it.field("x-forwarded-proto").unwrap()).collect();
    assert_eq!(protocols, ["http", "http", "http", "https", "https", "https"]);
    // An old upgrade to it is not followed: the request is answered in the version it came in.
    assert_eq!(curl(&clear, "--http2 -o /dev/null -w '%{http_version} %{http_code}' URL/"), "1.1 200");
}

#[test]
fn large_bodies_pass_both_ways() {
    const SIZE: u64 = 48 << 20;
    let upstream = RawUpstream::start(|mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("PUT") {
                assert!(
                    head.contains(&format!("content-length: {SIZE}"))
                        || head.contains(&format!("Content-Length: {SIZE}"))
                );
                assert!(peer.skip(SIZE));
                peer.write("HTTP/1.1 204 No Content\r\n\r\n");
            } else {
                peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
                (0..SIZE >> 20).for_each(|_| assert!(peer.write(&chunk)));
                peer.write("0\r\n\r\n");
            }
        }
    });
    let gateway = gateway(&upstream.url(), "[server.caps]\nbody = \"64 MiB\"\n");
    let size = curl(&gateway, "--http2-prior-knowledge -o /dev/null -w '%{size_download}' URL/");
    assert_eq!(size, SIZE.to_string());
    shell(&format!("head -c {SIZE} /dev/zero >large"), gateway.folder());
    let sent = curl(&gateway, "--http2-prior-knowledge -T large -w '%{size_upload} %{http_code}' URL/large");
    assert_eq!(sent, format!("{SIZE} 204"));
}

#[test]
fn refusals_are_the_same() {
    let upstream = Upstream::ok();
    let gateway = Launch::run()
        .config(&format!(
            "upstream = {:?}\n[auth]\ndefault = \"none\"\n[auth.api_key]\nvalue = \"gQ7vTz3mXc9LkRb2WnYp5sHd8fJ4aE6u\"\n\
             [server.caps]\nbody = \"1 KiB\"\n[[routes]]\nmatch = \"/api/admin\"\nauth = \"api-key\"\n\
             [[limits]]\nrate = \"20/minute per ip\"\n",
            upstream.url(),
        ))
        .start();
    let status = |line: &str| {
        curl(
            &gateway,
            &format!("--http2-prior-knowledge -o /dev/null -w '%{{http_version}} %{{http_code}}' {line}"),
        )
    };
    assert_eq!(status("URL/api/admin"), "2 401");
    assert_eq!(status("-H 'X-API-Key: gQ7vTz3mXc9LkRb2WnYp5sHd8fJ4aE6u' URL/api/admin"), "2 200");
    assert_eq!(status("--path-as-is URL/open/../api/admin"), "2 400");
    assert_eq!(status("URL/api%2fadmin"), "2 400");
    assert_eq!(status("-d \"$(head -c 1025 /dev/zero | tr '\\0' x)\" URL/"), "2 413");
    assert_eq!(
        status("-H 'Transfer-Encoding: chunked' -d \"$(head -c 1025 /dev/zero | tr '\\0' x)\" URL/"),
        "2 413"
    );
    assert_eq!(status("\"URL/$(head -c 9000 /dev/zero | tr '\\0' x)\""), "2 414");
    assert_eq!(status("-H \"X-A: $(head -c 17000 /dev/zero | tr '\\0' x)\" URL/"), "2 431");
    let problem = curl(&gateway, "--http2-prior-knowledge -i URL/api/admin").to_ascii_lowercase();
    assert!(
        problem.contains("content-type: application/problem+json") && problem.contains("www-authenticate:"),
        "{problem}"
    );
    assert_eq!(upstream.count(), 1, "only the one with the key went through");
    let mut last = String::new();
    for _ in 0..21 {
        last = status("URL/");
    }
    assert_eq!(last, "2 429");
}

#[test]
fn trailers_pass_both_ways() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\nX-More: 1\r\n\r\n".to_vec(),
        )
    });
    let gateway = gateway(&upstream.url(), "");
    let client = H2Client::connect(gateway.address());
    let mut trailers = HeaderMap::new();
    trailers.insert("x-check", "1".parse().unwrap());
    trailers.insert("x-auth-user", "admin".parse().unwrap());
    trailers.insert("content-length", "7".parse().unwrap());
    let frames =
        [Frame::data(Bytes::from("hello ")), Frame::data(Bytes::from("world")), Frame::trailers(trailers)];
    let frames = frames.map(Ok::<_, std::convert::Infallible>);
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::post("http://gateway.test/").body(body).unwrap();
    let (status, body, trailers) = client.run(async |sender| {
        let answer = sender.send(request).await.unwrap();
        let status = answer.status();
        let collected = answer.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap();
        (status, collected.to_bytes(), trailers)
    });
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"abc"[..]));
    assert_eq!((&trailers["x-sum"], &trailers["x-more"]), (&"42".parse().unwrap(), &"1".parse().unwrap()));
    let received = upstream.only();
    assert_eq!(received.body, b"hello world");
    assert!(
        received.bytes.ends_with(b"\r\n0\r\nx-check: 1\r\n\r\n"),
        "{}",
        String::from_utf8_lossy(&received.bytes)
    );
}

#[test]
fn a_connection_carries_128_requests_at_once() {
    const STREAMS: usize = 128;
    // Nobody is answered before all have come.
    let together = Arc::new(Barrier::new(STREAMS));
    let upstream = Upstream::start(move |received| {
        together.wait();
        Answer::json("200 OK", &format!("{:?}", received.line()))
    });
    let gateway = gateway(&upstream.url(), "");
    let client = H2Client::connect(gateway.address());
    for _ in 0..2 {
        let mut answers = client.run(async |sender| {
            let mut under_way = tokio::task::JoinSet::new();
            for number in 0..STREAMS {
                let mut sender = sender.clone();
                under_way.spawn_local(async move {
                    let answer = sender.send(get(&format!("/{number}"))).await.unwrap();
                    (number, answer.into_body().collect().await.unwrap().to_bytes())
                });
            }
            under_way.join_all().await
        });
        answers.sort();
        for (number, body) in answers {
            assert_eq!(body, format!("\"GET /{number} HTTP/1.1\""));
        }
    }
}

#[test]
fn a_stream_that_is_cancelled_ends_its_request_alone() {
    let (ended, end) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /slow") {
                ended.send(peer.rest()).unwrap();
                return;
            }
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let client = H2Client::connect(gateway.address());
    client.run(async |sender| {
        let mut other = sender.clone();
        let slow = tokio::task::spawn_local(async move { other.send(get("/slow")).await.map(drop) });
        assert_eq!(sender.send(get("/quick")).await.unwrap().status(), 200);
        while upstream.connections() < 2 {
            tokio::task::yield_now().await;
        }
        slow.abort();
        assert!(slow.await.unwrap_err().is_cancelled());
        // The connection goes on.
        assert_eq!(sender.send(get("/quick")).await.unwrap().status(), 200);
    });
    assert_eq!(end.recv().unwrap(), b"");
    gateway.wait_for_log(&["/slow"]);
}

#[test]
fn a_cut_answer_resets_its_stream_alone() {
    let upstream = RawUpstream::start(|mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /cut") {
                peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
                return;
            }
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let client = H2Client::connect(gateway.address());
    client.run(async |sender| {
        // The reset may overtake what came before it.
        if let Ok(answer) = sender.send(get("/cut")).await {
            assert_eq!(answer.status(), 200);
            assert!(answer.into_body().collect().await.is_err(), "a reset, not an end");
        }
        assert_eq!(sender.send(get("/whole")).await.unwrap().status(), 200);
    });
}

#[test]
fn an_application_that_answers_early_still_gets_the_whole_body() {
    const PIECES: usize = 64;
    let (whole, received) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        peer.head().unwrap();
        peer.write("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok");
        whole.send(peer.skip((PIECES << 16) as u64)).unwrap();
        peer.rest();
    });
    let gateway = gateway(&upstream.url(), "[server.caps]\nbody = \"8 MiB\"\n");
    let client = H2Client::connect(gateway.address());
    let (sender_of_pieces, pieces) = tokio::sync::mpsc::channel(1);
    let pieces =
        futures_util::stream::unfold(pieces, async |mut pieces: tokio::sync::mpsc::Receiver<Bytes>| {
            let piece = pieces.recv().await?;
            Some((Ok::<_, std::convert::Infallible>(Frame::data(piece)), pieces))
        });
    let request = Request::post("http://gateway.test/")
        .header("content-length", (PIECES << 16).to_string())
        .body(StreamBody::new(Box::pin(pieces)))
        .unwrap();
    client.run(async |sender| {
        let answer = sender.send(request).await.unwrap();
        assert_eq!(answer.status(), 202, "before a byte of the body was sent");
        let uploading = async {
            for _ in 0..PIECES {
                // Once the answer is whole, a server may end the rest of the request.
                if sender_of_pieces.send(Bytes::from(vec![b'x'; 1 << 16])).await.is_err() {
                    return;
                }
            }
            drop(sender_of_pieces);
        };
        let ((), body) = tokio::join!(uploading, answer.into_body().collect());
        assert_eq!(body.unwrap().to_bytes(), "ok");
        // What is on its way still has to leave this side.
        loop {
            match received.try_recv() {
                Ok(whole) => break assert!(whole, "the body was cut"),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
}

#[test]
fn an_answer_without_a_body_is_one() {
    let upstream = RawUpstream::start(|mut peer| {
        while let Some(head) = peer.head() {
            peer.write(match head.split(' ').nth(1).unwrap() {
                "/204" => "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
                "/103" => {
                    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                }
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: X-Own\r\nX-Own: 1\r\n\r\n",
            });
        }
    });
    let gateway = gateway(&upstream.url(), "");
    let client = H2Client::connect(gateway.address());
    client.run(async |sender| {
        for (method, path, status, length) in [
            ("GET", "/204", 204, None),
            ("GET", "/304", 304, Some("99")),
            ("GET", "/103", 200, Some("0")),
            ("HEAD", "/", 200, Some("99")),
        ] {
            let uri = format!("http://gateway.test{path}");
            let request = Request::builder().method(method).uri(uri).body(Full::<Bytes>::default()).unwrap();
            let answer = sender.send(request).await.unwrap();
            let found = answer.headers().get("content-length").map(|it| it.to_str().unwrap().to_owned());
            assert_eq!((answer.status().as_u16(), found.as_deref()), (status, length), "{method} {path}");
            assert!(!answer.headers().contains_key("x-own"), "named by Connection: it ends here");
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 0);
        }
    });
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_stream_whose_client_takes_nothing_is_let_go() {
    let (let_go, told) = mpsc::channel();
    let upstream = RawUpstream::start(move |mut peer| {
        let head = peer.head().unwrap();
        if head.starts_with("GET /quick") {
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            return;
        }
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while peer.write(&chunk) {}
        let_go.send(()).unwrap();
    });
    let gateway = gateway(&upstream.url(), "[server.caps]\nbody_timeout = \"200ms\"\n");
    let client = H2Client::connect(gateway.address());
    client.run(async |sender| {
        let stalled = sender.send(get("/large")).await.unwrap();
        assert_eq!(stalled.status(), 200);
        // It goes on answering what the connection itself asks, and takes another stream's answer.
        while told.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(sender.send(get("/quick")).await.unwrap().status(), 200);
        assert!(stalled.into_body().collect().await.is_err());
    });
}

#[test]
fn cookies_in_crumbs_arrive_as_one() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream.url(), "");
    let client = H2Client::connect(gateway.address());
    let request = Request::get("http://gateway.test/")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x_auth_user", "admin")
        .header("content_length", "7")
        .body(Full::<Bytes>::default())
        .unwrap();
    client.run(async |sender| assert_eq!(sender.send(request).await.unwrap().status(), 200));
    let received = upstream.only();
    assert_eq!(received.field("cookie"), Some("a=1; b=2"));
    assert!(!received.head.contains('_'), "{}", received.head);
    assert_eq!(received.field("host"), Some("gateway.test"));
}

#[test]
fn malformed_requests_are_refused_here_too() {
    let upstream = RawUpstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    let gateway = gateway(&upstream.url(), "");
    let base = [(":method", "GET"), (":scheme", "http"), (":authority", "gateway.test"), (":path", "/")];
    // Each is the sound request with fields replaced (same name) or added.
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("a user in the authority", &[(":authority", "user@gateway.test")]),
        ("an authority with a path", &[(":authority", "gateway.test/x")]),
        ("an authority with a blank", &[(":authority", "a b")]),
        ("no authority", &[(":authority", "")]),
        ("Host that disagrees", &[("host", "other.test")]),
        ("Host twice", &[("host", "gateway.test"), ("host ", "gateway.test")]),
        ("connection-specific field", &[("connection", "close")]),
        ("Transfer-Encoding", &[("transfer-encoding", "chunked")]),
        ("Upgrade", &[("upgrade", "websocket")]),
        ("TE beyond trailers", &[("te", "gzip")]),
        ("name in capitals", &[("X-A", "b")]),
        ("name with a blank", &[("x a", "b")]),
        ("value with CRLF", &[("x-a", "b\r\nx-c: d")]),
        ("value with NUL", &[("x-a", "b\0")]),
        ("length that is a list", &[("content-length", "0, 0")]),
        ("length with a sign", &[("content-length", "+0")]),
        ("length without a body", &[("content-length", "5")]),
        ("method in small letters", &[(":method", "get")]),
        ("method that is no token", &[(":method", "GE T")]),
        ("CONNECT", &[(":method", "CONNECT")]),
        ("empty path", &[(":path", "")]),
        ("path without a slash", &[(":path", "x")]),
        ("asterisk for GET", &[(":path", "*")]),
        ("blank in the path", &[(":path", "/a b")]),
        ("request line in the path", &[(":path", "/ HTTP/1.1\r\nX-A: b")]),
        ("byte beyond ASCII in the path", &[(":path", "/\u{e4}")]),
        ("byte beyond ASCII in the query", &[(":path", "/?\u{e4}")]),
        ("backslash", &[(":path", "/a\\b")]),
        ("dot segment", &[(":path", "/a/../b")]),
        ("NUL", &[(":path", "/a%00")]),
        ("unknown pseudo field", &[(":protocol", "websocket")]),
        ("an expectation that cannot be met", &[("expect", "200-ok")]),
    ];
    let mut wrong = Vec::new();
    for (name, changes) in cases {
        let mut fields: Vec<(&str, &str)> = base.to_vec();
        for (field, value) in *changes {
            let field = field.trim_end();
            match fields.iter_mut().find(|(name, _)| *name == field && field.starts_with(':')) {
                Some(known) => known.1 = value,
                None if field == ":protocol" => fields.insert(1, (field, value)),
                None => fields.push((field, value)),
            }
        }
        let outcome = portcullis_tests::h2_outcome(gateway.address(), &fields);
        if !outcome.is_refused() || upstream.connections() > 0 {
            wrong.push(format!("{name}: {outcome:?}, {} connections", upstream.connections()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let outcome = portcullis_tests::h2_outcome(gateway.address(), &base);
    assert!(!outcome.is_refused() && upstream.connections() == 1, "the sound one goes through: {outcome:?}");
}
