//! The same decision as a tower layer, for people who embed it in an axum, tonic or hyper service.
//!
//! ```
//! # use std::sync::Arc;
//! # use portcullis_gate::{Gate, Policy, layer::GateLayer};
//! # fn example(gate: Arc<Gate>, policy: Arc<Policy>) {
//! let layer = GateLayer::new(gate, policy);
//! # let _ = layer;
//! # }
//! ```
//!
//! The query and what the head says of the body are judged; the body itself is passed on unread. Rules for its
//! fields need [`GateLayer::holding`], which gives the service a body of another type.
//!
//! The service in front must put the peer's address into the request's extensions as [`Peer`]; a request
//! without one is refused, because every limit would count it as somebody else.

mod holding;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use portcullis_core::{Denial, Field, Head, Identity, Now, Upgrade};
use tower_layer::Layer;
use tower_service::Service;

use crate::authn::cookies;
use crate::context::{RequestContext, RequestId};
use crate::{Admission, Gate, Permit, Policy, Reply};

pub use holding::{HoldingLayer, HoldingService};

/// The address of the other end of the connection, and whether it came over TLS.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// Whether the service ended TLS.
    pub secure: bool,
}

/// Who the caller was proven to be; in the extensions of every admitted request that needed a credential.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Identity>);

/// Wraps services with a gate.
#[derive(Debug, Clone)]
pub struct GateLayer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    gate: Arc<Gate>,
    policy: Arc<Policy>,
    started: Instant,
}

impl GateLayer {
    /// A layer that decides by `policy`. The targets of its routes have no meaning here: what is admitted
    /// goes to the wrapped service.
    pub fn new(gate: Arc<Gate>, policy: Arc<Policy>) -> Self {
        Self { shared: Arc::new(Shared { gate, policy, started: Instant::now() }) }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> GateService<S> {
        GateService { inner, shared: Arc::clone(&self.shared) }
    }
}

/// A service behind a gate.
#[derive(Debug, Clone)]
pub struct GateService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, B, R> Service<Request<B>> for GateService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<Either<R, Full<Bytes>>>;
    type Error = S::Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.shared.decide(&mut request) {
            (Ok(_), ctx) => GateFuture(State::Inner {
                future: Box::pin(self.inner.call(request)),
                ctx: Box::new(ctx),
                shared: Arc::clone(&self.shared),
            }),
            (Err(reply), ctx) => GateFuture(State::Ours(Some(Box::new(self.shared.answer(*reply, &ctx))))),
        }
    }
}

impl Shared {
    /// Decides, and makes an admitted request what the application may see.
    fn decide<B>(&self, request: &mut Request<B>) -> (Result<Permit, Box<(Reply, bool)>>, RequestContext) {
        let peer = request.extensions().get::<Peer>().copied();
        let Peer { address, secure } = peer.unwrap_or(Peer { address: [0, 0, 0, 0].into(), secure: false });
        let fields: Vec<Field<'_>> = request
            .headers()
            .iter()
            .map(|(name, value)| Field { name: name.as_str(), value: value.as_bytes() })
            .collect();
        let mut head = Head {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query(),
            authority: request.uri().authority().map_or("", http::uri::Authority::as_str),
            secure,
            upgrade: Upgrade::None,
            fields: &fields,
        };
        if head.authority.is_empty() {
            head.authority = head.text("host").unwrap_or_default();
        }
        if let Some(protocol) = head.text("upgrade") {
            let websocket = protocol.eq_ignore_ascii_case("websocket");
            head.upgrade = if websocket { Upgrade::WebSocket } else { Upgrade::Other };
        }
        let id = RequestId::of(&head).unwrap_or_else(random_id);
        let mut ctx = RequestContext::new(self.now(), address, secure, id);
        let decided = match peer {
            Some(_) => self.gate.admit(&self.policy, &head, &mut ctx),
            None => Err(Denial::Internal),
        };
        match decided {
            Ok(Admission::Forward(permit)) => {
                let route = permit.route(&self.policy);
                let withheld: Vec<HeaderName> = request
                    .headers()
                    .keys()
                    .filter(|name| self.policy.withholds(route, name.as_str()))
                    .cloned()
                    .collect();
                for name in withheld {
                    request.headers_mut().remove(name);
                }
                if let Some(cookie) = self.policy.withheld_cookie(route) {
                    withhold_cookie(request.headers_mut(), cookie);
                }
                let headers = request.headers_mut();
                self.policy.write_identity(route, ctx.identity.as_deref(), &ctx, &mut |name, value| {
                    put(headers, name, value);
                });
                if let Some(identity) = &ctx.identity {
                    request.extensions_mut().insert(Caller(Arc::clone(identity)));
                }
                request.headers_mut().remove("x-request-id");
                put(request.headers_mut(), "x-request-id", ctx.request_id.as_bytes());
                (Ok(permit), ctx)
            }
            Ok(Admission::Preflight) => (Err(Box::new((Reply::preflight(), true))), ctx),
            Err(denial) => (Err(Box::new((self.policy.reply(&denial, &ctx), false))), ctx),
        }
    }

