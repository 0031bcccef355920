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
//! A body that the route judges is held until it was, and goes on cleaned where that is asked; every other is passed on unread. How
//! long a client may take to send one is for the service in front to say.
//!
//! The service in front must put the peer's address into the request's extensions as [`Peer`]; a request
//! without one is refused, because every limit would count it as somebody else.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Either, Full};
use portcullis_core::identity::Scheme;
use portcullis_core::{Denial, Field, Head, Identity, Now, Upgrade};
use tower_layer::Layer;
use tower_service::Service;

use crate::authn::{cookies, protocol};
use crate::context::{RequestContext, RequestId};
use crate::{Admission, Gate, Permit, Policy, Reply};

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

/// The body of a request that was admitted: as it came, or as it was held and judged.
pub type Passed<B> = Either<B, Full<Bytes>>;

/// An answer: the wrapped service's, or the gate's.
type Answer<R> = Response<Either<R, Full<Bytes>>>;

impl<S, B, R> Service<Request<B>> for GateService<S>
where
    S: Service<Request<Passed<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    R: 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Response = Answer<R>;
    type Error = S::Error;
    type Future = GateFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.shared.decide(&mut request) {
            (Ok(permit), ctx) => {
                let shared = Arc::clone(&self.shared);
                match permit.holds(&shared.policy) {
                    None => GateFuture(State::Inner {
                        future: Box::pin(self.inner.call(request.map(Either::Left))),
                        ctx: Box::new(ctx),
                        shared,
                    }),
                    Some(most) => {
                        // The one that said it is ready is the one that is called.
                        let spare = self.inner.clone();
                        let ready = std::mem::replace(&mut self.inner, spare);
                        GateFuture(State::Held(Box::pin(shared.hold(ready, request, permit, ctx, most))))
                    }
                }
            }
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
                    withhold(request.headers_mut(), "cookie", |value, out| {
                        cookies::without(value, cookie, out);
                    });
                }
                if ctx.announced {
                    withhold(request.headers_mut(), protocol::FIELD, protocol::without);
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
            // A layer sees no message: here a WebSocket has to prove itself by its handshake.
            Ok(Admission::Login(_)) => {
                let denial = Denial::MissingCredential(Scheme::FirstMessage);
                (Err(Box::new((self.policy.reply(&denial, &ctx), false))), ctx)
            }
            Ok(Admission::Preflight) => (Err(Box::new((Reply::preflight(), true))), ctx),
            Err(denial) => (Err(Box::new((self.policy.reply(&denial, &ctx), false))), ctx),
        }
    }

    /// Holds the body, judges it and where its URLs lead, and only then calls the service.
    async fn hold<S, B, R>(
        self: Arc<Self>,
        mut inner: S,
        request: Request<B>,
        permit: Permit,
        mut ctx: RequestContext,
        most: usize,
    ) -> Result<Answer<R>, S::Error>
    where
        S: Service<Request<Passed<B>>, Response = Response<R>>,
        B: Body<Data = Bytes> + Unpin,
    {
        let (mut parts, mut body) = request.into_parts();
        let judged = match read(&mut body, most).await {
            Err(denial) => Err(denial),
            Ok(held) => match permit.judge_body(&self.policy, &mut ctx, held) {
                Err(denial) => Err(denial),
                Ok((held, urls)) => permit.check_urls(&self.policy, urls, &mut ctx).await.map(|()| held),
            },
        };
        match judged {
            Err(denial) => {
                let reply = self.policy.reply(&denial, &ctx);
                Ok(self.answer((reply, false), &ctx).map(Either::Right))
            }
            Ok(held) => {
                // It may have been cleaned, and it is whole.
                parts.headers.remove(TRANSFER_ENCODING);
                if parts.headers.remove(CONTENT_LENGTH).is_some() || !held.is_empty() {
                    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(held.len()));
                }
                let request = Request::from_parts(parts, Either::Right(Full::new(Bytes::from(held))));
                Ok(self.sealed(inner.call(request).await?, &ctx))
            }
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
        if ctx.announced && status == 101 && !parts.headers.contains_key(protocol::FIELD) {
            put(&mut kept, protocol::FIELD, protocol::NAME.as_bytes());
        }
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

/// Leaves of the fields of that name what `keep` appends of each; those of which that is nothing go.
fn withhold(headers: &mut HeaderMap, name: &'static str, keep: impl Fn(&[u8], &mut Vec<u8>)) {
    let fields: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
    headers.remove(name);
    for field in fields {
        let mut kept = Vec::new();
        keep(field.as_bytes(), &mut kept);
        if !kept.is_empty() {
            put(headers, name, &kept);
        }
    }
}

fn random_id() -> RequestId {
    let mut bits = [0; 16];
    // Without random numbers ids may repeat; they tell requests apart, they protect nothing.
    let _ = getrandom::fill(&mut bits);
    RequestId::from_random(u128::from_le_bytes(bits))
}

/// Reads a whole body, as far as one byte more than `most`. Trailers are left out: they are not judged.
async fn read<B: Body<Data = Bytes> + Unpin>(body: &mut B, most: usize) -> Result<Vec<u8>, Denial> {
    let mut held = Vec::new();
    while held.len() <= most {
        let data = match body.frame().await {
            None => break,
            Some(Err(_)) => return Err(Denial::Malformed("body-aborted")),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        held.extend_from_slice(&data[..data.len().min(most + 1 - held.len())]);
    }
    Ok(held)
}

/// The answer on its way.
pub struct GateFuture<F, R, E>(State<F, R, E>);

enum State<F, R, E> {
    Inner { future: Pin<Box<F>>, ctx: Box<RequestContext>, shared: Arc<Shared> },
    Held(Pin<Box<dyn Future<Output = Result<Answer<R>, E>> + Send>>),
    Ours(Option<Box<Response<Full<Bytes>>>>),
}

impl<F, R, E> Future for GateFuture<F, R, E>
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
            State::Held(future) => future.as_mut().poll(cx),
            State::Ours(response) => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(Either::Right))),
                None => Poll::Pending,
            },
        }
    }
}

#[cfg(test)]
mod tests;
