//! The bodies of answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_core::Id;
use portcullis_core::port;
use serde::Serialize;

use super::forms::{BINDING, ID, TEXT};
use crate::api::shape::{Field, Kind, Shape};

const ID_FIELD: Field = Field::new("id", Kind::Text(&ID), "Its id");
const CREATED: Field = Field::new("created_at", Kind::Moment, "When it was made");
const NAME: Field = Field::new("name", Kind::Text(&TEXT), "What its owner calls it");
const OWNER: Field = Field::new("user_id", Kind::Text(&ID), "Whose it is");
const NEXT: Field =
    Field::new("next", Kind::Text(&TEXT), "For `after`, to get what follows; null at the end").nullable();

/// A user.
pub static USER: Shape = Shape {
    name: "User",
    fields: &[
        ID_FIELD,
        Field::new("username", Kind::Text(&TEXT), "The name to log in with"),
        Field::new("email", Kind::Text(&TEXT), "The address").nullable(),
        Field::new("role", Kind::Text(&TEXT), "The name of the role"),
        Field::new("is_active", Kind::Boolean, "Whether the user may come at all"),
        CREATED,
        Field::new("last_login", Kind::Moment, "When it last logged in").nullable(),
    ],
};

/// See [`USER`].
#[derive(Debug, Serialize)]
pub struct User {
    id: String,
    username: String,
    email: Option<String>,
    role: String,
    is_active: bool,
    created_at: Timestamp,
    last_login: Option<Timestamp>,
}

impl From<port::User> for User {
    fn from(user: port::User) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.name,
            email: user.email,
            role: user.role,
            is_active: user.active,
            created_at: moment(user.created_ms),
            last_login: user.last_login_ms.map(moment),
        }
    }
}

/// `GET /admin/users`
pub static USERS: Shape = Shape {
    name: "Users",
    fields: &[Field::new("users", Kind::Things(&USER), "In the order of their names"), NEXT],
};

/// `POST /auth/login` and `/auth/refresh`
pub static TOKENS: Shape = Shape {
    name: "Tokens",
    fields: &[
        Field::new("access_token", Kind::Text(&TEXT), "For `Authorization: Bearer`"),
        Field::new("refresh_token", Kind::Text(&TEXT), "Gives a new pair, once"),
        Field::new("token_type", Kind::Text(&TEXT), "`bearer`"),
        Field::new("expires_in", Kind::Integer(0, i64::MAX), "Seconds until the access token ends"),
    ],
};

/// See [`TOKENS`].
#[derive(Debug, Serialize)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: String,
    pub token_type: &'static str,
    pub expires_in: u64,
}

const KEY_FIELDS: [Field; 9] = [
    ID_FIELD,
    Field::new("prefix", Kind::Text(&TEXT), "Its first characters, to recognise it by"),
    NAME,
    Field::new("scopes", Kind::Texts(&TEXT, 32), "The routes it is for; all without any"),
    Field::new("bindings", Kind::Lists(&BINDING, 16), "Path parameters, and the values they may have"),
    Field::new("role", Kind::Text(&TEXT), "The role that stands in for its user's").nullable(),
    CREATED,
    Field::new("expires_at", Kind::Moment, "When it ends by itself").nullable(),
    OWNER,
];

/// A key that was just made.
pub static KEY_MADE: Shape = Shape {
    name: "KeyMade",
    fields: &[
        Field::new("api_key", Kind::Text(&TEXT), "The key. It is shown this once"),
        KEY_FIELDS[0],
        KEY_FIELDS[1],
        KEY_FIELDS[2],
        KEY_FIELDS[3],
        KEY_FIELDS[4],
        KEY_FIELDS[5],
        KEY_FIELDS[6],
        KEY_FIELDS[7],
        KEY_FIELDS[8],
        Field::new("message", Kind::Text(&TEXT), "A sentence for people"),
    ],
};

/// See [`KEY_MADE`].
#[derive(Debug, Serialize)]
pub struct KeyMade {
    pub api_key: String,
    #[serde(flatten)]
    pub key: KeyHead,
    pub message: &'static str,
}

/// A key.
pub static KEY: Shape = Shape {
    name: "Key",
    fields: &[
        KEY_FIELDS[0],
        KEY_FIELDS[1],
        KEY_FIELDS[2],
        KEY_FIELDS[3],
        KEY_FIELDS[4],
        KEY_FIELDS[5],
        KEY_FIELDS[6],
        KEY_FIELDS[7],
        KEY_FIELDS[8],
        Field::new("last_used_at", Kind::Moment, "When it was last used, to about a minute").nullable(),
        Field::new("revoked_at", Kind::Moment, "When it was revoked").nullable(),
        Field::new("replaced_by", Kind::Text(&ID), "The key that takes its place").nullable(),
    ],
};

/// See [`KEY`].
#[derive(Debug, Serialize)]
pub struct Key {
    #[serde(flatten)]
    head: KeyHead,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    replaced_by: Option<String>,
}

