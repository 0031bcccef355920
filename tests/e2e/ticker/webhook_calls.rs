//! T-WH: webhooks of the service behind the gateway, called through its way out.
//!
//! Nobody of these tests is on the Internet: 127.0.0.77 stands for a public address, since the configuration allows
//! it, and 127.0.0.1 is what must never be called.

use std::net::SocketAddr;

use portcullis_tests::{
    Answer, Application, Gateway, NameServer, Options, Request, Response, System, Told, Upstream, free_port,
    shell, until,
};

use super::{KEY, ORDERS, assert_refused, launch};

const WEBHOOKS: &str = "/advanced/webhooks";
const PUBLIC: &str = "127.0.0.77";

/// The service, the gateway before it with its way out, and who names the hosts.
struct Ground {
    gateway: Gateway,
    names: NameServer,
    egress: SocketAddr,
    _service: Application,
}

impl Ground {
    /// With a name server that says what `names` says of a name that was asked for so often before.
    fn new(names: impl Fn(&str, usize) -> Told + Send + Sync + 'static) -> Self {
        let names = NameServer::start(names);
        let egress = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let options = Options { system: System::Ticker, proxy: Some(egress), ..Options::default() };
        let service = Application::start_with(options);
        let gateway = launch(service.url())
            .env("API_KEY", KEY)
            .env("PORTCULLIS_OUTBOUND__RESOLVER", &names.address())
            .env("PORTCULLIS_OUTBOUND__ALLOW", PUBLIC)
            .env("PORTCULLIS_EGRESS__LISTEN", &egress.to_string())
            .start();
        Self { gateway, names, egress, _service: service }
    }

    /// With every name at the public address.
    fn plain() -> Self {
        Self::new(|_, _| Told::addresses(&[PUBLIC]))
    }

    fn ask(&self, request: Request) -> Response {
        request.header("X-API-Key", KEY).send_to(self.gateway.address())
    }

    fn register(&self, url: &str) -> Response {
        self.register_with(
            &serde_json::json!({ "url": url, "events": ["order_placed"], "secret": "planted-secret" }),
        )
    }

    fn register_with(&self, body: &serde_json::Value) -> Response {
        self.ask(Request::post(WEBHOOKS, &body.to_string()))
    }

    fn registered(&self) -> usize {
        self.ask(Request::get(WEBHOOKS)).json().as_array().unwrap().len()
    }

