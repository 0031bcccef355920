//! The sample application, asked as the guides and the tests of the gateway ask it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod general;
mod guides;
mod sockets;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};
use portcullis_sample::{Listener, Options, System, router, router_with, serve};
use serde_json::Value;
use tower_service::Service;

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }
}

/// Sends `METHOD /path` with an optional JSON body.
async fn ask(app: &Router, line: &str, body: Option<&str>) -> Answer {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    send(app, request.body(Body::from(body.unwrap_or_default().to_owned())).unwrap()).await
}

async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().call(request).await.unwrap();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    }
}

/// Serves on a free port of loopback; the address without its scheme.
async fn listen(options: Options) -> String {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(serve(listener, router_with(options)));
    address.strip_prefix("http://").unwrap().to_owned()
}