/// What is said of every key.
#[derive(Debug, Serialize)]
pub struct KeyHead {
    id: String,
    prefix: String,
    name: String,
    scopes: Vec<String>,
    bindings: BTreeMap<String, Vec<String>>,
    role: Option<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    user_id: String,
}

impl From<port::ApiKey> for KeyHead {
    fn from(key: port::ApiKey) -> Self {
        let mut bindings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in key.bindings {
            bindings.entry(name).or_default().push(value);
        }
        Self {
            id: key.id.to_string(),
            prefix: key.prefix,
            name: key.name,
            scopes: key.scopes,
            bindings,
            role: key.role,
            created_at: moment(key.created_ms),
            expires_at: key.expires_ms.map(moment),
            user_id: key.user.to_string(),
        }
    }
}

impl From<port::ApiKey> for Key {
    fn from(key: port::ApiKey) -> Self {
        Self {
            last_used_at: key.last_used_ms.map(moment),
            revoked_at: key.revoked_ms.map(moment),
            replaced_by: key.replaced_by.map(|id| id.to_string()),
            head: key.into(),
        }
    }
}

/// `GET /auth/api-keys`
pub static KEYS: Shape = Shape {
    name: "Keys",
    fields: &[Field::new("api_keys", Kind::Things(&KEY), "The newest first, revoked ones too")],
};

/// `GET /admin/keys`
pub static ALL_KEYS: Shape =
    Shape { name: "AllKeys", fields: &[Field::new("keys", Kind::Things(&KEY), "Revoked ones too"), NEXT] };

/// `POST /auth/totp/enroll`
pub static TOTP: Shape = Shape {
    name: "Totp",
    fields: &[
        Field::new("secret", Kind::Text(&TEXT), "The shared secret in base32. It is shown this once"),
        Field::new("uri", Kind::Text(&TEXT), "The same for an authenticator, as `otpauth://`"),
    ],
};

/// See [`TOTP`].
#[derive(Debug, Serialize)]
pub struct Totp {
    pub secret: String,
    pub uri: String,
}

/// `POST /auth/totp/confirm`
pub static RECOVERY: Shape = Shape {
    name: "RecoveryCodes",
    fields: &[Field::new(
        "recovery_codes",
        Kind::Texts(&TEXT, 32),
        "Each stands in for a code, once. Shown this once",
    )],
};

/// See [`RECOVERY`].
#[derive(Debug, Serialize)]
pub struct Recovery {
    pub recovery_codes: Vec<String>,
}

/// `POST /auth/devices`
pub static DEVICE_STARTED: Shape = Shape {
    name: "DeviceStarted",
    fields: &[
        Field::new("device_id", Kind::Text(&ID), "For `X-Device-ID`. Knowing it gives nothing"),
        Field::new("device_secret", Kind::Text(&TEXT), "What only the device has. It is shown this once"),
        Field::new(
            "expires_in",
            Kind::Integer(0, i64::MAX),
            "Seconds within which its first session must begin",
        ),
    ],
};

/// See [`DEVICE_STARTED`].
#[derive(Debug, Serialize)]
pub struct DeviceStarted {
    pub device_id: String,
    pub device_secret: String,
    pub expires_in: u64,
}

/// A device.
pub static DEVICE: Shape = Shape {
    name: "Device",
    fields: &[
        ID_FIELD,
        NAME,
        CREATED,
        Field::new("registered_at", Kind::Moment, "When its registration was completed").nullable(),
        Field::new("expires_at", Kind::Moment, "When a registration that is not complete ends").nullable(),
        Field::new("user_id", Kind::Text(&ID), "Whose it is").nullable(),
    ],
};

/// See [`DEVICE`].
#[derive(Debug, Serialize)]
pub struct Device {
    id: String,
    name: String,
    created_at: Timestamp,
    registered_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    user_id: Option<String>,
}

impl From<port::Device> for Device {
    fn from(device: port::Device) -> Self {
        Self {
            id: device.id.to_string(),
            name: device.name,
            created_at: moment(device.created_ms),
            registered_at: device.registered_ms.map(moment),
            expires_at: device.registered_ms.is_none().then(|| moment(device.expires_ms)),
            user_id: device.user.map(|id| id.to_string()),
        }
    }
}

/// `GET /auth/devices`
pub static DEVICES: Shape =
    Shape { name: "Devices", fields: &[Field::new("devices", Kind::Things(&DEVICE), "The newest first")] };

/// `GET /admin/devices`
pub static ALL_DEVICES: Shape = Shape {
    name: "AllDevices",
    fields: &[Field::new("devices", Kind::Things(&DEVICE), "Those that are not registered yet too"), NEXT],
};

/// `POST /auth/sessions`
pub static SESSION_MADE: Shape = Shape {
    name: "SessionMade",
    fields: &[
        ID_FIELD,
        Field::new("session_id", Kind::Text(&TEXT), "For `X-Session-ID`; a browser has it in its cookie")
            .omissible(),
        Field::new("device_id", Kind::Text(&ID), "The device it is bound to").nullable(),
        Field::new("expires_at", Kind::Moment, "When it ends whatever happens"),
    ],
};

