//! Ports and addresses of this machine.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A port that was free a moment ago. Prefer `--listen 127.0.0.1:0` where the test does not name the port.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether nobody takes connections at the address.
pub fn is_refused(address: SocketAddr) -> bool {
    match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
        Ok(_) => false,
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused) => true,
        Err(error) => panic!("connecting to {address}: {error}"),
    }
}

/// An address of this machine outside of the loopback range, where it has one: the kernel's table of local
/// routes names them.
pub fn outer_address() -> Option<IpAddr> {
    let table = std::fs::read_to_string("/proc/net/fib_trie").ok()?;
    let mut last: Option<Ipv4Addr> = None;
    for line in table.lines() {
        if let Some(address) = line.trim().strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.contains("/32 host LOCAL")
            && let Some(address) = last.filter(|address| !address.is_loopback())
        {
            return Some(IpAddr::V4(address));
        }
    }
    None
}
