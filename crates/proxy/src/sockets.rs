//! How many upgraded connections are open, by what each of them counts under.
//!
//! Asked when one is opened and when it ends, never per request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_core::Identity;
use portcullis_core::client::Client;
use portcullis_gate::Route;

use crate::core::Shared;

/// Open connections by share.
#[derive(Debug, Default)]
pub struct Sockets {
    open: Mutex<HashMap<Box<str>, u32>>,
}

/// What a connection counts under, and how many may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    key: Box<str>,
    most: u32,
}

impl Share {
    /// What counts from the handshake on: the route, and the address on it.
    pub fn at_handshake(route: &Route, client: &Client) -> Vec<Share> {
        let rules = &route.websocket;
        let mut shares = Vec::new();
        push(&mut shares, rules.connections, || route.name.to_string());
        push(&mut shares, rules.connections_per_ip, || format!("{}\nip {}", route.name, client.prefix()));
        shares
    }

    /// What counts once it is known who it is: the user, and the path. Before, whoever opens many could keep
    /// others out.
    pub fn after_login(route: &Route, identity: Option<&Identity>, path: &str) -> Vec<Share> {
        let rules = &route.websocket;
        let mut shares = Vec::new();
        if let Some(identity) = identity {
            push(&mut shares, rules.connections_per_user, || {
                format!("{}\nuser {}", route.name, identity.user)
            });
        }
        push(&mut shares, rules.connections_per_path, || format!("{}\npath {path}", route.name));
        shares
    }
}

fn push(shares: &mut Vec<Share>, most: u32, key: impl FnOnce() -> String) {
    if most != 0 {
        shares.push(Share { key: key().into(), most });
    }
}

/// A connection that counts while this lives.
#[derive(Debug)]
pub struct Opened {
    shared: Arc<Shared>,
    keys: Vec<Box<str>>,
}

impl Sockets {
    /// Counts a connection under every share, or under none where one of them is full.
    fn open(&self, shares: &[Share]) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.iter().any(|share| open.get(&share.key).is_some_and(|count| *count >= share.most)) {
            return false;
        }
        for share in shares {
            *open.entry(share.key.clone()).or_default() += 1;
        }
        true
    }

    fn close(&self, keys: &[Box<str>]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if let Some(count) = open.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    open.remove(key);
                }
            }
        }
    }
}

impl Shared {
    /// Lets an upgraded connection in, if none of its shares is full.
    pub fn open_socket(self: &Arc<Self>, shares: Vec<Share>) -> Option<Opened> {
        if !shares.is_empty() && !self.sockets.open(&shares) {
            return None;
        }
        let keys = shares.into_iter().map(|share| share.key).collect();
        Some(Opened { shared: Arc::clone(self), keys })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if !self.keys.is_empty() {
            self.shared.sockets.close(&self.keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(key: &str, most: u32) -> Share {
        Share { key: key.into(), most }
    }

    #[test]
    fn a_full_share_lets_nothing_in_and_counts_nothing() {
        let sockets = Sockets::default();
        let (route, one, other) = (share("route", 3), share("ip 1", 1), share("ip 2", 5));
        assert!(sockets.open(&[route.clone(), one.clone()]));
        assert!(!sockets.open(&[route.clone(), one.clone()]), "the address is full");
        assert!(sockets.open(&[route.clone(), other.clone()]));
        assert!(sockets.open(&[route.clone(), other.clone()]), "the refused one did not count");
        assert!(!sockets.open(&[route.clone(), other.clone()]), "the route is full");
        sockets.close(&[route.key.clone(), one.key.clone()]);
        assert!(sockets.open(&[route, one]));
    }

    #[test]
    fn what_is_closed_leaves_nothing() {
        let sockets = Sockets::default();
        assert!(sockets.open(&[share("a", 9), share("b", 9)]));
        sockets.close(&["a".into(), "b".into()]);
        assert!(sockets.open.lock().unwrap().is_empty());
    }
}