/// See [`SESSION_MADE`].
#[derive(Debug, Serialize)]
pub struct SessionMade {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    pub device_id: Option<String>,
    pub expires_at: Timestamp,
}

/// A session.
pub static SESSION: Shape = Shape {
    name: "Session",
    fields: &[
        ID_FIELD,
        Field::new("device_id", Kind::Text(&ID), "The device it is bound to; null for a browser").nullable(),
        CREATED,
        Field::new("expires_at", Kind::Moment, "When it ends whatever happens"),
        Field::new("last_seen_at", Kind::Moment, "When it was last used, to about a minute"),
        Field::new("agent", Kind::Text(&TEXT), "The client that made it"),
        Field::new("current", Kind::Boolean, "Whether it is the one that asks"),
        OWNER,
    ],
};

/// See [`SESSION`].
#[derive(Debug, Serialize)]
pub struct Session {
    id: String,
    device_id: Option<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
    last_seen_at: Timestamp,
    agent: String,
    current: bool,
    user_id: String,
}

impl Session {
    /// A session as its owner or an administrator sees it; `current` is the one that asks.
    pub fn new(session: port::Session, current: Option<Id>) -> Self {
        Self {
            id: session.id.to_string(),
            device_id: session.device.map(|id| id.to_string()),
            created_at: moment(session.created_ms),
            expires_at: moment(session.expires_ms),
            last_seen_at: moment(session.last_seen_ms),
            agent: session.agent,
            current: current == Some(session.id),
            user_id: session.user.to_string(),
        }
    }
}

/// `GET /auth/sessions`
pub static SESSIONS: Shape =
    Shape { name: "Sessions", fields: &[Field::new("sessions", Kind::Things(&SESSION), "The newest first")] };

/// `GET /admin/sessions`
pub static ALL_SESSIONS: Shape = Shape {
    name: "AllSessions",
    fields: &[Field::new("sessions", Kind::Things(&SESSION), "All there are"), NEXT],
};

/// `GET /.well-known/jwks.json` (RFC 7517)
pub static JWKS: Shape =
    Shape { name: "Jwks", fields: &[Field::new("keys", Kind::Any, "Public keys, each a JSON Web Key")] };

/// A moment of the store as RFC 3339 shows it. Moments that no calendar has are the nearest that one has.
pub fn moment(unix_ms: i64) -> Timestamp {
    let edge = if unix_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(unix_ms).unwrap_or(edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Id {
        Id::from_octets([number; 16])
    }

    #[test]
    fn views_have_their_shapes() {
        let user = port::User {
            id: id(1),
            name: "bob".into(),
            email: None,
            role: "free".into(),
            active: true,
            created_ms: 1_700_000_000_123,
            last_login_ms: None,
            valid_from_ms: 0,
        };
        let shown = serde_json::to_value(User::from(user)).unwrap();
        USER.admits(&shown).unwrap();
        assert_eq!(shown["created_at"], "2023-11-14T22:13:20.123Z");

        let key = port::ApiKey {
            id: id(2),
            user: id(1),
            name: "ci".into(),
            prefix: "pk_abcd".into(),
            digest: [7; 32],
            scopes: vec!["GET /a".into()],
            bindings: vec![("account".into(), "one".into()), ("account".into(), "two".into())],
            role: None,
            created_ms: 0,
            expires_ms: Some(i64::MAX),
            last_used_ms: None,
            revoked_ms: None,
            replaced_by: Some(id(3)),
        };
        let shown = serde_json::to_value(Key::from(key.clone())).unwrap();
        KEY.admits(&shown).unwrap();
        assert_eq!(shown["bindings"]["account"], serde_json::json!(["one", "two"]));
        assert!(shown["expires_at"].as_str().unwrap().starts_with("9999-12-"), "the last moment there is");
        let made = KeyMade { api_key: "pk_x".into(), key: key.into(), message: "done" };
        KEY_MADE.admits(&serde_json::to_value(made).unwrap()).unwrap();

        let device = port::Device {
            id: id(4),
            digest: [0; 32],
            user: None,
            name: "phone".into(),
            created_ms: 0,
            expires_ms: 1,
            registered_ms: None,
        };
        let shown = serde_json::to_value(Device::from(device)).unwrap();
        DEVICE.admits(&shown).unwrap();
        assert_eq!(shown["expires_at"], "1970-01-01T00:00:00.001Z");

        let session = port::Session {
            id: id(5),
            digest: [0; 32],
            user: id(1),
            device: Some(id(4)),
            created_ms: 0,
            expires_ms: 2,
            last_seen_ms: 1,
            agent: "curl".into(),
        };
        let shown = serde_json::to_value(Session::new(session, Some(id(5)))).unwrap();
        SESSION.admits(&shown).unwrap();
        assert_eq!(shown["current"], true);
    }

    #[test]
    fn no_secret_is_shown() {
        let shapes = [&USER, &KEY, &DEVICE, &SESSION];
        for field in shapes.iter().flat_map(|shape| shape.fields) {
            assert!(!["digest", "password", "secret", "hash"].iter().any(|word| field.name.contains(word)));
        }
    }
}