    /// An answer of the gate's own, sealed.
    fn answer(&self, (reply, preflight): (Reply, bool), ctx: &RequestContext) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(reply.body)));
        *response.status_mut() =
            StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        put(headers, "content-type", reply.content_type.as_bytes());
        for (name, value) in &reply.fields {
            put(headers, name, value.as_bytes());
        }
        let seal = if preflight { self.policy.seal_preflight() } else { self.policy.seal() };
        seal.finish(ctx, |name, value| put(headers, name, value));
        response
    }

    /// The wrapped service's answer, sealed.
    fn sealed<R>(&self, response: Response<R>, ctx: &RequestContext) -> Response<Either<R, Full<Bytes>>> {
        let (mut parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        if self.policy.replaces(ctx, status) {
            return self.answer((self.policy.replaced(status, ctx), false), ctx).map(Either::Right);
        }
        let mut sealing = self.policy.seal();
        let mut kept = HeaderMap::with_capacity(parts.headers.len() + 12);
        for (name, value) in &parts.headers {
            if sealing.passes(ctx, name.as_str()) {
                kept.append(name.clone(), value.clone());
            }
        }
        sealing.finish(ctx, |name, value| put(&mut kept, name, value));
        parts.headers = kept;
        Response::from_parts(parts, Either::Left(body))
    }

    fn now(&self) -> Now {
        Now {
            monotonic_ms: self.started.elapsed().as_millis() as u64,
            unix_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
        }
    }
}

/// Appends a field whose name and value may come from configuration.
fn put(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
        headers.append(name, value);
    }
}

/// Takes one cookie out of every `Cookie` field.
fn withhold_cookie(headers: &mut HeaderMap, withheld: &str) {
    let fields: Vec<HeaderValue> = headers.get_all(http::header::COOKIE).iter().cloned().collect();
    headers.remove(http::header::COOKIE);
    for field in fields {
        let mut kept = Vec::new();
        cookies::without(field.as_bytes(), withheld, &mut kept);
        if !kept.is_empty() {
            put(headers, "cookie", &kept);
        }
    }
}

fn random_id() -> RequestId {
    let mut bits = [0; 16];
    // Without random numbers ids may repeat; they tell requests apart, they protect nothing.
    let _ = getrandom::fill(&mut bits);
    RequestId::from_random(u128::from_le_bytes(bits))
}

/// The answer on its way.
pub struct GateFuture<F>(State<F>);

enum State<F> {
    Inner { future: Pin<Box<F>>, ctx: Box<RequestContext>, shared: Arc<Shared> },
    Ours(Option<Box<Response<Full<Bytes>>>>),
}

impl<F, R, E> Future for GateFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<Either<R, Full<Bytes>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            State::Inner { future, ctx, shared } => {
                let response = ready!(future.as_mut().poll(cx))?;
                Poll::Ready(Ok(shared.sealed(response, ctx)))
            }
            State::Ours(response) => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(Either::Right))),
                None => Poll::Pending,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};

    use portcullis_core::Secret;
    use portcullis_core::identity::Scheme;
    use portcullis_core::quota::{LimitSpec, LimitTable, Scope};

    use super::*;
    use crate::authn::{Authenticator, Authn, SharedSecret};
    use crate::edge::{self, Edge};
    use crate::headers::{self, Headers};
    use crate::limit::{LimitRule, Mode};
    use crate::policy::{Parts, ReplaceErrors, Route, Target, UnknownRoutes};
    use crate::reply::Replies;

    /// Answers with the names of the fields it was shown, and with what it says of itself.
    #[derive(Clone)]
    struct Application;

    impl Service<Request<()>> for Application {
        type Response = Response<String>;
        type Error = Infallible;
        type Future = Ready<Result<Response<String>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<()>) -> Self::Future {
            let caller = request.extensions().get::<Caller>().map(|caller| caller.0.user.to_string());
            let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
            let mut response = Response::new(format!("{caller:?} {}", names.join(" ")));
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

    fn layer_of(default_route: Route) -> GateLayer {
        GateLayer::new(Arc::new(Gate::new(LimitTable::new(0), [1, 2])), Arc::new(policy_of(default_route)))
    }

    /// A policy of that route alone, which knows one API key.
    pub(super) fn policy_of(default_route: Route) -> Policy {
        let secret = SharedSecret::new(Scheme::ApiKey, "X-API-Key", vec![Secret::new("the-key".to_owned())]);
        Policy::new(Parts {
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
        })
        .unwrap()
    }

    /// Sends a request with those fields and gives status, headers and the application's body.
    fn ask(
        layer: &GateLayer,
        peer: Option<Peer>,
        fields: &[(&str, &str)],
    ) -> (u16, HeaderMap, Option<String>) {
        let mut request = Request::builder().uri("/orders?x=1").header("host", "api.example");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let mut future = Box::pin(layer.layer(Application).call(request));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut cx) else { panic!("it waits for nothing") };
        let (parts, body) = response.into_parts();
        let body = match body {
            Either::Left(text) => Some(text),
            Either::Right(_) => None,
        };
        (parts.status.as_u16(), parts.headers, body)
    }

    const PEER: Option<Peer> =
        Some(Peer { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), secure: false });

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
}
