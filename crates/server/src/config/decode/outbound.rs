//! What is called beside the application, and who says where names lead.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use portcullis_outbound::{NotPorts, Place, Ports, Rules};

use super::super::model::{Egress, ListenAddress, Listener, Mode, Outbound, Route};
use super::super::problem::Problem;
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::{Reader, server};

/// Where name servers listen (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

pub(super) fn outbound(root: &Reader<'_>) -> Outbound {
    let section = root.section("outbound");
    Outbound {
        rules: Rules {
            allow: section.list("allow", place),
            deny: section.list("deny", place),
            ports: Ports::new(section.list("ports", ports)),
        },
        resolvers: section.list("resolver", name_server),
        timeout: section.duration("timeout"),
        origin: section.origin_of("resolver"),
    }
}

/// The way out for the application, where `egress.listen` stands.
pub(super) fn egress(root: &Reader<'_>, listeners: &[Listener]) -> Option<Egress> {
    let section = root.section("egress");
    let listen = section.leaf("listen", |node| server::socket_address(value::text(node)?));
    let egress = Egress {
        listen: listen.unwrap_or_else(|| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)),
        clients: section.list("clients", server::network),
        hosts: section.list("hosts", place),
        mode: match section.choice("mode", super::keys::MODES) {
            Some("observe") => Mode::Observe,
            _ => Mode::Enforce,
        },
        origin: section.origin_of("listen"),
    };
    if listen.is_none() {
        if let Some(name) = ["clients", "hosts", "mode"].into_iter().find(|name| section.node(name).is_some())
        {
            let origin = section.origin_of(name);
            let problem =
                Problem::new(&origin, format!("`egress.{name}` without `egress.listen`: nobody could call"));
            section.problem(problem.mend("listen = \"127.0.0.1:3128\""));
        }
        return None;
    }
    let taken = listeners
        .iter()
        .find(|it| it.address == ListenAddress::Tcp(egress.listen) && egress.listen.port() != 0);
    if let Some(listener) = taken {
        let problem =
            Problem::new(&egress.origin, format!("the gateway itself listens on {}", egress.listen));
        section.problem(problem.also(&listener.origin, "here").mend("another port"));
    }
    Some(egress)
}

/// Warns of rules by which nothing is judged.
pub(super) fn unused(root: &Reader<'_>, routes: &[Route], egress: bool) {
    let judged = egress || routes.iter().any(|route| route.validate.judges_urls());
    if let Some(node) = root.node("outbound").filter(|_| !judged) {
        root.warn(
            Problem::new(
                &node.key,
                "`[outbound]` judges nothing: no route has `public_urls`, and there is no `[egress]`",
            )
            .mend("body = { public_urls = [\"/url\"] } on a route, or [egress] listen = \"127.0.0.1:3128\""),
        );
    }
}

fn place(node: &Node) -> Result<Place, Complaint> {
    let text = value::text(node)?;
    text.parse().map_err(|error| {
        Complaint::new(
            format!("`{text}` is {error}"),
            "\"10.1.0.0/16\", \"192.0.2.7\", \"hooks.example.com\", or \"*.example.com\" for every name under it",
        )
    })
}

fn ports(node: &Node) -> Result<RangeInclusive<u16>, Complaint> {
    let text = match &node.value {
        Value::Integer(number) => number.to_string(),
        _ => value::text(node)?.to_owned(),
    };
    Ports::range(&text).map_err(|error: NotPorts| {
        Complaint::new(format!("`{text}` is {error}"), "443, or \"8000-8999\" between quotes")
    })
}

/// The address of a name server, with a port or without.
fn name_server(node: &Node) -> Result<SocketAddr, Complaint> {
    let text = value::text(node)?;
    let plain = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    plain.or_else(|_| text.parse::<SocketAddr>()).map_err(|_| {
        Complaint::new(
            format!("`{text}` is not the address of a name server"),
            "\"9.9.9.9\", \"127.0.0.1:5353\" or \"[::1]:53\"",
        )
    })
}
