//! Listeners, caps, upstreams and the log.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::super::keys::LEVELS;
use super::super::model::{
    Breaker, Caps, Environment, ListenAddress, Listener, Log, LogFormat, LogLevel, Server, Tls, Upstream,
    UpstreamAddress,
};
use super::super::origin::{Origin, TextKind};
use super::super::problem::Problem;
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::Reader;

const LISTEN_MEND: &str =
    "\"127.0.0.1:8000\", \"0.0.0.0:8000\", \"[::1]:8000\" or \"unix:/run/portcullis.sock\"";
const UPSTREAM_MEND: &str = "\"http://127.0.0.1:9000\" or \"unix:/run/app.sock\"";
/// The name of the upstream that `upstream = "URL"` makes.
const DEFAULT_UPSTREAM: &str = "default";

pub(super) fn server(root: &Reader<'_>, upstreams: &[Upstream]) -> Server {
    let server = root.section("server");
    let tls = tls(&server);
    let listeners = listeners(&server, tls.is_some());
    own_address(&server, &listeners, upstreams);
    let caps = server.section("caps");
    Server {
        listeners,
        trusted_proxies: server.list("trusted_proxies", network),
        closed: server.choice("unknown_routes", &["pass", "closed"]) == Some("closed"),
        tls,
        caps: Caps {
            header_timeout: caps.duration("header_timeout"),
            headers: usize::try_from(caps.size("headers")).unwrap_or(usize::MAX),
            target: usize::try_from(caps.size("target")).unwrap_or(usize::MAX),
            body: caps.size("body"),
            body_timeout: caps.duration("body_timeout"),
            idle_timeout: caps.duration("idle_timeout"),
            connections: caps.integer("connections").unwrap_or(1),
            connections_per_ip: caps.integer("connections_per_ip").unwrap_or(1),
        },
        drain: server.duration("drain"),
        workers: server.integer("workers"),
    }
}

/// The upstreams and which of them is the default.
pub(super) fn upstreams(root: &Reader<'_>) -> (Vec<Upstream>, usize) {
    let section = root.section("upstreams");
    let mut all: Vec<Upstream> = Vec::new();
    for (name, reader) in section.sections() {
        let addresses = reader.list("url", |node| upstream_address(node, &reader));
        if reader.node("url").is_none() && reader.origin.place().is_some() {
            reader.problem(
                Problem::new(&reader.origin, format!("upstream `{name}` has no `url`"))
                    .mend(format!("url = {UPSTREAM_MEND}")),
            );
        }
        all.push(upstream(name, addresses, &reader));
    }
    let Some(node) = root.node("upstream") else {
        let default = match all.iter().position(|it| it.name == DEFAULT_UPSTREAM) {
            Some(at) => at,
            None if all.len() == 1 => 0,
            None if all.is_empty() => {
                root.problem(
                    Problem::new(&root.origin, "no upstream: where is the application?")
                        .mend(format!("upstream = {UPSTREAM_MEND} in the configuration, or --upstream URL")),
                );
                0
            }
            None => {
                let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
                root.problem(
                    Problem::new(&section.origin, "several upstreams, and none of them is the default").mend(
                        format!(
                            "upstream = \"{}\" says which; there are {}",
                            names[0],
                            value::quoted(&names)
                        ),
                    ),
                );
                0
            }
        };
        return (all, default);
    };
    if let Some(name) = node.as_text().filter(|text| !text.contains([':', '/', ','])) {
        let found = all.iter().position(|it| it.name == name);
        if found.is_none() {
            let problem = Problem::new(&node.origin, format!("there is no upstream `{name}`"));
            root.problem(match all.as_slice() {
                [] => problem.mend(UPSTREAM_MEND),
                some => problem.nearest(name, some.iter().map(|it| it.name.as_str())),
            });
        }
        return (all, found.unwrap_or(0));
    }
    let addresses = root.list("upstream", |node| upstream_address(node, root));
    if let Some(at) = all.iter().position(|it| it.name == DEFAULT_UPSTREAM) {
        if all[at].addresses != addresses && same_text(&all[at].origin, &node.origin) {
            root.problem(
                Problem::new(
                    &node.origin,
                    "`upstream` and `upstreams.default` are two names for one setting, and they disagree",
                )
                .also(&all[at].origin, "here is the other")
                .mend("keep one of the two"),
            );
        }
        all[at].addresses = addresses;
        return (all, at);
    }
    let empty = root.nested(node, "upstreams.*");
    let mut short = upstream(DEFAULT_UPSTREAM, addresses, &empty);
    short.origin = node.origin.clone();
    all.push(short);
    let last = all.len() - 1;
    (all, last)
}

