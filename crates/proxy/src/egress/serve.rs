//! Connections of the application, and the decision about each call.

use std::cell::RefCell;
use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_core::Client;
use portcullis_core::denial::UrlFault;
use portcullis_core::event::{AccessRecord, EventKind, Recorder, SecurityEvent, Subject};
use portcullis_gate::context::RequestId;
use portcullis_outbound::{Checked, LookupError, Refusal, Target};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Rules, relay};

/// Calls at once; more wait to be accepted.
const MOST_CONNECTIONS: usize = 1024;
/// To a whole request head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// To an open connection, and to the head of an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at what was recorded.
const FLUSH: Duration = Duration::from_millis(100);
/// How long accepting rests after it failed.
const BREATH: Duration = Duration::from_millis(50);

type Body = Either<Incoming, Full<Bytes>>;

/// What all calls share.
struct Office {
    rules: Arc<ArcSwap<Rules>>,
    recorder: RefCell<Box<dyn Recorder>>,
    ids: RandomState,
}

/// Accepts until it is told to stop; calls under way end with it.
pub(super) async fn serve(
    socket: StdListener,
    rules: Arc<ArcSwap<Rules>>,
    recorder: Box<dyn Recorder>,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(listener) = TcpListener::from_std(socket) else { return };
    let office = Rc::new(Office { rules, recorder: RefCell::new(recorder), ids: RandomState::new() });
    let seats = Arc::new(tokio::sync::Semaphore::new(MOST_CONNECTIONS));
    let mut ticks = tokio::time::interval(FLUSH);
    loop {
        let accepted = async {
            let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return None };
            listener.accept().await.ok().map(|(stream, peer)| (seat, stream, peer.ip()))
        };
        tokio::select! {
            accepted = accepted => match accepted {
                Some((seat, stream, peer)) if office.rules.load().takes(peer) => {
                    let office = Rc::clone(&office);
                    tokio::task::spawn_local(async move {
                        converse(office, stream, peer).await;
                        drop(seat);
                    });
                }
                Some((_, _, peer)) => office.turn_away(peer),
                None => tokio::time::sleep(BREATH).await,
            },
            _ = ticks.tick() => office.recorder.borrow_mut().flush(),
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    office.recorder.borrow_mut().flush();
}

async fn converse(office: Rc<Office>, stream: TcpStream, peer: IpAddr) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let office = Rc::clone(&office);
        async move { Ok::<_, Infallible>(answer(office, peer, request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).half_close(true);
    // A client that breaks off is not worth a word.
    let _ = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// One call, from its head to its record.
struct Call {
    office: Rc<Office>,
    id: RequestId,
    peer: IpAddr,
    method: String,
    /// Where to: `host:port` or a URL without its query.
    place: String,
    since: Instant,
    unix_ms: u64,
}

async fn answer(office: Rc<Office>, peer: IpAddr, request: Request<Incoming>) -> Response<Body> {
    let call = Call::of(office, peer, &request);
    let connect = request.method() == Method::CONNECT;
    let target = match (connect, request.uri().scheme_str()) {
        (true, _) => Target::of_authority(&request.uri().to_string()),
        // Over an absolute target nothing but `http` can be spoken.
        (false, Some("http")) => Target::parse(&request.uri().to_string()),
        (false, Some(_)) => Err(Refusal::Scheme),
        (false, None) => Err(Refusal::Malformed("this is a proxy: it takes CONNECT and absolute targets")),
    };
    let checked = match call.decide(target).await {
        Ok(checked) => checked,
        Err(refused) => return call.refuse(&refused),
    };
    let stream = match timeout(CONNECT_TIMEOUT, checked.connect()).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) => return call.refuse(&Refused::Unreachable("connection_refused")),
        Err(_) => return call.refuse(&Refused::Unreachable("connection_timeout")),
    };
    let _ = stream.set_nodelay(true);
    if connect { call.tunnel(request, stream) } else { call.forward(request, &checked, stream).await }
}

/// Why a call is not made.
#[derive(Debug)]
enum Refused {
    /// By the guard.
    Guard(Refusal),
    /// The host is not one of those that may be called.
    Host,
    /// Nobody answers there, or not with HTTP; the word of RFC 9209 for how.
    Unreachable(&'static str),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Refused::Guard(Refusal::Malformed(_)) => StatusCode::BAD_REQUEST,
            Refused::Guard(Refusal::Unresolved(LookupError::TimedOut)) => StatusCode::GATEWAY_TIMEOUT,
            Refused::Guard(Refusal::Unresolved(_)) => StatusCode::BAD_GATEWAY,
            Refused::Guard(_) | Refused::Host => StatusCode::FORBIDDEN,
            Refused::Unreachable(error) if error.ends_with("timeout") => StatusCode::GATEWAY_TIMEOUT,
            Refused::Unreachable(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The stable code, as bodies and logs have it.
    fn code(&self) -> &'static str {
        match self {
            Refused::Guard(refusal) => match refusal.fault() {
                UrlFault::Invalid => "invalid-url",
                UrlFault::Scheme => "url-scheme",
                UrlFault::Refused => "url-not-public",
                UrlFault::PrivateNetwork => "url-private-network",
                UrlFault::Unresolved => "url-unresolved",
            },
            Refused::Host => "host-not-listed",
            Refused::Unreachable(_) => "destination-unreachable",
        }
    }

    /// The error type of `Proxy-Status` (RFC 9209 section 2.3), by which a client tells our answer from theirs.
    fn proxy_error(&self) -> &'static str {
        match self {
            Refused::Guard(Refusal::NotPublic(_)) => "destination_ip_prohibited",
            Refused::Guard(Refusal::Unresolved(LookupError::TimedOut)) => "dns_timeout",
            Refused::Guard(Refusal::Unresolved(_)) => "dns_error",
            Refused::Guard(_) | Refused::Host => "http_request_denied",
            Refused::Unreachable(error) => error,
        }
    }

    fn why(&self) -> String {
        match self {
            Refused::Guard(refusal) => refusal.to_string(),
            Refused::Host => "not one of the hosts that may be called".to_owned(),
            Refused::Unreachable(_) => "nobody answers there".to_owned(),
        }
    }
}

impl Call {
    fn of(office: Rc<Office>, peer: IpAddr, request: &Request<Incoming>) -> Self {
        let unix_ms = unix_ms();
        let (high, low) = (office.ids.hash_one((unix_ms, peer)), office.ids.hash_one(Instant::now()));
        let uri = request.uri();
        let place = match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{authority}{}", uri.path()),
            (None, Some(authority)) => authority.to_string(),
            (_, None) => uri.path().to_owned(),
        };
        Self {
            office,
            id: RequestId::from_random(u128::from(high) << 64 | u128::from(low)),
            peer,
            method: request.method().to_string(),
            place,
            since: Instant::now(),
            unix_ms,
        }
    }

    /// Judges where it leads, then whether that host is one of those that are called.
    async fn decide(&self, target: Result<Target, Refusal>) -> Result<Checked, Refused> {
        let rules = self.office.rules.load_full();
        let target = target.map_err(Refused::Guard)?;
        let listed = rules.hosts.is_empty() || rules.hosts.iter().any(|place| target.is_in(place));
        if !listed {
            self.event(EventKind::EgressDenied, &Refused::Host, rules.observe);
            if !rules.observe {
                return Err(Refused::Host);
            }
        }
        rules.guard.judge(target).await.map_err(Refused::Guard)
    }

    /// Answers 200 and passes bytes on from then.
    fn tunnel(self, request: Request<Incoming>, stream: TcpStream) -> Response<Body> {
        tokio::task::spawn_local(async move {
            let passed = match hyper::upgrade::on(request).await {
                Ok(client) => relay::run(TokioIo::new(client), stream).await,
                Err(_) => relay::Passed::default(),
            };
            self.record(200, None, passed.sent, passed.received);
        });
        Response::new(Either::Right(Full::default()))
    }

    /// Sends the request on over a connection of its own, and gives the answer back as it comes.
    async fn forward(
        self,
        request: Request<Incoming>,
        checked: &Checked,
        stream: TcpStream,
    ) -> Response<Body> {
        let Ok((mut sender, connection)) =
            hyper::client::conn::http1::handshake::<_, Incoming>(TokioIo::new(stream)).await
        else {
            return self.refuse(&Refused::Unreachable("connection_terminated"));
        };
        tokio::task::spawn_local(async move { drop(connection.await) });
        let sent = request.body().size_hint().exact().unwrap_or(0);
        let answered = match toward(request, checked) {
            Some(request) => timeout(RESPONSE_TIMEOUT, sender.send_request(request)).await,
            None => return self.refuse(&Refused::Guard(Refusal::Malformed("a target without a path"))),
        };
        match answered {
            Ok(Ok(mut response)) => {
                take_off_hops(response.headers_mut());
                // Of what comes in chunks the size is not known when this is written.
                let received = response.body().size_hint().exact().unwrap_or(0);
                self.record(response.status().as_u16(), None, sent, received);
                response.map(Either::Left)
            }
            Ok(Err(_)) => self.refuse(&Refused::Unreachable("http_protocol_error")),
            Err(_) => self.refuse(&Refused::Unreachable("http_response_timeout")),
        }
    }

    /// Says no, to the client and in the log.
    fn refuse(&self, refused: &Refused) -> Response<Body> {
        if matches!(refused, Refused::Guard(_)) && refused.code() != "invalid-url" {
            self.event(EventKind::SsrfBlocked, refused, false);
        }
        let (status, code) = (refused.status(), refused.code());
        self.record(status.as_u16(), Some(code), 0, 0);
        // Words and numbers of ours only: nothing to escape.
        let body = format!(
            r#"{{"type":"/problems/{code}","title":"{}","status":{},"detail":"{}","request_id":"{}"}}"#,
            status.canonical_reason().unwrap_or_default(),
            status.as_u16(),
            refused.why(),
            self.id.as_str(),
        );
        let mut response = Response::new(Either::Right(Full::new(Bytes::from(body))));
        *response.status_mut() = status;
        let proxy_status = format!("portcullis; error={}", refused.proxy_error());
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Ok(value) = HeaderValue::from_str(&proxy_status) {
            fields.insert(HeaderName::from_static("proxy-status"), value);
        }
        response
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            request_id: self.id.as_str(),
            client: Some(Client::direct(self.peer, false)),
            method: &self.method,
            path: &self.place,
            route: "egress",
            ..Subject::default()
        }
    }

    fn event(&self, kind: EventKind, refused: &Refused, observed: bool) {
        let details = format!("egress: a call is refused ({})", refused.why());
        let status = if observed { 0 } else { refused.status().as_u16() };
        self.office.recorder.borrow_mut().security(&SecurityEvent {
            kind,
            unix_ms: self.unix_ms,
            subject: self.subject(),
            status,
            reason: refused.code(),
            details: &details,
            observed,
        });
    }

    fn record(&self, status: u16, denial: Option<&'static str>, bytes_in: u64, bytes_out: u64) {
        self.office.recorder.borrow_mut().access(&AccessRecord {
            verdict: None,
            unix_ms: self.unix_ms,
            subject: self.subject(),
            status,
            denial,
            bytes_in,
            bytes_out,
            duration_us: self.since.elapsed().as_micros() as u64,
            aborted: false,
        });
    }
}

