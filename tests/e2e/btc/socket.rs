//! B-WS-01: who may open the WebSocket.

use portcullis_tests::{Ending, Socket, until};
use serde_json::json;

use super::Behind;

#[test]
fn b_ws_01_a_socket_is_for_known_users_and_says_what_the_application_says() {
    let behind = Behind::start();
    let open = |fields: &[(&'static str, &str)]| Socket::open(behind.gateway.address(), "/ws", fields);
    assert_eq!(open(&[]).err(), Some(401));
    assert_eq!(open(&[("Authorization", "Bearer wrong")]).err(), Some(401));
    let login = behind.accounts.newcomer("newuser");
    let key = behind.accounts.key(&login.access, &json!({}));
    let bearer = format!("Bearer {}", login.access);
    for field in [("Authorization", bearer.as_str()), ("X-API-Key", key.key.as_str())] {
        let mut socket = open(&[field]).unwrap();
        assert_eq!(socket.receive_json()["type"], "connected");
        socket.send("price?");
        assert_eq!(socket.receive_json()["type"], "price");
        socket.close();
    }
}

/// What ends a credential ends what was opened with it.
#[test]
fn b_ws_01_a_socket_ends_with_its_user_or_its_key() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let key = behind.accounts.key(&login.access, &json!({}));
    let open = |fields: &[(&'static str, &str)]| {
        let mut socket = Socket::open(behind.gateway.address(), "/ws", fields).unwrap();
        assert_eq!(socket.receive_json()["type"], "connected");
        socket
    };
    let bearer = format!("Bearer {}", login.access);
    let mut by_key = open(&[("X-API-Key", &key.key)]);
    let mut by_token = open(&[("Authorization", &bearer)]);
    let ended = behind.accounts.delete(&format!("/auth/api-keys/{}", key.id)).bearer(&login.access);
    assert!(behind.accounts.send(&ended).status < 300);
    let ending = by_key.ending();
    assert!(matches!(ending, Ending::Closed(4403, _)), "{ending:?}");
    // The other goes on.
    by_token.send("price?");
    assert_eq!(by_token.receive_json()["type"], "price");
    behind.gateway.command("users disable newuser").ran().succeeded();
    let ending = by_token.ending();
    assert!(matches!(ending, Ending::Closed(4403, _)), "{ending:?}");
    until("the token to end", || {
        let again = Socket::open(behind.gateway.address(), "/ws", &[("Authorization", &bearer)]);
        (again.err() == Some(401)).then_some(())
    });
}
