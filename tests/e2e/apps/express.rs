//! Express 5 under Node.

use super::{Behind, Kind, Transport, bodies, sockets, subjects};

#[test]
fn over_tcp_every_answer_is_the_application_s() {
    subjects::all(&Behind::start(Kind::Express, Transport::Tcp));
}

#[test]
fn over_tcp_bodies_stream_both_ways() {
    bodies::all(&Behind::start(Kind::Express, Transport::Tcp));
}

#[test]
fn over_tcp_web_sockets_pass() {
    sockets::all(&Behind::start(Kind::Express, Transport::Tcp));
}

#[test]
fn over_a_unix_socket_it_is_all_the_same() {
    let behind = Behind::start(Kind::Express, Transport::Unix);
    subjects::all(&behind);
    bodies::all(&behind);
    sockets::all(&behind);
}