impl Office {
    /// Notes who knocked and may not come in. Nothing is read of what it wanted.
    fn turn_away(&self, peer: IpAddr) {
        let details = format!("egress: {peer} may not call anybody from here (egress.clients)");
        self.recorder.borrow_mut().security(&SecurityEvent {
            kind: EventKind::EgressDenied,
            unix_ms: unix_ms(),
            subject: Subject { client: Some(Client::direct(peer, false)), ..Subject::default() },
            status: 0,
            reason: "client-not-listed",
            details: &details,
            observed: false,
        });
    }
}

/// The request as whom it is for sees it: its path alone, the host that was judged, nothing of this hop.
fn toward(mut request: Request<Incoming>, checked: &Checked) -> Option<Request<Incoming>> {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    let url = checked.url();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let host = HeaderValue::from_str(&format!("{}{port}", url.host_str()?)).ok()?;
    let fields = request.headers_mut();
    if fields.contains_key(TRANSFER_ENCODING) {
        // The length is that of the chunks (RFC 9112 section 6.3).
        fields.remove(CONTENT_LENGTH);
    }
    take_off_hops(fields);
    fields.insert(HOST, host);
    Some(request)
}

/// Fields that mean something to the next hop alone (RFC 9110 section 7.6.1), and those for proxies.
fn take_off_hops(fields: &mut HeaderMap) {
    let named: Vec<HeaderName> = fields
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != CONTENT_LENGTH)
        .collect();
    let known = ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];
    let known = known.into_iter().chain(["proxy-authorization", "proxy-authenticate", "proxy-status"]);
    for name in known.map(HeaderName::from_static).chain(named) {
        fields.remove(name);
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
