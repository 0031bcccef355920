//! The bodies of requests.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::forms::{
    ANY_NAME, BINDING, CODE, EMAIL, ID, LABEL, PASSWORD as PASSWORD_FORM, ROLE, SCOPE, TOKEN, USER_NAME,
};
use crate::api::shape::{Field, Kind, Shape};

/// The longest life of a key that has an end, in seconds: ten years.
const LONGEST_LIFE_S: i64 = 10 * 365 * 86_400;
/// The longest overlap of two keys, in seconds: 90 days.
const LONGEST_OVERLAP_S: i64 = 90 * 86_400;

const USERNAME: Field = Field::new("username", Kind::Text(&USER_NAME), "Unique, whatever its letter case");
const NEW_PASSWORD: Field =
    Field::new("password", Kind::Text(&PASSWORD_FORM), "Long and hard to guess: the policy says how");
const OF_ROLE: Field = Field::new("role", Kind::Text(&ROLE), "The name of a role");
const TOTP: Field =
    Field::new("totp", Kind::Text(&CODE), "The code of the second factor, or a recovery code").optional();
const CODE_FIELD: Field =
    Field::new("code", Kind::Text(&CODE), "A code of the second factor, or a recovery code");
const KEY_FIELDS: [Field; 5] = [
    Field::new("name", Kind::Text(&LABEL), "What you call it").optional(),
    Field::new(
        "scopes",
        Kind::Texts(&SCOPE, 32),
        "The routes it is for, `METHOD PATH` each; all without any",
    )
    .optional(),
    Field::new("bindings", Kind::Lists(&BINDING, 16), "Path parameters, and the values they may have")
        .optional(),
    Field::new(
        "role",
        Kind::Text(&ROLE),
        "A role that stands in for its user's; never more than its user has",
    )
    .optional(),
    Field::new("expires_in", Kind::Integer(60, LONGEST_LIFE_S), "Seconds until it ends by itself").optional(),
];

/// `POST /auth/register`
pub static REGISTER: Shape = Shape {
    name: "Register",
    fields: &[
        USERNAME,
        Field::new("email", Kind::Text(&EMAIL), "Unique, whatever its letter case"),
        NEW_PASSWORD,
        Field::new("role", Kind::Text(&ROLE), "Above the default one only for administrators").optional(),
    ],
};

/// See [`REGISTER`].
#[derive(Deserialize)]
pub struct Register {
    pub username: String,
    pub email: String,
    pub password: String,
    pub role: Option<String>,
}

/// `POST /auth/login`
pub static LOGIN: Shape = Shape {
    name: "Login",
    fields: &[
        Field::new("username", Kind::Text(&ANY_NAME), "The name of the user"),
        Field::new("password", Kind::Text(&PASSWORD_FORM), "The password"),
        TOTP,
    ],
};

/// See [`LOGIN`].
#[derive(Deserialize)]
pub struct Login {
    pub username: String,
    pub password: String,
    pub totp: Option<String>,
}

/// `POST /auth/login/totp`
pub static LOGIN_TOTP: Shape = Shape {
    name: "LoginTotp",
    fields: &[
        Field::new("attempt", Kind::Text(&TOKEN), "What the login gave when it asked for the second factor"),
        Field::new("totp", Kind::Text(&CODE), "The code of the second factor, or a recovery code"),
    ],
};

/// See [`LOGIN_TOTP`].
#[derive(Deserialize)]
pub struct LoginTotp {
    pub attempt: String,
    pub totp: String,
}

/// `POST /auth/refresh`
pub static REFRESH: Shape = Shape {
    name: "Refresh",
    fields: &[Field::new("refresh_token", Kind::Text(&TOKEN), "The refresh token; it can be used once")],
};

/// See [`REFRESH`].
#[derive(Deserialize)]
pub struct Refresh {
    pub refresh_token: String,
}

/// `POST /auth/password`
pub static PASSWORD: Shape = Shape {
    name: "NewPassword",
    fields: &[
        Field::new("current_password", Kind::Text(&PASSWORD_FORM), "The password until now"),
        Field::new("new_password", Kind::Text(&PASSWORD_FORM), "The password from now on"),
    ],
};

/// See [`PASSWORD`].
#[derive(Deserialize)]
pub struct Password {
    pub current_password: String,
    pub new_password: String,
}

/// `POST /auth/totp/confirm` and `DELETE /auth/totp`
pub static TOTP_CODE: Shape = Shape { name: "TotpCode", fields: &[CODE_FIELD] };

/// See [`TOTP_CODE`].
#[derive(Deserialize)]
pub struct TotpCode {
    pub code: String,
}

/// `POST /auth/api-key`
pub static NEW_KEY: Shape = Shape { name: "NewKey", fields: &KEY_FIELDS };

/// See [`NEW_KEY`].
#[derive(Default, Deserialize)]
pub struct NewKey {
    pub name: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub bindings: Option<BTreeMap<String, Vec<String>>>,
    pub role: Option<String>,
    pub expires_in: Option<i64>,
}

