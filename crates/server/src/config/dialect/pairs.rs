//! Names that are halves of one setting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::names::Named;
use super::super::problem::Problem;
use super::super::tree::Node;
use super::apply::Applied;
use super::place::{find, limit_rate, set, set_limit};
use super::{Dialect, Meaning, Name};

impl Applied<'_> {
    /// `API_HOST` and `API_PORT` are the halves of `server.listen`.
    pub(super) fn listen(&mut self, host: Option<&(&Name, Named)>, port: Option<&(&Name, Named)>) {
        let Some((said, origin)) = host.or(port).map(|(name, named)| (name.name, named.origin.clone()))
        else {
            return;
        };
        let current = find(self.tree, "server.listen").cloned();
        let current = match current.as_ref().map(|node| (node, node.as_text())) {
            None => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8000),
            Some((node, text)) => match text.map(super::super::decode::socket_address) {
                Some(Ok(address)) => address,
                // A wrong address is reported where it is decoded.
                Some(Err(_)) if !text.is_some_and(|it| it.starts_with("unix:")) => return,
                _ => {
                    self.problems.push(
                        Problem::new(
                            &origin,
                            format!("{said} names one address, and `server.listen` is no single ip:port"),
                        )
                        .also(&node.origin, "here is the other")
                        .mend(format!("unset {said}, or set PORTCULLIS_SERVER__LISTEN")),
                    );
                    return;
                }
            },
        };
        let ip = match host {
            None => current.ip(),
            Some((name, named)) => match host_address(&named.value) {
                Some(ip) => ip,
                None => {
                    return self.problem(
                        name,
                        named,
                        "not an address of this machine",
                        "write 127.0.0.1, 0.0.0.0 or an address of an interface",
                    );
                }
            },
        };
        let number = match port {
            None => current.port(),
            Some((name, named)) => match named.value.trim().parse::<u16>() {
                Ok(number) => number,
                Err(_) => {
                    return self.problem(
                        name,
                        named,
                        "not a port",
                        &format!("write a number from 1 to 65535, such as {}", name.default),
                    );
                }
            },
        };
        set(self.tree, "server.listen", Node::text(SocketAddr::new(ip, number).to_string(), origin));
    }

    /// A count and the seconds it is for.
    pub(super) fn window(&mut self, count: Option<&(&Name, Named)>, window: Option<&(&Name, Named)>) {
        /// What a half is where only the other one is said: that of the rule as it stands.
        const STANDS: (u32, u32) = (60, 60);
        let Some((name, named)) = count.or(window) else { return };
        let (Meaning::Count(limit) | Meaning::Window(limit)) = name.meaning else { return };
        let stands = limit_rate(self.tree, limit).unwrap_or(STANDS);
        let mut half = |said: Option<&(&Name, Named)>, stands: u32| match said {
            None => Some(stands),
            Some((name, named)) => self.whole(name, named),
        };
        let (Some(count), Some(seconds)) = (half(count, stands.0), half(window, stands.1)) else { return };
        let leaf = Node::text(format!("{count}/{seconds}s per ip"), named.origin.clone());
        if !set_limit(self.tree, limit, &leaf) {
            self.gone(name, named, &format!("the limit `{limit}`"));
        }
    }

    /// TLS with the files that other names say; without it none, whatever they say.
    pub(super) fn tls(&mut self, name: &Name, named: &Named, dialect: &Dialect) {
        let Some(on) = self.boolean(name, named) else { return };
        if !on {
            if let Some(server) = self.tree.get_mut("server").and_then(Node::as_table_mut) {
                server.remove("tls");
            }
            return;
        }
        for key in ["server.tls.cert", "server.tls.key"] {
            if find(self.tree, key).is_none() {
                let known = dialect.names.iter().find(|name| name.meaning == Meaning::Set(key));
                let lacks = known.map_or(key, |name| name.name);
                self.problems.push(
                    Problem::new(&named.origin, format!("{} is true, and {lacks} is not set", name.name))
                        .mend(format!("set {lacks} to a PEM file, or {} to false", name.name)),
                );
            }
        }
    }
}

fn host_address(text: &str) -> Option<IpAddr> {
    match text.trim() {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        "*" => Some(Ipv4Addr::UNSPECIFIED.into()),
        text => {
            let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
            bare.parse::<Ipv4Addr>()
                .map(IpAddr::V4)
                .or_else(|_| bare.parse::<Ipv6Addr>().map(IpAddr::V6))
                .ok()
        }
    }
}
