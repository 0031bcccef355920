//! What the application is told about the client; always written anew, whatever came.

use std::io::Write as _;
use std::net::IpAddr;

use portcullis_core::{Client, Head};

use super::forwarded::{forwarded, x_forwarded_for};

/// Appends the field lines `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host` and `X-Real-IP`.
///
/// `X-Forwarded-For` is the client, the trusted hops after it, and the peer: nothing that stood left of the
/// client, nothing that an untrusted peer sent. `X-Real-IP` is the client. `X-Forwarded-Host` is what the
/// request names: what a proxy in front says there may as well be the client's own words, because most pass
/// the field through.
pub fn write_forwarded(client: &Client, head: &Head<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"X-Forwarded-For: ");
    if client.address != client.peer {
        push_address(out, client.address);
        out.extend_from_slice(b", ");
        push_between(client, head, out);
    }
    push_address(out, client.peer);
    out.extend_from_slice(if client.secure {
        b"\r\nX-Forwarded-Proto: https"
    } else {
        b"\r\nX-Forwarded-Proto: http"
    });
    if !head.authority.is_empty() {
        out.extend_from_slice(b"\r\nX-Forwarded-Host: ");
        out.extend_from_slice(head.authority.as_bytes());
    }
    out.extend_from_slice(b"\r\nX-Real-IP: ");
    push_address(out, client.address);
    out.extend_from_slice(b"\r\n");
}

/// The hops between client and peer, each followed by a comma. They were found trusted when the client was
/// found, which is the first entry from the right that is its address.
fn push_between(client: &Client, head: &Head<'_>, out: &mut Vec<u8>) {
    let listed = x_forwarded_for(head).map(|hop| hop.address);
    let mut between = until(client.address, listed);
    if between.is_none() {
        between = until(client.address, forwarded(head).map(|hop| hop.ok().and_then(|hop| hop.address)));
    }
    for address in between.unwrap_or_default().into_iter().rev() {
        push_address(out, address);
        out.extend_from_slice(b", ");
    }
}

/// The addresses before `client`; `None` where it does not come.
fn until(client: IpAddr, addresses: impl Iterator<Item = Option<IpAddr>>) -> Option<Vec<IpAddr>> {
    let mut before = Vec::new();
    for address in addresses {
        match address {
            Some(address) if address == client => return Some(before),
            Some(address) => before.push(address),
            None => return None,
        }
    }
    None
}

fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            let mut number = itoa::Buffer::new();
            for (at, octet) in v4.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(number.format(octet).as_bytes());
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}
