//! The layer for services whose bodies are to be judged, inspected or cleaned: it holds those that a route has rules
//! for, as the gateway does, and passes all others on as they come.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Either, Full};
use portcullis_core::Denial;
use tower_layer::Layer;
use tower_service::Service;

use super::{GateLayer, Shared};

/// Wraps services with a gate that holds bodies where its policy says so. The wrapped service takes a body that is
/// the client's own or a held one. How long a body may take to come is the server's to say.
#[derive(Debug, Clone)]
pub struct HoldingLayer {
    shared: Arc<Shared>,
}

impl GateLayer {
    /// The same gate, for a service whose bodies are judged too.
    #[must_use]
    pub fn holding(self) -> HoldingLayer {
        HoldingLayer { shared: self.shared }
    }
}

impl<S> Layer<S> for HoldingLayer {
    type Service = HoldingService<S>;

    fn layer(&self, inner: S) -> HoldingService<S> {
        HoldingService { inner, shared: Arc::clone(&self.shared) }
    }
}

/// A service behind a gate that holds bodies.
#[derive(Debug, Clone)]
pub struct HoldingService<S> {
    inner: S,
    shared: Arc<Shared>,
}

type Answer<R, E> = Result<Response<Either<R, Full<Bytes>>>, E>;

impl<S, B, R> Service<Request<B>> for HoldingService<S>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    R: 'static,
{
    type Response = Response<Either<R, Full<Bytes>>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Answer<R, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        // The one that is ready is called; its clone waits for the next request.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        Box::pin(async move {
            let (decided, mut ctx) = shared.decide(&mut request);
            let permit = match decided {
                Ok(permit) => permit,
                Err(reply) => return Ok(shared.answer(*reply, &ctx).map(Either::Right)),
            };
            let request = match permit.holds(&shared.policy) {
                None => request.map(Either::Left),
                Some(most) => {
                    let (mut parts, body) = request.into_parts();
                    let held = match read(body, most).await {
                        Ok(held) => permit.judge_body(&shared.policy, &mut ctx, held),
                        Err(denial) => Err(denial),
                    };
                    let held = match held {
                        Ok(held) => held,
                        Err(denial) => {
                            let reply = shared.policy.reply(&denial, &ctx);
                            return Ok(shared.answer((reply, false), &ctx).map(Either::Right));
                        }
                    };
                    parts.headers.remove(TRANSFER_ENCODING);
                    if parts.headers.remove(CONTENT_LENGTH).is_some() || !held.is_empty() {
                        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(held.len()));
                    }
                    Request::from_parts(parts, Either::Right(Full::new(Bytes::from(held))))
                }
            };
            let response = inner.call(request).await?;
            Ok(shared.sealed(response, &ctx))
        })
    }
}

/// Reads a whole body, as far as one byte more than `most`. Trailers are left out: they are not judged.
async fn read<B: Body>(body: B, most: usize) -> Result<Vec<u8>, Denial> {
    let mut body = pin!(body);
    let mut held = Vec::new();
    while held.len() <= most {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|_| Denial::Malformed("body-aborted"))?;
        let Ok(mut data) = frame.into_data() else { continue };
        while data.has_remaining() && held.len() <= most {
            let piece = data.chunk();
            let count = piece.len().min(most + 1 - held.len());
            held.extend_from_slice(&piece[..count]);
            data.advance(count);
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use portcullis_core::quota::LimitTable;

    use super::super::Peer;
    use super::super::tests::policy_of;
    use super::*;
    use crate::Gate;
    use crate::policy::{Route, Target};
    use crate::validate::patterns::Patterns;
    use crate::validate::{self, Cleaning, Fields, Held, Kind, Object, Rule};

    /// Keeps what it was sent.
    #[derive(Clone, Default)]
    struct Application(Arc<Mutex<Vec<String>>>);

    impl Service<Request<Either<Full<Bytes>, Full<Bytes>>>> for Application {
        type Response = Response<String>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Either<Full<Bytes>, Full<Bytes>>>) -> Self::Future {
            let seen = Arc::clone(&self.0);
            Box::pin(async move {
                let length = request.headers().get(CONTENT_LENGTH).map(|it| it.to_str().unwrap().to_owned());
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let said = format!("{} {}", length.unwrap_or_default(), String::from_utf8_lossy(&body));
                seen.lock().unwrap().push(said);
                Ok(Response::new(String::new()))
            })
        }
    }

    fn layer(route: Route) -> HoldingLayer {
        let gate = Arc::new(Gate::new(LimitTable::new(0), [1, 2]));
        GateLayer::new(gate, Arc::new(policy_of(route))).holding()
    }

    fn judged() -> Route {
        let rule = Rule { required: true, cleaning: Some(Cleaning::Trim), ..Rule::from(Kind::String) };
        let object = Object { fields: Some(Fields::closed([("prompt", rule)])), ..Object::default() };
        let body =
            validate::Body { held: Held::new(64).unwrap(), json: Some(object), ..validate::Body::default() };
        let patterns = Some(Arc::new(Patterns { enforce: true, ..Patterns::default() }));
        let validate = validate::Config { body: Some(body), patterns, ..validate::Config::default() };
        Route { validate, ..Route::open("default", Target::Upstream(0)) }
    }

    async fn ask(layer: &HoldingLayer, application: &Application, body: &str) -> (u16, String) {
        let body = body.to_owned();
        let request = Request::post("/").header("host", "x").header("content-length", body.len());
        let mut request = request.body(Full::new(Bytes::from(body))).unwrap();
        request.extensions_mut().insert(Peer { address: [127, 0, 0, 1].into(), secure: false });
        let response = layer.layer(application.clone()).call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = match response.into_body() {
            Either::Left(text) => text,
            Either::Right(body) => {
                String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
            }
        };
        (status, body)
    }

    #[tokio::test]
    async fn a_body_is_judged_inspected_and_cleaned_before_the_service_sees_it() {
        let (layer, application) = (layer(judged()), Application::default());
        assert_eq!(ask(&layer, &application, r#"{"prompt":"  rainy walk "}"#).await.0, 200);
        assert_eq!(*application.0.lock().unwrap(), [r#"23 {"prompt":"rainy walk"}"#]);
        for (body, status, code) in [
            (r#"{"prompt":7}"#, 422, "invalid-request"),
            ("", 422, "invalid-request"),
            (r#"{"prompt":"x' or 1=1 --"}"#, 403, "attack-pattern"),
            (&format!(r#"{{"prompt":"{}"}}"#, "x".repeat(64)), 413, "invalid-request"),
        ] {
            let (said, answer) = ask(&layer, &application, body).await;
            assert_eq!(said, status, "{body}: {answer}");
            assert!(answer.contains(code), "{answer}");
        }
        assert_eq!(application.0.lock().unwrap().len(), 1, "nothing of it reached the service");
    }

    #[tokio::test]
    async fn a_body_without_rules_is_passed_on_as_it_comes() {
        let (layer, application) =
            (layer(Route::open("default", Target::Upstream(0))), Application::default());
        let body = "x".repeat(1000);
        assert_eq!(ask(&layer, &application, &body).await.0, 200);
        assert_eq!(*application.0.lock().unwrap(), [format!("1000 {body}")]);
    }
}
