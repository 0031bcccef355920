//! What becomes of open WebSockets when the gateway changes, and when it ends.

use portcullis_tests::{EchoServer, Ending, Socket};

use super::{entered, launch, open, started};

/// RFC 6455 section 7.4.1: 1001, the endpoint goes away. Both sides are told, before the process ends.
#[test]
fn a_shutdown_tells_every_socket_that_the_gateway_goes_away() {
    let application = EchoServer::start();
    let gateway = started(&application, "");
    let mut socket = entered(&gateway);
    let mut waiting = open(&gateway);
    gateway.ask_to_stop();
    let away = |reason: &str| Ending::Closed(1001, reason.to_owned());
    assert_eq!(socket.ending(), away("going away"));
    assert_eq!(waiting.ending(), away("draining"));
    application.wait_until_all_ended();
}

#[test]
fn a_reload_leaves_open_sockets_alone_and_judges_new_ones() {
    let application = EchoServer::start();
    let launched = launch(&application.url(), "", "");
    let gateway = launched.clone().start();
    let mut socket = entered(&gateway);
    let text = std::fs::read_to_string(launched.path("portcullis.toml")).unwrap();
    let closed = text.replace("match = \"WS /ws/{account}\"", "match = \"WS /other/{account}\"");
    launched.folder().write("portcullis.toml", &closed);
    gateway.wait_for_log(&["config_changed"]);
    socket.send("still here");
    assert_eq!(socket.receive(), "still here");
    assert_eq!(Socket::open(gateway.address(), "/ws/primary", &[]).map(drop), Err(401));
}
