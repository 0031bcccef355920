//! What a store's URL names.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::sql::postgres::Tls;
use crate::{OpenError, Options};

/// Where a store is.
#[derive(Debug)]
pub(crate) enum Location {
    /// `memory:`
    Memory,
    /// `sqlite:PATH` or `sqlite:///PATH`
    File(PathBuf),
    /// `postgres://…` or `postgresql://…`
    Server(Box<Server>),
}

/// A PostgreSQL server and how to reach it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    /// Host, port and database, for messages.
    pub(crate) place: String,
}

impl Location {
    /// Reads a URL. No message repeats it: it may hold a password.
    pub(crate) fn of(url: &str, options: &Options) -> Result<Self, OpenError> {
        let (scheme, rest) = url.split_once(':').ok_or_else(|| fault("it has no scheme"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(fault("nothing may stand behind `memory:`")),
            "sqlite" => file(rest).map(Self::File),
            "postgres" | "postgresql" => server(url, options).map(|server| Self::Server(Box::new(server))),
            _ => Err(fault("its scheme is another")),
        }
    }
}

fn file(rest: &str) -> Result<PathBuf, OpenError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if rest.starts_with("//") && !path.starts_with('/') {
        return Err(fault(
            "`sqlite://` is followed by an absolute path: `sqlite:///PATH`; a relative one is `sqlite:PATH`",
        ));
    }
    if path.is_empty() || path.ends_with('/') {
        return Err(fault("it names no file"));
    }
    if path.contains('?') || path.contains('\0') {
        return Err(fault("a path has no `?`, and nothing can be set behind it"));
    }
    Ok(PathBuf::from(path))
}

fn server(url: &str, options: &Options) -> Result<Server, OpenError> {
    let (url, mode, authorities) = take_tls(url)?;
    let mut config = Config::from_str(&url).map_err(|_| fault("it is no PostgreSQL URL"))?;
    if config.get_hosts().is_empty() {
        return Err(fault("it names no host"));
    }
    let near =
        config.get_hosts().iter().all(is_near) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    let sockets = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    let tls = match (mode.as_deref(), authorities) {
        // A socket of this machine needs none and knows none, as with libpq.
        _ if sockets => Tls::Plain,
        (Some("disable"), _) => Tls::Plain,
        (Some("require"), None) => Tls::Encrypted,
        (None, None) if near => Tls::Plain,
        // Who names an authority wants to know that it is the right server.
        (None | Some("verify-full" | "require"), authorities) => Tls::Verified(authorities),
        _ => return Err(fault("`sslmode` is `disable`, `require` or `verify-full`")),
    };
    config.ssl_mode(if tls == Tls::Plain { SslMode::Disable } else { SslMode::Require });
    config.connect_timeout(options.connect_timeout);
    config.keepalives_idle(Duration::from_secs(30));
    config.tcp_user_timeout(options.statement_timeout);
    if config.get_application_name().is_none() {
        config.application_name("portcullis");
    }
    let place = place(&config);
    Ok(Server { config, tls, place })
}

/// Takes out what the driver does not know: its `sslmode` ends at `require`.
fn take_tls(url: &str) -> Result<(String, Option<String>, Option<PathBuf>), OpenError> {
    let Some((head, query)) = url.split_once('?') else { return Ok((url.to_owned(), None, None)) };
    let (mut mode, mut authorities, mut others) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", "")) => return Err(fault("`sslrootcert` names no file")),
            Some(("sslrootcert", value)) => authorities = Some(PathBuf::from(value)),
            _ => others.push(pair),
        }
    }
    let others = others.join("&");
    let url = if others.is_empty() { head.to_owned() } else { format!("{head}?{others}") };
    Ok((url, mode, authorities))
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name.eq_ignore_ascii_case("localhost")
                || name.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
    }
}

fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).unwrap_or(&5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{} (port {port})", path.display()),
            }
        })
        .collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("the database \"{database}\" on {}", hosts.join(", "))
}

