//! A service behind the layer.

use std::convert::Infallible;
use std::future::{Ready, ready};

use portcullis_core::Secret;
use portcullis_core::denial::UrlFault;
use portcullis_core::identity::Scheme;
use portcullis_core::outbound::{Checking, RefusedUrl, UrlGuard};
use portcullis_core::quota::{LimitSpec, LimitTable, Scope};

use super::*;
use crate::authn::{Authenticator, Authn, SharedSecret};
use crate::edge::{self, Edge};
use crate::headers::{self, Headers};
use crate::limit::{LimitRule, Mode};
use crate::policy::{Parts, ReplaceErrors, Route, Target, UnknownRoutes};
use crate::reply::Replies;
use crate::validate::patterns::Patterns;
use crate::validate::{self, Cleaning, Fields, Kind, Object, Rule};

/// Answers with the names of the fields it was shown, and with what it says of itself.
#[derive(Clone)]
struct Application;

impl Service<Request<Passed<Full<Bytes>>>> for Application {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Passed<Full<Bytes>>>) -> Self::Future {
        let caller = request.extensions().get::<Caller>().map(|caller| caller.0.user.to_string());
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        let said = match request.body() {
            Either::Left(_) => format!("{caller:?} {}", names.join(" ")),
            Either::Right(held) => whole(held.clone()),
        };
        let mut response = Response::new(said);
        response.headers_mut().insert("server", HeaderValue::from_static("application/1.0"));
        ready(Ok(response))
    }
}

fn rule(text: &str) -> LimitRule {
    let spec: LimitSpec = text.parse().unwrap();
    LimitRule::new("", spec.rate, spec.scope.unwrap_or(Scope::Ip), Mode::Enforce)
}

fn layer() -> GateLayer {
    layer_that(false)
}

fn layer_that(observe: bool) -> GateLayer {
    layer_of(Route { observe, before_authn: vec![rule("2/minute per ip")], ..guarded() })
}

fn guarded() -> Route {
    Route { accepts: vec![Scheme::ApiKey], ..Route::open("default", Target::Upstream(0)) }
}

/// Takes no URL that says `inside`, and needs a moment for every one.
#[derive(Debug)]
struct Outside;

impl UrlGuard for Outside {
    fn check<'a>(&'a self, url: &'a str) -> Checking<'a> {
        let mut asked = false;
        Box::pin(std::future::poll_fn(move |cx| {
            if !std::mem::replace(&mut asked, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let refused = || RefusedUrl { fault: UrlFault::PrivateNetwork, why: "it is inside".to_owned() };
            Poll::Ready(if url.contains("inside") { Err(refused()) } else { Ok(()) })
        }))
    }
}

/// A layer whose route takes a body with public URLs.
fn judging(observe: bool) -> GateLayer {
    let body = validate::Body { public_urls: vec!["/url".parse().unwrap()], ..validate::Body::default() };
    let validate = validate::Config { query: None, body: Some(body), patterns: None };
    layer_of(Route { observe, validate, ..Route::open("default", Target::Upstream(0)) })
}

fn layer_of(default_route: Route) -> GateLayer {
    let secret = SharedSecret::new(Scheme::ApiKey, "X-API-Key", vec![Secret::new("the-key".to_owned())]);
    let policy = Policy::new(Parts {
        edge: Edge::new(edge::Config::default()),
        routes: Vec::new(),
        default_route,
        unknown_routes: UnknownRoutes::Pass,
        cors: None,
        authn: Authn::new(vec![Authenticator::SharedSecret(secret)]),
        failures: LimitRule::new("failures", rule("20/minute").rate, Scope::Ip, Mode::Enforce),
        headers: Headers::new(headers::Config::default()),
        replies: Replies::default(),
        replace_errors: ReplaceErrors::Never,
        identity: crate::onward::Onward::default(),
        urls: Some(Arc::new(Outside)),
    });
    GateLayer::new(Arc::new(Gate::new(LimitTable::new(0), [1, 2])), Arc::new(policy.unwrap()))
}

/// Sends a request with those fields and gives status, headers and the application's body.
fn ask(layer: &GateLayer, peer: Option<Peer>, fields: &[(&str, &str)]) -> (u16, HeaderMap, Option<String>) {
    let (status, headers, body) = send(layer, peer, fields, "");
    (status, headers, body.left())
}

/// The same with a body; gives what the application said, or what the gate did.
fn send(
    layer: &GateLayer,
    peer: Option<Peer>,
    fields: &[(&str, &str)],
    body: &str,
) -> (u16, HeaderMap, Said) {
    let mut request = Request::builder().uri("/orders?x=1").header("host", "api.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    let mut future = Box::pin(layer.layer(Application).call(request));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let answered = (0..3).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(Ok(response)) => Some(response),
        Poll::Pending => None,
    });
    let (parts, body) = answered.expect("it waits for the guard alone").into_parts();
    let said = match body {
        Either::Left(text) => Said::Theirs(text),
        Either::Right(body) => Said::Ours(whole(body)),
    };
    (parts.status.as_u16(), parts.headers, said)
}