pub(super) fn log(root: &Reader<'_>, environment: Environment) -> Log {
    let log = root.section("log");
    let level = match log.choice("level", LEVELS) {
        Some("error") => LogLevel::Error,
        Some("warn") => LogLevel::Warn,
        Some("debug") => LogLevel::Debug,
        Some("trace") => LogLevel::Trace,
        _ => LogLevel::Info,
    };
    let format = match (log.choice("format", &["text", "json"]), environment) {
        (Some("text"), _) | (None, Environment::Development) => LogFormat::Text,
        _ => LogFormat::Json,
    };
    let file = log.path("file");
    // A directory is made where it is missing; one that the file names in a place that is not there is not meant.
    let origin = log.origin_of("file");
    let written = matches!(&origin, Origin::Text { text, .. } if text.kind == TextKind::File);
    let missing = |path: &Path| !path.as_os_str().is_empty() && !path.is_dir();
    if let Some(file) = &file
        && written
        && file.parent().is_some_and(|parent| missing(parent) && parent.parent().is_some_and(missing))
    {
        log.problem(
            Problem::new(&origin, format!("`log.file`: the directory of {} does not exist", file.display()))
                .mend("make the directory, or name another"),
        );
    }
    let security = log.boolean("security");
    if !security {
        let name = log.context.name_for("log.security").unwrap_or("log.security");
        log.warn(
            Problem::new(
                &log.origin_of("security"),
                format!("{name} is false: refused credentials, limits reached and other security events are not written"),
            )
            .mend(format!("set {name} to true")),
        );
    }
    Log { format, file, level, security, rotate: log.size("rotate"), keep: log.duration("keep") }
}

/// `ip:port` with the forms people write: `localhost:8000`, `*:8000`.
pub(in super::super) fn socket_address(text: &str) -> Result<SocketAddr, Complaint> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    }
    let mend = if let Ok(ip) = text.parse::<IpAddr>() {
        format!("a port is missing: \"{}\"", SocketAddr::new(ip, 8000))
    } else if let Some(port) =
        text.trim_start_matches(['*', ':']).parse::<u16>().ok().filter(|_| text.len() < 8)
    {
        format!(
            "an address is missing: \"127.0.0.1:{port}\" for this machine only, \"0.0.0.0:{port}\" for every interface"
        )
    } else {
        LISTEN_MEND.to_owned()
    };
    Err(Complaint::new(format!("`{text}` is not an address to listen on"), mend))
}

