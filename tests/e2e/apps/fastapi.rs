//! FastAPI under uvicorn.

use super::{Behind, Kind, Transport, bodies, sockets, subjects};
use portcullis_tests::{Connection, Request, is_refused, until};

#[test]
fn over_tcp_every_answer_is_the_application_s() {
    subjects::all(&Behind::start(Kind::FastApi, Transport::Tcp));
}

#[test]
fn over_tcp_bodies_stream_both_ways() {
    bodies::all(&Behind::start(Kind::FastApi, Transport::Tcp));
}

#[test]
fn over_tcp_web_sockets_pass() {
    sockets::all(&Behind::start(Kind::FastApi, Transport::Tcp));
}

#[test]
fn over_a_unix_socket_it_is_all_the_same() {
    let behind = Behind::start(Kind::FastApi, Transport::Unix);
    subjects::all(&behind);
    bodies::all(&behind);
    sockets::all(&behind);
}

#[test]
fn the_application_is_started_again_when_it_dies_and_ends_with_the_gateway() {
    let mut behind = Behind::start(Kind::FastApi, Transport::Tcp);
    let get = Request::get("/");
    assert_eq!(get.send_to(behind.address()).status, 200);
    let first = application(&behind);
    let killed = std::process::Command::new("kill").args(["-KILL", &first.to_string()]).status().unwrap();
    assert!(killed.success());
    until("another application", || (get.send_to(behind.address()).status == 200).then_some(()));
    let second = application(&behind);
    assert_ne!(first, second);

    behind.gateway.ask_to_stop();
    assert!(behind.gateway.wait_for_exit().success());
    assert!(
        !std::path::Path::new(&format!("/proc/{second}")).exists(),
        "the application ends with the gateway"
    );
    assert!(is_refused(behind.direct));
}

#[test]
fn a_body_over_the_cap_is_refused_before_the_application_reads_it() {
    let behind = Behind::start(Kind::FastApi, Transport::Tcp);
    let mut connection = Connection::open(behind.address());
    connection
        .send(format!("PUT /raw HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {}\r\n\r\n", 65 << 20));
    assert_eq!(connection.response().status, 413);
}

/// The one process the gateway has started.
fn application(behind: &Behind) -> u32 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", behind.gateway.pid())).unwrap();
    let children: Vec<u32> = tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok())
        .flat_map(|line| line.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>())
        .collect();
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}