/// Whose answer it was.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Theirs(String),
    Ours(String),
}

impl Said {
    fn left(self) -> Option<String> {
        match self {
            Said::Theirs(text) => Some(text),
            Said::Ours(_) => None,
        }
    }
}

fn whole(mut body: Full<Bytes>) -> String {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(&mut cx) else { panic!("all of it is there") };
    let data = frame.and_then(|frame| frame.unwrap().into_data().ok()).unwrap_or_default();
    String::from_utf8(data.to_vec()).unwrap()
}

const PEER: Option<Peer> = Some(Peer { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), secure: false });

#[test]
fn the_service_sees_only_what_was_admitted_and_no_credential() {
    let layer = layer();
    let (status, headers, body) = ask(&layer, PEER, &[]);
    assert_eq!((status, body), (401, None));
    assert_eq!(headers["www-authenticate"], "ApiKey");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let (status, headers, body) =
        ask(&layer, PEER, &[("x-api-key", "the-key"), ("x-auth-user", "root"), ("accept", "*/*")]);
    let body = body.unwrap();
    assert_eq!(status, 200);
    assert!(body.starts_with(r#"Some("api-key")"#), "{body}");
    assert!(!body.contains("x-api-key") && body.contains("accept"), "{body}");
    assert_eq!(body.matches("x-auth-user").count(), 1, "the client's own is replaced: {body}");
    assert!(!headers.contains_key("server"));
    assert_eq!(headers["x-ratelimit-remaining"], "0");
    assert_eq!(ask(&layer, PEER, &[("x-api-key", "the-key")]).0, 429);
}

#[test]
fn a_route_that_observes_refuses_nobody() {
    let layer = layer_that(true);
    for fields in [&[][..], &[("x-api-key", "wrong")], &[("x-api-key", "the-key")], &[]] {
        assert_eq!(ask(&layer, PEER, fields).0, 200);
    }
}

/// Ruling R4: guessing is slow, a guess that hits does not show, and who was known before stays in.
#[test]
fn an_address_that_guessed_too_much_is_heard_only_for_what_succeeded_from_there() {
    let right = [("x-api-key", "the-key")];
    let guess = |layer: &GateLayer| {
        (0..25).map(|_| ask(layer, PEER, &[("x-api-key", "wrong")]).0).collect::<Vec<_>>()
    };
    let stranger = layer();
    assert_eq!(guess(&stranger), [[401; 20].as_slice(), &[429; 5]].concat());
    assert_eq!(ask(&stranger, PEER, &right).0, 429, "a guess that hits");
    let elsewhere = PEER.map(|peer| Peer { address: [127, 0, 0, 2].into(), ..peer });
    assert_eq!(ask(&stranger, elsewhere, &right).0, 200);
    let known = layer();
    assert_eq!(ask(&known, PEER, &right).0, 200);
    guess(&known);
    assert_eq!(ask(&known, PEER, &right).0, 200, "succeeded from there within the hour");
}

#[test]
fn who_asks_in_vain_uses_up_what_nobody_has() {
    let layer = layer_of(Route { before_authn: vec![rule("2/minute per anonymous")], ..guarded() });
    let statuses: Vec<u16> = (0..4).map(|_| ask(&layer, PEER, &[]).0).collect();
    assert_eq!(statuses, [401, 401, 429, 429]);
    for _ in 0..4 {
        assert_eq!(ask(&layer, PEER, &[("x-api-key", "the-key")]).0, 200, "who is somebody has another");
    }
    assert_eq!(ask(&layer, PEER, &[("x-api-key", "wrong")]).0, 401, "nor is a wrong one counted");
}

#[test]
fn a_request_from_nowhere_is_refused() {
    assert_eq!(ask(&layer(), None, &[("x-api-key", "the-key")]).0, 500);
}

#[test]
fn a_body_is_held_until_it_and_its_urls_were_judged() {
    let layer = judging(false);
    let json = [("content-type", "application/json")];
    let body = r#"{ "url": "https://outside.example/" }"#;
    assert_eq!(send(&layer, PEER, &json, body).2, Said::Theirs(body.to_owned()));
    assert_eq!(send(&layer, PEER, &json, "").2, Said::Theirs(String::new()));
    let (status, _, said) =
        send(&layer, PEER, &json, r#"{"url":["https://outside.example/","http://inside/"]}"#);
    let Said::Ours(told) = said else { panic!("{said:?}") };
    assert_eq!(status, 403);
    assert!(
        told.contains("url-private-network") && told.contains(r#""errors":[{"pointer":"/url/1","#),
        "{told}"
    );
    for (body, expected) in [("no JSON", 422), (r#"{"url":1}"#, 422), (r#"{"url":"a","url":"b"}"#, 422)] {
        let (status, _, said) = send(&layer, PEER, &json, body);
        assert!(status == expected && matches!(said, Said::Ours(_)), "{body}: {status} {said:?}");
    }
    let large = format!(r#"{{"url":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(send(&layer, PEER, &json, &large).0, 413);
}

#[test]
fn a_route_that_observes_lets_a_url_pass() {
    let body = r#"{"url":"http://inside/"}"#;
    assert_eq!(send(&judging(true), PEER, &[], body).2, Said::Theirs(body.to_owned()));
}

#[test]
fn a_body_goes_on_cleaned_and_one_that_looks_like_an_attack_does_not() {
    let trimmed = Rule { required: true, cleaning: Some(Cleaning::Trim), ..Rule::from(Kind::String) };
    let object = Object { fields: Some(Fields::closed([("prompt", trimmed)])), ..Object::default() };
    let body = validate::Body { json: Some(object), ..validate::Body::default() };
    let patterns = Some(Arc::new(Patterns { enforce: true, ..Patterns::default() }));
    let validate = validate::Config { body: Some(body), patterns, ..validate::Config::default() };
    let layer = layer_of(Route { validate, ..Route::open("default", Target::Upstream(0)) });
    let json = [("content-type", "application/json"), ("content-length", "27")];
    let said = send(&layer, PEER, &json, r#"{ "prompt": " rainy walk " }"#).2;
    assert_eq!(said, Said::Theirs(r#"{ "prompt": "rainy walk" }"#.to_owned()));
    for (body, expected, code) in [
        (r#"{"prompt":7}"#, 422, "invalid-request"),
        ("", 422, "invalid-request"),
        (r#"{"prompt":"x' or 1=1 --"}"#, 403, "attack-pattern"),
    ] {
        let (status, _, said) = send(&layer, PEER, &json, body);
        let Said::Ours(told) = said else { panic!("{body}: {said:?}") };
        assert!(status == expected && told.contains(code), "{body}: {status} {told}");
    }
}