fn listeners(server: &Reader<'_>, tls: bool) -> Vec<Listener> {
    let one = |node: &Node| -> Result<Listener, Complaint> {
        if let Some(table) = node.as_table() {
            let reader = server.nested(node, "server.listen");
            for (name, inner) in table {
                if !["address", "proxy_protocol", "tls"].contains(&name.as_str()) {
                    server.problem(
                        Problem::new(&inner.key, format!("`{name}` is not a key of a listener"))
                            .nearest(name, ["address", "proxy_protocol", "tls"]),
                    );
                }
            }
            let address = table.get("address").ok_or_else(|| {
                Complaint::new("a listener without `address`", format!("address = {LISTEN_MEND}"))
            })?;
            let address = listen_address(address, server).map_err(|it| it.at(&address.origin))?;
            let flag = |name: &str| {
                table.get(name).map(|node| value::boolean(node).map_err(|it| it.at(&node.origin))).transpose()
            };
            let wants_tls = flag("tls")?;
            if wants_tls == Some(true) && !tls {
                return Err(Complaint::new(
                    "`tls = true` without a certificate",
                    "set cert and key under [server.tls]",
                ));
            }
            let by_default = tls && matches!(address, ListenAddress::Tcp(_));
            return Ok(Listener {
                address,
                proxy_protocol: flag("proxy_protocol")?.unwrap_or(false),
                tls: wants_tls.unwrap_or(by_default),
                origin: reader.origin,
            });
        }
        let address = listen_address(node, server)?;
        let tls = tls && matches!(address, ListenAddress::Tcp(_));
        Ok(Listener { address, proxy_protocol: false, tls, origin: node.origin.clone() })
    };
    let Some(node) = server.node("listen") else { return server.list("listen", one) };
    let listeners = match &node.value {
        // One table alone is a list of one.
        Value::Table(_) => match one(node) {
            Ok(listener) => vec![listener],
            Err(complaint) => {
                server.complain("listen", node, complaint);
                return Vec::new();
            }
        },
        _ => server.list("listen", one),
    };
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        server.problem(
            Problem::new(&node.origin, "`server.listen`: an empty list: nobody could connect")
                .mend(LISTEN_MEND),
        );
    }
    for (at, listener) in listeners.iter().enumerate() {
        let twice = |other: &&Listener| {
            other.address == listener.address
                && !matches!(&other.address, ListenAddress::Tcp(address) if address.port() == 0)
        };
        if let Some(first) = listeners[..at].iter().find(twice) {
            server.problem(
                Problem::new(&listener.origin, format!("{} is listened on twice", listener.address))
                    .also(&first.origin, "here is the first")
                    .mend("keep one of the two"),
            );
        }
    }
    listeners
}

fn listen_address(node: &Node, server: &Reader<'_>) -> Result<ListenAddress, Complaint> {
    let text = value::text(node)?;
    match unix_path(text, node, server)? {
        Some(path) => Ok(ListenAddress::Unix(path)),
        None => socket_address(text).map(ListenAddress::Tcp),
    }
}

fn unix_path(text: &str, node: &Node, reader: &Reader<'_>) -> Result<Option<PathBuf>, Complaint> {
    /// `sun_path` holds 108 bytes with the NUL (unix(7)).
    const LONGEST: usize = 107;
    let Some(path) = text.strip_prefix("unix:") else { return Ok(None) };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err(Complaint::new("`unix:` without a path", "\"unix:/run/portcullis.sock\""));
    }
    let path = reader.context.resolve(path, &node.origin);
    if path.as_os_str().len() > LONGEST {
        return Err(Complaint::new("the path of the socket is too long", format!("at most {LONGEST} bytes")));
    }
    Ok(Some(path))
}

fn tls(server: &Reader<'_>) -> Option<Tls> {
    let section = server.section("tls");
    let (cert, key) = (section.path("cert"), section.path("key"));
    let readable = |name: &str, path: &Path| {
        if let Err(error) = std::fs::File::open(path) {
            section.problem(
                Problem::new(
                    &section.origin_of(name),
                    format!("`server.tls.{name}`: {} cannot be read: {error}", path.display()),
                )
                .mend("name a PEM file that the gateway may read"),
            );
        }
        section.context.watch(path);
    };
    match (cert, key) {
        (Some(cert), Some(key)) => {
            readable("cert", &cert);
            readable("key", &key);
            Some(Tls { cert, key, origin: section.origin })
        }
        (None, None) => None,
        (cert, _) => {
            let (has, lacks) = if cert.is_some() { ("cert", "key") } else { ("key", "cert") };
            section.problem(
                Problem::new(&section.origin_of(has), format!("`server.tls` has `{has}` and no `{lacks}`"))
                    .mend(format!("{lacks} = \"{lacks}.pem\"")),
            );
            None
        }
    }
}

pub(super) fn network(node: &Node) -> Result<IpNet, Complaint> {
    const MEND: &str = "an address or a prefix: \"10.0.0.1\", \"10.0.0.0/8\", \"fd00::/8\"";
    let text = value::text(node)?.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(portcullis_core::client::canonical(address).into());
    }
    let network: IpNet =
        text.parse().map_err(|_| Complaint::new(format!("`{text}` is not an address or a prefix"), MEND))?;
    if network.addr() != network.network() {
        return Err(Complaint::new(
            format!("`{text}` has bits set beyond its prefix"),
            format!("did you mean \"{}\"?", network.trunc()),
        ));
    }
    Ok(network)
}