    fn place_order(&self) {
        let answer = self.ask(Request::post(ORDERS, r#"{"orders":[{"symbol":"NIFTY","quantity":50}]}"#));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Somebody who takes webhooks at the public address.
fn receiver() -> Upstream {
    Upstream::start_on(&format!("{PUBLIC}:0"), |_| Answer::json("200 OK", "{}"))
}

/// Who must not be called, on the same port of this machine itself.
fn canary(port: u16) -> Upstream {
    Upstream::start_on(&format!("127.0.0.1:{port}"), |_| Answer::json("200 OK", "{}"))
}

#[test]
fn t_wh_06_a_name_that_changes_its_mind_reaches_nobody() {
    // Public when it is registered and when it is probed, this machine from then on.
    let ground = Ground::new(|_, before| Told::addresses(&[if before < 2 { PUBLIC } else { "127.0.0.1" }]));
    let receiver = receiver();
    let canary = canary(receiver.address().port());
    let url = format!("http://rebinding.example.com:{}/hook", receiver.address().port());
    let answer = ground.register(&url);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(
        (receiver.only().line(), ground.names.asked("rebinding.example.com")),
        ("HEAD /hook HTTP/1.1", 2)
    );
    ground.place_order();
    ground.gateway.wait_for_log(&["ssrf_blocked", "egress", "rebinding.example.com"]);
    assert_eq!((receiver.count(), canary.connections()), (1, 0), "neither the one nor the other");
    assert_eq!(ground.names.asked("rebinding.example.com"), 3, "each call is judged by one answer");
}

#[test]
fn t_wh_09_a_redirect_leads_nowhere_else() {
    let ground = Ground::plain();
    let port = free_port();
    let canary = canary(port);
    let to = format!("Location: http://127.0.0.1:{port}/secret\r\n");
    let receiver = Upstream::start_on(&format!("{PUBLIC}:0"), move |_| Answer::with("302 Found", &to, ""));
    let url = format!("http://hooks.example.com:{}/hook", receiver.address().port());
    assert_eq!(ground.register(&url).status, 201);
    ground.place_order();
    let calls = receiver.wait_for(2);
    assert_eq!(calls[1].line(), "POST /hook HTTP/1.1");
    // An application that follows gets no further.
    let followed = shell(
        &format!(
            "curl -sS -L --noproxy '' --max-time 20 -o /dev/null -w '%{{http_code}}' -x http://{} {url}",
            ground.egress
        ),
        ground.gateway.folder(),
    );
    assert_eq!(followed, "403");
    ground.gateway.wait_for_log(&["ssrf_blocked", "egress", "127.0.0.1"]);
    assert_eq!(canary.connections(), 0);
}

#[test]
fn t_wh_10_whom_it_refuses_it_does_not_call() {
    let ground = Ground::new(|name, _| match name {
        "hooks.example.com" => Told::addresses(&[PUBLIC]),
        "mixed.example.com" => Told::addresses(&[PUBLIC, "127.0.0.1"]),
        _ => Told::addresses(&["127.0.0.1"]),
    });
    let receiver = receiver();
    let port = receiver.address().port();
    let canary = canary(port);
    for host in
        ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "inside.example.com", "mixed.example.com"]
    {
        // Neither with events that there are, nor with others.
        for event in ["order_placed", "boom"] {
            let url = format!("http://{host}:{port}/");
            let answer = ground.register_with(&serde_json::json!({ "url": url, "events": [event] }));
            assert_eq!(answer.status, 400, "{host}: {}", answer.text());
            assert!(answer.text().contains("Internal URLs"), "{host}: {}", answer.text());
        }
    }
    assert_eq!((receiver.connections(), canary.connections(), ground.registered()), (0, 0, 0));
}

#[test]
fn t_wh_11_a_url_where_nobody_answers_is_not_accessible() {
    let ground = Ground::plain();
    let closed = format!("http://hooks.example.com:{}/", free_port());
    assert_refused(
        &ground.register(&closed),
        400,
        r#"{"detail":"Webhook URL is not accessible: Connection failed"}"#,
    );
    let silent = Upstream::start_on(&format!("{PUBLIC}:0"), |_| Answer::Silence);
    assert_refused(
        &ground.register(&format!("http://hooks.example.com:{}/", silent.address().port())),
        400,
        r#"{"detail":"Webhook URL is not accessible: Connection timeout"}"#,
    );
    assert_eq!(ground.registered(), 0);
}

#[test]
fn t_wh_12_an_unknown_event_is_named_with_the_known_ones() {
    let (ground, receiver) = (Ground::plain(), receiver());
    let url = format!("http://hooks.example.com:{}/", receiver.address().port());
    let answer = ground.register_with(&serde_json::json!({ "url": url, "events": ["order_placed", "boom"] }));
    let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer.status, 400);
    assert!(detail.starts_with("Invalid events: ") && detail.contains("boom"), "{detail}");
    let known = "Valid events: order_placed, order_completed, order_failed, order_cancelled, order_rejected";
    assert!(detail.ends_with(known), "{detail}");
}

#[test]
fn t_wh_13_an_account_has_ten_webhooks() {
    let (ground, receiver) = (Ground::plain(), receiver());
    let url = format!("http://hooks.example.com:{}/", receiver.address().port());
    for number in 0..10 {
        assert_eq!(ground.register(&url).status, 201, "number {number}");
    }
    assert_refused(
        &ground.register(&url),
        400,
        r#"{"detail":"Maximum webhook limit (10) reached for account 'primary'"}"#,
    );
    let other = serde_json::json!({ "url": url, "events": ["order_placed"], "account_id": "second" });
    assert_eq!(ground.register_with(&other).status, 201);
}

#[test]
fn t_wh_14_a_webhook_is_registered_listed_and_removed() {
    let (ground, receiver) = (Ground::plain(), receiver());
    let url = format!("http://hooks.example.com:{}/hook", receiver.address().port());
    let answer = ground.register(&url);
    let made = answer.json();
    assert_eq!(answer.status, 201);
    let mut names: Vec<&String> = made.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["account_id", "active", "created_at", "events", "url", "webhook_id"]);
    assert_eq!(
        (&made["url"], &made["account_id"], &made["active"]),
        (&url.into(), &"primary".into(), &true.into())
    );
    assert_eq!(ground.ask(Request::get(WEBHOOKS)).json(), serde_json::json!([made]));
    let id = made["webhook_id"].as_str().unwrap();
    let removed = ground.ask(Request::new("DELETE", &format!("{WEBHOOKS}/{id}")));
    assert_eq!(
        (removed.status, removed.json()),
        (200, serde_json::json!({ "success": true, "webhook_id": id }))
    );
    assert_refused(
        &ground.ask(Request::new("DELETE", &format!("{WEBHOOKS}/{id}"))),
        404,
        r#"{"detail":"Webhook not found"}"#,
    );
}

#[test]
fn t_wh_15_an_order_is_told_with_the_secret() {
    let (ground, receiver) = (Ground::plain(), receiver());
    let url = format!("http://hooks.example.com:{}/hook?a=b", receiver.address().port());
    assert_eq!(ground.register(&url).status, 201);
    ground.place_order();
    let told = receiver.wait_for(2).remove(1);
    assert_eq!(told.line(), "POST /hook?a=b HTTP/1.1");
    assert_eq!(told.field("x-webhook-secret"), Some("planted-secret"));
    let authority = format!("hooks.example.com:{}", receiver.address().port());
    assert_eq!(told.field("host"), Some(&*authority));
    let body: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["account_id", "data", "event", "timestamp"]);
    assert_eq!((&body["event"], &body["account_id"]), (&"order_placed".into(), &"primary".into()));
    assert_eq!(body["data"]["order"]["symbol"], "NIFTY");
    // The secret is in no list and in no log.
    let shown = ground.ask(Request::get(WEBHOOKS));
    assert!(!shown.text().contains("planted-secret"), "{}", shown.text());
    until("the call in the log", || ground.gateway.log().contains("/hook").then_some(()));
    assert!(!ground.gateway.log().contains("planted-secret"), "{}", ground.gateway.log());
}
