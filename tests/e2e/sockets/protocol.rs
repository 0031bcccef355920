//! An access token among the subprotocols, as a page can send it: `new WebSocket(url, ['bearer', token])`.

use portcullis_tests::{Accounts, EchoServer, Gateway, Launch, Page, Request, Socket};

const PROTOCOL: &str = "sec-websocket-protocol";

fn started(application: &EchoServer) -> (Gateway, String) {
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"{}\"\n[auth.tokens]\n[store]\nurl = \"sqlite:people.db\"\n\
             [[routes]]\nmatch = \"WS /feed\"\nauth = \"bearer\"\n\
             [[routes]]\nmatch = \"WS /open\"\nauth = \"none\"\n",
            application.url()
        ))
        .start();
    let token = Accounts::of(&gateway).newcomer("alice").access;
    (gateway, token)
}

#[test]
fn a_token_among_the_subprotocols_logs_in_and_stays_with_the_gateway() {
    let application = EchoServer::start();
    let (gateway, token) = started(&application);
    let open = |list: &str| Socket::open(gateway.address(), "/feed", &[(PROTOCOL, list)]);
    let mut socket = open(&format!("bearer, {token}")).unwrap();
    assert_eq!(socket.protocol(), Some("bearer"), "a browser wants one of those it named");
    assert_eq!(application.handshake().field("x-auth-user"), Some("alice"));
    assert_eq!(application.handshake().field(PROTOCOL), None);
    socket.send("hello");
    assert_eq!(socket.receive(), "hello");
    let socket = open(&format!("chat, bearer, {token}")).unwrap();
    assert_eq!(socket.protocol(), Some("chat"), "what the application chose");
    assert_eq!(application.handshake().field(PROTOCOL), Some("chat"));
    for wrong in ["bearer, eyJ.wrong.token", "bearer", "chat", &format!("bearer, {token}, bearer, {token}")] {
        assert_eq!(open(wrong).map(drop), Err(401), "{wrong}");
    }
    // Not in a request that is no WebSocket, and not where nothing is asked for: there it is the application's.
    let plain = Request::get("/feed").header(PROTOCOL, &format!("bearer, {token}"));
    assert_eq!(plain.send_to(gateway.address()).status, 401);
    let list = format!("bearer, {token}");
    let _socket = Socket::open(gateway.address(), "/open", &[(PROTOCOL, &list)]).unwrap();
    assert_eq!(application.handshake().field(PROTOCOL), Some(&*list));
    assert!(!gateway.log().contains(&token), "{}", gateway.log());
}

#[test]
fn a_page_opens_a_websocket_with_a_token() {
    let application = EchoServer::start();
    let (gateway, token) = started(&application);
    let page = Page::open(&format!(
        "<!doctype html><title>Feed</title><script>\
         const ws = new WebSocket('ws://{}/feed', ['bearer', '{token}']);\
         ws.onopen = () => ws.send('from the page');\
         ws.onmessage = (event) => console.log('heard ' + event.data + ' by ' + ws.protocol);\
         ws.onclose = (event) => console.log('closed ' + event.code);</script>",
        gateway.address()
    ));
    page.wait_for_console("heard from the page by bearer");
}
