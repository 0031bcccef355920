//! Sessions of browsers: a cookie that scripts and other sites cannot use.

use portcullis_tests::{
    Accounts, Certificate, Gateway, Launch, Login, Request, Response, Upstream, over_tls,
};
use rustls::version::TLS13;
use serde_json::json;

use super::{STORE_KEY, assert_refused, config, started, work};

/// Begins a session in a browser: the cookie's name and value, and what else it says of it.
fn begin(accounts: &Accounts, login: &Login) -> (String, String, Vec<String>) {
    let answer =
        accounts.send(&accounts.post("/auth/sessions", &json!({ "cookie": true })).bearer(&login.access));
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    // A script that reads the answer must not get what it cannot read in the cookie.
    let cookie = answer.field("set-cookie").unwrap_or_else(|| panic!("{}", answer.head)).to_owned();
    let mut parts = cookie.split(';').map(|part| part.trim().to_owned());
    let (name, value) =
        parts.next().unwrap().split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap();
    assert!(!answer.text().contains(&value), "{}", answer.text());
    (name, value, parts.map(|part| part.to_ascii_lowercase()).collect())
}

#[test]
fn a_cookie_is_for_this_site_alone_and_scripts_do_not_see_it() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let (name, value, attributes) = begin(&accounts, &login);
    assert_eq!((name.as_str(), value.len()), ("session", 43));
    for attribute in ["httponly", "samesite=lax", "path=/"] {
        assert!(attributes.iter().any(|one| one == attribute), "{attribute}: {attributes:?}");
    }
    assert!(!attributes.iter().any(|one| one.starts_with("domain")), "{attributes:?}");
    let request = work().header("Cookie", &format!("theme=dark; session={value}; lang=en"));
    assert_eq!(request.send_to(gateway.address()).status, 200);
    let received = upstream.only();
    assert_eq!(received.field("cookie"), Some("theme=dark; lang=en"), "the application's own pass");
    assert_eq!(received.field("x-auth-user"), Some("alice"));
    // One that was planted beside it shows that somebody meddles.
    let twice = work().header("Cookie", &format!("session={value}; session={}", "A".repeat(43)));
    assert_eq!(twice.send_to(gateway.address()).status, 401);
}

/// A request as a browser sends it, with what it says of the page that caused it.
fn from_page(gateway: &Gateway, value: &str, method: &str, fields: &[(&str, &str)]) -> Response {
    let request = Request::new(method, "/work").header("Cookie", &format!("session={value}"));
    let request = if method == "POST" { request.body("{}") } else { request };
    fields
        .iter()
        .fold(request, |request, (name, value)| request.header(name, value))
        .send_to(gateway.address())
}

#[test]
fn another_site_cannot_make_a_browser_act() {
    let upstream = Upstream::ok();
    let (gateway, accounts) =
        started(&upstream, "[cors]\norigins = [\"https://app.example.com\"]\ncredentials = true\n");
    let login = accounts.newcomer("alice");
    let (_, value, _) = begin(&accounts, &login);
    let allowed: [&[(&str, &str)]; 5] = [
        &[("Sec-Fetch-Site", "same-origin")],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "http://gateway.test")],
        // A page that is named in the configuration.
        &[("Origin", "https://app.example.com"), ("Sec-Fetch-Site", "cross-site")],
        // No browser: nobody can make it send a cookie.
        &[],
    ];
    for fields in allowed {
        assert_eq!(from_page(&gateway, &value, "POST", fields).status, 200, "{fields:?}");
    }
    let reached = upstream.count();
    let refused: [&[(&str, &str)]; 6] = [
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Origin", "http://gateway.test"), ("Origin", "https://evil.example")],
        &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")],
    ];
    for fields in refused {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            assert_refused(&from_page(&gateway, &value, method, fields), 403, "cross-site-request");
        }
        // A link from elsewhere may be followed.
        assert_eq!(from_page(&gateway, &value, "GET", fields).status, 200, "{fields:?}");
    }
    assert_eq!(upstream.count(), reached + refused.len());
    // A token is not sent by a browser by itself: no page can misuse it.
    let request = Request::post("/work", "{}").bearer(&login.access).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(request.send_to(gateway.address()).status, 200);
    // Our own endpoints stand behind the same gate.
    let request = Request::new("POST", &accounts.path("/auth/logout"))
        .header("Cookie", &format!("session={value}"))
        .header("Sec-Fetch-Site", "cross-site");
    assert_refused(&accounts.send(&request), 403, "cross-site-request");
    assert_eq!(from_page(&gateway, &value, "GET", &[]).status, 200);
}

#[test]
fn a_logout_takes_the_cookie_away() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "");
    let login = accounts.newcomer("alice");
    let (_, value, _) = begin(&accounts, &login);
    let request = Request::new("POST", &accounts.path("/auth/logout"))
        .header("Cookie", &format!("session={value}"))
        .header("Sec-Fetch-Site", "same-origin");
    let answer = accounts.send(&request);
    assert!(answer.status < 300, "{}", answer.text());
    let cleared = answer.field("set-cookie").unwrap_or_else(|| panic!("{}", answer.head));
    assert!(cleared.starts_with("session=;") && cleared.contains("Max-Age=0"), "{cleared}");
    assert_eq!(from_page(&gateway, &value, "GET", &[]).status, 401);
}

#[test]
fn over_tls_the_cookie_has_the_prefix_that_browsers_guard() {
    let (upstream, certificate) = (Upstream::ok(), Certificate::new());
    let text = config(&upstream.url(), "[server.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n");
    let gateway = Launch::run()
        .file("cert.pem", &certificate.pem())
        .file("key.pem", &certificate.key_pem())
        .config(&text)
        .env("STORE_KEY", STORE_KEY)
        .start();
    gateway.add_user("alice", "free");
    let ask = |request: &Request| {
        let bytes = String::from_utf8(request.clone().header("Connection", "close").bytes()).unwrap();
        let mut stream = certificate.client(&[&TLS13], &["http/1.1"]).connect(gateway.address()).unwrap();
        over_tls(&mut stream, &bytes)
    };
    let body = |answer: &str| answer.split("\r\n\r\n").nth(1).unwrap().to_owned();
    let login = json!({ "username": "alice", "password": portcullis_tests::PASSWORD });
    let answer = ask(&Request::post("/portcullis/auth/login", &login.to_string()));
    let login: serde_json::Value =
        serde_json::from_str(&body(&answer)).unwrap_or_else(|_| panic!("{answer}"));
    let token = login["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let answer = ask(&Request::post("/portcullis/auth/sessions", r#"{"cookie":true}"#).bearer(token));
    let cookie = answer
        .lines()
        .find(|line| line.to_lowercase().starts_with("set-cookie:"))
        .unwrap_or_else(|| panic!("{answer}"));
    for word in ["__Host-session=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(word), "{word}: {cookie}");
    }
    let value = cookie.split("__Host-session=").nth(1).unwrap().split(';').next().unwrap();
    assert!(ask(&work().header("Cookie", &format!("__Host-session={value}"))).starts_with("HTTP/1.1 200 "));
    assert!(ask(&work().header("Cookie", &format!("session={value}"))).starts_with("HTTP/1.1 401 "));
}
