//! The method half of a pattern: which requests of a path it is for.

use std::fmt;

use crate::head::Upgrade;

/// Methods with a bit of their own, in the order patterns are displayed.
const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const GET: u16 = 1;
const HEAD: u16 = 1 << 1;

/// The requests a pattern is for, apart from their path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Methods {
    /// Every method, and WebSocket handshakes.
    All,
    /// WebSocket handshakes only (`WS` in a pattern).
    WebSocket,
    /// The methods listed. `GET` is also for `HEAD`, where no other pattern of the path lists `HEAD`, and for
    /// WebSocket handshakes, where no other pattern of the path is for those.
    Listed(MethodSet),
}

/// A set of method names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MethodSet {
    known: u16,
    extensions: Vec<Box<str>>,
}

/// What of a request decides between the patterns of one path; made once per request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    known: u16,
    name: &'a str,
    websocket: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(method: &'a str, upgrade: Upgrade) -> Self {
        let websocket = upgrade == Upgrade::WebSocket;
        // Over HTTP/2 a handshake is an extended CONNECT (RFC 8441); it is the same request to a route.
        let name = if websocket { "GET" } else { method };
        Self { known: bit(name), name, websocket }
    }
}

impl MethodSet {
    /// Adds a method; `false` when it was there already.
    pub(super) fn insert(&mut self, name: &str) -> bool {
        let bit = bit(name);
        if bit != 0 {
            let new = self.known & bit == 0;
            self.known |= bit;
            return new;
        }
        match self.extensions.binary_search_by(|known| (**known).cmp(name)) {
            Ok(_) => false,
            Err(at) => {
                self.extensions.insert(at, name.into());
                true
            }
        }
    }

    /// The names, the usual ones first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let known =
            KNOWN.iter().enumerate().filter(|(at, _)| self.known & (1 << at) != 0).map(|(_, name)| *name);
        known.chain(self.extensions.iter().map(|name| &**name))
    }

    fn lists(&self, wanted: &Wanted<'_>) -> bool {
        if wanted.known == 0 {
            self.extensions.iter().any(|name| **name == *wanted.name)
        } else {
            self.known & wanted.known != 0
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.known & other.known != 0 || self.extensions.iter().any(|name| other.extensions.contains(name))
    }
}

impl Methods {
    /// How well this fits: higher is closer, `None` is not at all.
    pub(super) fn fit(&self, wanted: &Wanted<'_>) -> Option<u8> {
        match self {
            Methods::All => Some(0),
            Methods::WebSocket => wanted.websocket.then_some(3),
            Methods::Listed(set) if set.lists(wanted) => Some(2),
            Methods::Listed(set) if wanted.known == HEAD && set.known & GET != 0 => Some(1),
            Methods::Listed(_) => None,
        }
    }

    /// Whether a request exists for which neither of the two is the closer one.
    pub(super) fn conflicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Methods::All, Methods::All) | (Methods::WebSocket, Methods::WebSocket) => true,
            (Methods::Listed(one), Methods::Listed(two)) => one.meets(two),
            _ => false,
        }
    }

    /// Whether every request this is for also fits one of `others`.
    pub(super) fn covered_by(&self, others: &[&Methods]) -> bool {
        let fits = |wanted: Wanted<'_>| others.iter().any(|methods| methods.fit(&wanted).is_some());
        match self {
            Methods::All => others.contains(&&Methods::All),
            Methods::WebSocket => fits(Wanted::new("GET", Upgrade::WebSocket)),
            Methods::Listed(set) => set.iter().all(|name| fits(Wanted::new(name, Upgrade::None))),
        }
    }

    /// Adds what this allows to a set for `Allow` (RFC 9110 section 10.2.1). `All` adds nothing: where it
    /// matches there is no refusal.
    pub(super) fn allow(&self, into: &mut MethodSet) {
        match self {
            Methods::All => {}
            Methods::WebSocket => into.known |= GET,
            Methods::Listed(set) => {
                into.known |= set.known | if set.known & GET == 0 { 0 } else { HEAD };
                for name in &set.extensions {
                    into.insert(name);
                }
            }
        }
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Methods::All => Ok(()),
            Methods::WebSocket => f.write_str("WS"),
            Methods::Listed(set) => {
                for (at, name) in set.iter().enumerate() {
                    if at > 0 {
                        f.write_str(",")?;
                    }
                    f.write_str(name)?;
                }
                Ok(())
            }
        }
    }
}

fn bit(name: &str) -> u16 {
    match name {
        "GET" => GET,
        "HEAD" => HEAD,
        "POST" => 1 << 2,
        "PUT" => 1 << 3,
        "PATCH" => 1 << 4,
        "DELETE" => 1 << 5,
        "OPTIONS" => 1 << 6,
        "TRACE" => 1 << 7,
        "CONNECT" => 1 << 8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str]) -> Methods {
        let mut set = MethodSet::default();
        for name in names {
            assert!(set.insert(name));
        }
        Methods::Listed(set)
    }

    #[test]
    fn every_known_method_has_the_bit_of_its_place() {
        for (at, name) in KNOWN.iter().enumerate() {
            assert_eq!(bit(name), 1 << at, "{name}");
        }
    }

    #[test]
    fn the_closest_fits_best() {
        let handshake = Wanted::new("CONNECT", Upgrade::WebSocket);
        let order =
            [Methods::WebSocket, listed(&["GET"]), Methods::All].map(|methods| methods.fit(&handshake));
        assert_eq!(order, [Some(3), Some(2), Some(0)]);

        let head = Wanted::new("HEAD", Upgrade::None);
        assert!(listed(&["HEAD"]).fit(&head) > listed(&["GET"]).fit(&head));
        assert!(listed(&["GET"]).fit(&head) > Methods::All.fit(&head));
        assert_eq!(Methods::WebSocket.fit(&Wanted::new("GET", Upgrade::None)), None);
        assert_eq!(listed(&["POST"]).fit(&head), None);
        assert_eq!(listed(&["PURGE"]).fit(&Wanted::new("PURGE", Upgrade::None)), Some(2));
        assert_eq!(listed(&["PURGE"]).fit(&Wanted::new("QUERY", Upgrade::None)), None);
    }

    #[test]
    fn what_is_covered_by_others() {
        let covered = |one: &Methods, others: &[Methods]| one.covered_by(&others.iter().collect::<Vec<_>>());
        assert!(covered(&listed(&["GET", "HEAD"]), &[listed(&["GET"])]));
        assert!(covered(&Methods::WebSocket, &[listed(&["GET"])]));
        assert!(covered(&listed(&["GET", "PURGE"]), &[listed(&["GET"]), listed(&["PURGE"])]));
        assert!(!covered(&Methods::All, &[listed(&["GET"]), Methods::WebSocket]));
        assert!(!covered(&listed(&["POST"]), &[listed(&["GET"])]));
    }
}
