//! Who calls, in the words of the gate: it alone can reach this service, and it takes a client's own copies of
//! these fields off.

use std::net::IpAddr;

use http::HeaderMap;
use portcullis_core::identity::Scheme;
use portcullis_core::{Client, Id};

/// Whoever stands behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is proven to be; none on an open endpoint.
    pub proven: Option<Proven>,
    /// Where it calls from.
    pub client: Client,
    /// The id of the request.
    pub request_id: String,
    /// `User-Agent` as sent.
    pub agent: Option<String>,
}

/// A caller that the gate has authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The name of the user.
    pub user: String,
    /// Its id; none for a shared credential and for a user of an outside identity provider.
    pub id: Option<Id>,
    /// Its role.
    pub role: Option<String>,
    /// How it was proven.
    pub scheme: Scheme,
    /// The public name of the credential: of a key, a session, a family of tokens.
    pub credential: String,
    /// The device that its session is bound to.
    pub device: Option<Id>,
}

/// A request that does not come from the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} of the gate is missing or malformed")]
pub struct NotFromTheGate(&'static str);

impl Caller {
    /// Reads what the gate wrote.
    pub fn of(fields: &HeaderMap) -> Result<Self, NotFromTheGate> {
        let text = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
        let client = text("x-auth-client").and_then(|text| text.parse::<IpAddr>().ok());
        let secure = match text("x-auth-secure") {
            Some("1") => true,
            Some("0") => false,
            _ => return Err(NotFromTheGate("X-Auth-Secure")),
        };
        Ok(Self {
            proven: proven(fields)?,
            client: Client::direct(client.ok_or(NotFromTheGate("X-Auth-Client"))?, secure),
            request_id: text("x-request-id").unwrap_or_default().to_owned(),
            agent: fields
                .get("user-agent")
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        })
    }

    /// The address it calls from.
    pub fn address(&self) -> IpAddr {
        self.client.address
    }
}

fn proven(fields: &HeaderMap) -> Result<Option<Proven>, NotFromTheGate> {
    // A name is any text; what is not ASCII is still the name, so it is read as UTF-8.
    let text = |name: &str| fields.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let Some(method) = text("x-auth-method") else { return Ok(None) };
    let id = |name: &'static str| {
        text(name).map(str::parse::<Id>).transpose().map_err(|_| NotFromTheGate("X-Auth-Id or X-Auth-Device"))
    };
    Ok(Some(Proven {
        user: text("x-auth-user").ok_or(NotFromTheGate("X-Auth-User"))?.to_owned(),
        id: id("x-auth-id")?,
        role: text("x-auth-role").map(str::to_owned),
        scheme: Scheme::from_name(method).ok_or(NotFromTheGate("X-Auth-Method"))?,
        credential: text("x-auth-credential").ok_or(NotFromTheGate("X-Auth-Credential"))?.to_owned(),
        device: id("x-auth-device")?,
    }))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn read(fields: &[(&'static str, &str)]) -> Result<Caller, NotFromTheGate> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Caller::of(&map)
    }

    const OPEN: [(&str, &str); 2] = [("x-auth-client", "2001:db8::7"), ("x-auth-secure", "1")];

    #[test]
    fn an_open_request_has_an_address_and_nobody() {
        let caller = read(&OPEN).unwrap();
        assert_eq!(caller.proven, None);
        assert_eq!(caller.address().to_string(), "2001:db8::7");
        assert!(caller.client.secure);
    }

    #[test]
    fn a_proven_caller_is_read_whole() {
        let id = "0199aabb-ccdd-7fff-bfff-ffffffffffff";
        let mut fields = OPEN.to_vec();
        fields.extend([
            ("x-auth-user", "zoë"),
            ("x-auth-role", "admin"),
            ("x-auth-method", "bearer"),
            ("x-auth-id", id),
            ("x-auth-credential", "family"),
            ("user-agent", "curl/8"),
        ]);
        let caller = read(&fields).unwrap();
        let proven = caller.proven.unwrap();
        assert_eq!((proven.user.as_str(), proven.role.as_deref()), ("zoë", Some("admin")));
        assert_eq!((proven.scheme, proven.id.unwrap().to_string().as_str()), (Scheme::Bearer, id));
        assert_eq!((proven.credential.as_str(), proven.device), ("family", None));
        assert_eq!(caller.agent.as_deref(), Some("curl/8"));
    }

    #[test]
    fn what_does_not_come_from_the_gate_is_nobody_s() {
        assert!(read(&[]).is_err());
        assert!(read(&OPEN[..1]).is_err());
        let with = |more: &[(&'static str, &'static str)]| read(&[&OPEN[..], more].concat());
        assert!(with(&[("x-auth-method", "bearer")]).is_err(), "no user");
        assert!(with(&[("x-auth-method", "magic"), ("x-auth-user", "a")]).is_err());
        let odd = [
            ("x-auth-method", "bearer"),
            ("x-auth-user", "a"),
            ("x-auth-credential", "c"),
            ("x-auth-id", "1"),
        ];
        assert!(with(&odd).is_err());
    }
}