/// `POST /admin/keys`
pub static NEW_KEY_OF: Shape = Shape {
    name: "NewKeyOf",
    fields: &[
        Field::new("user", Kind::Text(&ANY_NAME), "The name or the id of the user"),
        KEY_FIELDS[0],
        KEY_FIELDS[1],
        KEY_FIELDS[2],
        KEY_FIELDS[3],
        KEY_FIELDS[4],
    ],
};

/// See [`NEW_KEY_OF`].
#[derive(Deserialize)]
pub struct NewKeyOf {
    pub user: String,
    #[serde(flatten)]
    pub key: NewKey,
}

/// `POST /auth/api-keys/{id}/rotate`
pub static ROTATE: Shape = Shape {
    name: "Rotate",
    fields: &[Field::new(
        "overlap",
        Kind::Integer(0, LONGEST_OVERLAP_S),
        "Seconds for which the old key stays valid; none without it",
    )
    .optional()],
};

/// See [`ROTATE`].
#[derive(Default, Deserialize)]
pub struct Rotate {
    pub overlap: Option<i64>,
}

/// `POST /auth/devices`
pub static NEW_DEVICE: Shape = Shape {
    name: "NewDevice",
    fields: &[Field::new("name", Kind::Text(&LABEL), "What it is called").optional()],
};

/// See [`NEW_DEVICE`].
#[derive(Default, Deserialize)]
pub struct NewDevice {
    pub name: Option<String>,
}

/// `POST /auth/sessions`, for a device
pub static NEW_SESSION: Shape = Shape {
    name: "NewSession",
    fields: &[
        Field::new("device_id", Kind::Text(&ID), "The device that the session is bound to"),
        Field::new("device_secret", Kind::Text(&TOKEN), "What only the device has"),
    ],
};

/// `POST /auth/sessions`, for a browser
pub static NEW_COOKIE: Shape = Shape {
    name: "NewCookie",
    fields: &[Field::new("cookie", Kind::Yes, "The session comes as a cookie that scripts cannot read")],
};

/// See [`NEW_SESSION`] and [`NEW_COOKIE`].
#[derive(Deserialize)]
#[serde(untagged)]
pub enum NewSession {
    Device { device_id: String, device_secret: String },
    Cookie {},
}

/// `POST /admin/users`
pub static NEW_USER: Shape = Shape {
    name: "NewUser",
    fields: &[
        USERNAME,
        Field::new("email", Kind::Text(&EMAIL), "Unique, whatever its letter case").optional(),
        Field::new("password", Kind::Text(&PASSWORD_FORM), "None for somebody who is to get one later")
            .optional(),
        Field::new("role", Kind::Text(&ROLE), "The default one without it").optional(),
    ],
};

/// See [`NEW_USER`].
#[derive(Deserialize)]
pub struct NewUser {
    pub username: String,
    pub email: Option<String>,
    pub password: Option<String>,
    pub role: Option<String>,
}

/// `PATCH /admin/users/{id}`
pub static CHANGE_USER: Shape = Shape {
    name: "ChangeUser",
    fields: &[
        OF_ROLE.omissible(),
        Field::new("active", Kind::Boolean, "Whether the user may come at all").omissible(),
        Field::new("email", Kind::Text(&EMAIL), "Another address; null for none").optional(),
    ],
};

/// See [`CHANGE_USER`].
#[derive(Deserialize)]
pub struct ChangeUser {
    pub role: Option<String>,
    pub active: Option<bool>,
    /// The outer one: whether it was there; the inner one: `null` or an address.
    #[serde(default, deserialize_with = "there")]
    #[expect(clippy::option_option, reason = "left out, null and an address are three things")]
    pub email: Option<Option<String>>,
}

/// `POST /admin/users/{id}/reset-password`
pub static RESET_PASSWORD: Shape = Shape { name: "ResetPassword", fields: &[NEW_PASSWORD] };

/// See [`RESET_PASSWORD`].
#[derive(Deserialize)]
pub struct ResetPassword {
    pub password: String,
}

#[expect(clippy::option_option, reason = "left out, null and an address are three things")]
fn there<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(reader).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_that_is_left_out_is_not_one_that_is_null() {
        let read = |value| serde_json::from_value::<ChangeUser>(value).unwrap().email;
        assert_eq!(read(json!({})), None);
        assert_eq!(read(json!({ "email": null })), Some(None));
        assert_eq!(read(json!({ "email": "a@b.co" })), Some(Some("a@b.co".to_owned())));
    }

    #[test]
    fn a_session_is_for_a_device_or_for_a_browser() {
        let read = |value| serde_json::from_value::<NewSession>(value).unwrap();
        assert!(matches!(read(json!({ "cookie": true })), NewSession::Cookie {}));
        let device = json!({ "device_id": "a", "device_secret": "b" });
        assert!(matches!(read(device), NewSession::Device { .. }));
    }

    #[test]
    fn a_key_of_somebody_reads_like_a_key() {
        let body = json!({ "user": "bob", "name": "ci", "bindings": { "account": ["primary"] } });
        let read: NewKeyOf = serde_json::from_value(body).unwrap();
        assert_eq!((read.user.as_str(), read.key.name.as_deref()), ("bob", Some("ci")));
        assert_eq!(read.key.bindings.unwrap()["account"], ["primary"]);
    }
}