fn fault(why: &str) -> OpenError {
    OpenError::Url(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(url: &str) -> Option<String> {
        match Location::of(url, &Options::default()) {
            Ok(Location::File(path)) => Some(path.display().to_string()),
            _ => None,
        }
    }

    fn tls(url: &str) -> Option<Tls> {
        match Location::of(url, &Options::default()) {
            Ok(Location::Server(server)) => Some(server.tls),
            _ => None,
        }
    }

    #[test]
    fn files_are_named_relative_or_absolute() {
        assert_eq!(path("sqlite:portcullis.db").as_deref(), Some("portcullis.db"));
        assert_eq!(path("sqlite:./a b/ü.db").as_deref(), Some("./a b/ü.db"));
        assert_eq!(path("sqlite:/var/lib/p.db").as_deref(), Some("/var/lib/p.db"));
        assert_eq!(path("sqlite:///var/lib/p.db").as_deref(), Some("/var/lib/p.db"));
        for url in ["sqlite:", "sqlite://", "sqlite://host/p.db", "sqlite:folder/", "sqlite:p.db?mode=ro"] {
            assert_eq!(path(url), None, "{url}");
        }
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_it_is_said_otherwise() {
        assert_eq!(tls("postgres://u:p@db.example/x"), Some(Tls::Verified(None)));
        assert_eq!(tls("postgresql://u@db.example/x?sslmode=require"), Some(Tls::Encrypted));
        assert_eq!(tls("postgres://u@db.example/x?sslmode=disable"), Some(Tls::Plain));
        let pinned = Some(Tls::Verified(Some(PathBuf::from("/etc/ca.pem"))));
        assert_eq!(tls("postgres://u@db.example/x?sslmode=verify-full&sslrootcert=/etc/ca.pem"), pinned);
        assert_eq!(tls("postgres://u@db.example/x?sslrootcert=/etc/ca.pem&sslmode=require"), pinned);
        assert_eq!(tls("postgres://u@db.example,127.0.0.1/x"), Some(Tls::Verified(None)));
        assert_eq!(tls("postgres://u@localhost/x?hostaddr=192.0.2.1"), Some(Tls::Verified(None)));
    }

    #[test]
    fn on_this_machine_it_is_in_clear_unless_it_is_said_otherwise() {
        for host in ["127.0.0.1", "localhost", "127.8.8.8:5433", "[::1]", "%2Frun%2Fpostgresql"] {
            assert_eq!(tls(&format!("postgres://u@{host}/x")), Some(Tls::Plain), "{host}");
        }
        assert_eq!(tls("postgres://u@localhost/x?sslmode=verify-full"), Some(Tls::Verified(None)));
        assert_eq!(tls("postgres:///x?user=u&host=/run/postgresql&sslmode=require"), Some(Tls::Plain));
    }

    #[test]
    fn what_is_not_understood_is_refused_without_repeating_it() {
        for url in [
            "",
            "portcullis.db",
            "memory:x",
            "mysql://u:hunter2@h/x",
            "postgres://u:hunter2@h/x?sslmode=prefer",
            "postgres://u:hunter2@h/x?sslmode=verify-ca",
            "postgres://u:hunter2@h/x?nothing=1",
            "postgres://u:hunter2@h:port/x",
            "postgres:///x?sslrootcert=",
        ] {
            let error = Location::of(url, &Options::default()).unwrap_err();
            assert!(matches!(error, OpenError::Url(_)), "{url}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert!(matches!(Location::of("memory:", &Options::default()), Ok(Location::Memory)));
    }

    #[test]
    fn a_place_has_no_user_and_no_password() {
        let url = "postgres://alice:hunter2@db.example:6432/gate";
        let Ok(Location::Server(server)) = Location::of(url, &Options::default()) else { panic!("{url}") };
        assert_eq!(server.place, "the database \"gate\" on db.example:6432");
        assert!(!format!("{server:?}").contains("hunter2"));
    }
}
