//! What tests of a profile ask of an answer and of a start.

use super::gateway::Gateway;
use super::http::Response;
use super::wait::until;

/// Fails unless the answer is the application's own.
#[track_caller]
pub fn assert_reached(answer: &Response) {
    assert_eq!((answer.status, answer.text()), (200, r#"{"accepted":true}"#), "{}", answer.head);
}

/// Fails unless the answer is a refusal with exactly this body.
#[track_caller]
pub fn assert_refused(answer: &Response, status: u16, body: &str) {
    assert_eq!((answer.status, answer.text()), (status, body), "{}", answer.head);
    assert_eq!(answer.field("content-type"), Some("application/json"));
}

/// Whether the start warned about a name; a warning says on its first line what and on its second where.
pub fn warned(gateway: &Gateway, name: &str) -> bool {
    let log = gateway.log();
    let lines: Vec<&str> = log.lines().collect();
    lines.iter().enumerate().any(|(at, line)| {
        line.to_lowercase().contains("warn") && lines[at..].iter().take(2).any(|line| line.contains(name))
    })
}

/// Waits for a warning that names it: warnings and the address come over two pipes, and the one may be read
/// after the other.
pub fn await_warning(gateway: &Gateway, name: &str) {
    until(&format!("a warning about {name}"), || warned(gateway, name).then_some(()));
}
