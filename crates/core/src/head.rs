//! The borrowed view of a request head that every decision reads.
//!
//! The HTTP/1.1 engine, the HTTP/2 door and the tower layer each fill one; no stage of the gate ever sees
//! the types of an HTTP library.

/// One header field as it came over the wire. The name may be in any letter case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field name, in the letter case the client used.
    pub name: &'a str,
    /// The field value without surrounding blanks; any bytes but control characters.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// An empty field, to fill arrays with.
    pub const EMPTY: Field<'static> = Field { name: "", value: b"" };
}

/// What the connection is asked to become after this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upgrade {
    /// It stays HTTP.
    #[default]
    None,
    /// A WebSocket handshake (RFC 6455), by HTTP/1.1 upgrade or extended CONNECT.
    WebSocket,
    /// Any other protocol named in `Upgrade`.
    Other,
}

/// A request head: what the client asked for, before anything of the body is known.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method, as sent (methods are case-sensitive, RFC 9110 section 9.1).
    pub method: &'a str,
    /// The path as sent, percent-encoded, without the query; always begins with `/` (or is `*`).
    pub path: &'a str,
    /// The query as sent, without the question mark.
    pub query: Option<&'a str>,
    /// Host and port the client named (`Host` or `:authority`); empty when it named none.
    pub authority: &'a str,
    /// Whether the request came over TLS that this gateway ended.
    pub secure: bool,
    /// What the connection is asked to become.
    pub upgrade: Upgrade,
    /// All header fields in the order of arrival.
    pub fields: &'a [Field<'a>],
}

/// How often a field that must stand once was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once<'a> {
    /// Not there.
    Absent,
    /// There, once.
    Value(&'a [u8]),
    /// There more than once: whoever reads it must refuse rather than choose.
    Repeated,
}

impl<'a> Head<'a> {
    /// The first value of the field `name` (any letter case), if there is one.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Every value of the field `name`, in the order of arrival.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The value of a field that may stand only once.
    pub fn once(&self, name: &str) -> Once<'a> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Once::Absent,
            (Some(value), None) => Once::Value(value),
            (Some(_), Some(_)) => Once::Repeated,
        }
    }

    /// The first value of the field `name` as text, where it is text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.field(name).and_then(|value| std::str::from_utf8(value).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [Field<'static>; 3] = [
        Field { name: "X-Api-Key", value: b"one" },
        Field { name: "Accept", value: b"*/*" },
        Field { name: "x-api-key", value: b"two" },
    ];

    fn head() -> Head<'static> {
        Head {
            method: "GET",
            path: "/",
            query: None,
            authority: "example.com",
            secure: false,
            upgrade: Upgrade::None,
            fields: &FIELDS,
        }
    }

    #[test]
    fn names_compare_without_letter_case() {
        assert_eq!(head().field("ACCEPT"), Some(&b"*/*"[..]));
        assert_eq!(head().all("X-API-KEY").count(), 2);
    }

    #[test]
    fn a_repeated_field_is_not_chosen_from() {
        assert_eq!(head().once("x-api-key"), Once::Repeated);
        assert_eq!(head().once("accept"), Once::Value(b"*/*"));
        assert_eq!(head().once("cookie"), Once::Absent);
    }
}