fn upstream(name: &str, addresses: Vec<UpstreamAddress>, reader: &Reader<'_>) -> Upstream {
    Upstream {
        name: name.to_owned(),
        addresses,
        connect_timeout: reader.duration("connect_timeout"),
        response_timeout: reader.duration("response_timeout"),
        idle_timeout: reader.duration("idle_timeout"),
        pass_credentials: reader.boolean("pass_credentials"),
        breaker: breaker(reader),
        origin: reader.origin.clone(),
    }
}

fn breaker(reader: &Reader<'_>) -> Option<Breaker> {
    reader.node("breaker")?;
    let section = reader.section("breaker");
    let failures = section.integer("failures").and_then(|count| u32::try_from(count).ok());
    Some(Breaker { failures: failures.unwrap_or(1), open: section.duration("open") })
}

fn upstream_address(node: &Node, reader: &Reader<'_>) -> Result<UpstreamAddress, Complaint> {
    let text = value::text(node)?.trim();
    if let Some(path) = unix_path(text, node, reader)? {
        return Ok(UpstreamAddress::Unix(path));
    }
    let wrong = |message: String, mend: &str| Err(Complaint::new(message, mend));
    let Some(rest) = text.strip_prefix("http://") else {
        if text.starts_with("https://") {
            return wrong(
                "https towards the application is not in this version".into(),
                "http:// or unix: on a network you trust",
            );
        }
        let mend = if text.contains("://") { UPSTREAM_MEND.to_owned() } else { format!("\"http://{text}\"") };
        return Err(Complaint::new(format!("`{}` is not the address of an application", shown(text)), mend));
    };
    if rest.contains('@') {
        return wrong(
            "a user name in the address of an upstream".into(),
            "take it away; credentials do not belong there",
        );
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() || authority.contains(['?', '#']) {
        return wrong(
            format!("`{text}` has a path"),
            &format!("\"http://{authority}\": requests keep the path they came with"),
        );
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, port),
            _ => return wrong(format!("`{port}` is not a port"), "from 1 to 65535"),
        },
        _ => (authority, 80),
    };
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let host = match bare {
        Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_ok() => v6,
        None if !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) =>
        {
            host
        }
        _ => return wrong(format!("`{host}` is not a host"), UPSTREAM_MEND),
    };
    Ok(UpstreamAddress::Tcp { host: host.to_owned(), port })
}

/// An address without what may be a password.
fn shown(text: &str) -> &str {
    text.rsplit('@').next().unwrap_or(text)
}

/// A gateway that forwards to itself would answer every request with a timeout.
fn own_address(server: &Reader<'_>, listeners: &[Listener], upstreams: &[Upstream]) {
    for upstream in upstreams {
        for address in &upstream.addresses {
            let own = listeners.iter().find(|listener| match (&listener.address, address) {
                (ListenAddress::Tcp(own), UpstreamAddress::Tcp { host, port }) => {
                    let ip = if host == "localhost" {
                        Some(Ipv4Addr::LOCALHOST.into())
                    } else {
                        host.parse::<IpAddr>().ok()
                    };
                    own.port() == *port
                        && ip.is_some_and(|ip| {
                            ip == own.ip() || (own.ip().is_unspecified() && ip.is_loopback())
                        })
                }
                (ListenAddress::Unix(own), UpstreamAddress::Unix(path)) => own == path,
                _ => false,
            });
            if let Some(listener) = own {
                server.problem(
                    Problem::new(
                        &upstream.origin,
                        format!("{address} is the gateway itself: it listens on {}", listener.address),
                    )
                    .also(&listener.origin, "the listener stands here")
                    .mend("start the application on another port and name that one"),
                );
            }
        }
    }
}

/// Whether two values stand in the same text: only then do they contradict, else the later layer wins.
fn same_text(one: &super::Origin, other: &super::Origin) -> bool {
    match (one.place(), other.place()) {
        (Some((a, _)), Some((b, _))) => std::ptr::eq(a, b),
        _ => false,
    }
}
