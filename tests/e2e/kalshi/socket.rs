//! K-ENV-09: how many WebSockets there may be, and for how long they may be idle.

use std::time::{Duration, Instant};

use portcullis_tests::{Application, Ending, Gateway, Socket, System, until};

use super::{KEY, launch};

fn gateway(application: &Application, name: &str, value: &str) -> Gateway {
    launch(application.url())
        .env("API_KEY", KEY)
        .env(name, value)
        .env("RATE_LIMIT_PER_MINUTE", "100000")
        .start()
}

fn open(gateway: &Gateway) -> Result<Socket, u16> {
    Socket::open(gateway.address(), "/ws", &[("X-API-Key", KEY)])
}

#[test]
fn k_env_09_more_websockets_than_said_are_refused_until_one_ends() {
    let application = Application::start(System::Kalshi);
    let gateway = gateway(&application, "MAX_CONNECTIONS", "3");
    let mut sockets: Vec<Socket> = (0..3).map(|_| open(&gateway).unwrap()).collect();
    for _ in 0..3 {
        assert_eq!(open(&gateway).err(), Some(503));
    }
    // Those that are open do not notice.
    for socket in &mut sockets {
        assert_eq!(socket.receive_json()["type"], "initial_data");
        socket.send("ping");
        assert_eq!(socket.receive_json()["type"], "heartbeat");
    }
    sockets.pop().unwrap().close();
    sockets.push(until("a place to come free", || open(&gateway).ok()));
    assert_eq!(open(&gateway).err(), Some(503));
    // Ordinary requests are not WebSockets.
    assert_eq!(super::status_with(KEY).send_to(gateway.address()).status, 200);
    let said = launch(application.url()).env("API_KEY", KEY).env("MAX_CONNECTIONS", "many").refused();
    assert!(said.contains("MAX_CONNECTIONS") && said.contains("many"), "{said}");
}

#[test]
fn k_env_09_an_idle_websocket_is_ended_and_one_in_use_is_not() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let application = Application::start(System::Kalshi);
    let gateway = gateway(&application, "WEB_SOCKET_TIMEOUT", "2");
    let mut socket = open(&gateway).unwrap();
    assert_eq!(socket.receive_json()["type"], "initial_data");
    // In use for longer than it may be idle.
    let start = Instant::now();
    while start.elapsed() < TIMEOUT * 3 / 2 {
        socket.send("still here");
        assert_eq!(socket.receive_json()["type"], "heartbeat");
    }
    let idle = Instant::now();
    let ending = socket.ending();
    assert!(idle.elapsed() + Duration::from_millis(500) > TIMEOUT, "{ending:?} after {:?}", idle.elapsed());
    assert!(matches!(ending, Ending::Gone | Ending::Closed(1000 | 1001, _)), "{ending:?}");
}
