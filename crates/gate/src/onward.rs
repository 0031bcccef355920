//! Identity towards the application: fields, and the signed assertion.

use std::sync::Arc;

use portcullis_core::{Identity, Now};

use crate::context::RequestContext;

/// Signs who it is, so that an application can tell what comes through the gateway from what does not.
pub trait Assertions: std::fmt::Debug + Send + Sync {
    /// A signed token that says who `identity` is; none where it cannot be signed now.
    fn assert(&self, identity: &Identity, now: Now) -> Option<Arc<str>>;
}

/// How an application is told who it is.
#[derive(Debug, Default)]
pub struct Onward {
    /// Fields that carry the user's name beside `X-Auth-User`, for applications that know another name. A
    /// client's own are taken off, whoever it is.
    pub user_fields: Vec<Box<str>>,
    /// Makes `X-Auth-Assertion`; none for no such field.
    pub assertions: Option<Arc<dyn Assertions>>,
}

impl Onward {
    /// Whether the request field `name` (any letter case, `_` for `-`) says who somebody is.
    pub(crate) fn is_spoofed(&self, name: &str) -> bool {
        self.user_fields.iter().any(|field| {
            field.len() == name.len()
                && field.bytes().zip(name.bytes()).all(|(one, other)| {
                    let dashed = if other == b'_' { b'-' } else { other };
                    one.eq_ignore_ascii_case(&dashed)
                })
        })
    }

    pub(crate) fn write(&self, identity: Option<&Identity>, now: Now, put: &mut impl FnMut(&str, &[u8])) {
        let Some(identity) = identity else { return };
        put("X-Auth-User", identity.user.as_bytes());
        for field in &self.user_fields {
            put(field, identity.user.as_bytes());
        }
        if let Some(role) = &identity.role {
            put("X-Auth-Role", role.as_bytes());
        }
        put("X-Auth-Method", identity.scheme.name().as_bytes());
        if let Some(assertion) =
            self.assertions.as_ref().and_then(|assertions| assertions.assert(identity, now))
        {
            put("X-Auth-Assertion", assertion.as_bytes());
        }
    }
}

/// What our own service is told beside: it acts on accounts, and an application never needs to know.
pub(crate) fn write_inside(
    identity: Option<&Identity>,
    ctx: &RequestContext,
    put: &mut impl FnMut(&str, &[u8]),
) {
    put("X-Auth-Client", ctx.client.address.to_string().as_bytes());
    put("X-Auth-Secure", if ctx.client.secure { b"1" } else { b"0" });
    let Some(identity) = identity else { return };
    put("X-Auth-Credential", identity.credential.as_bytes());
    if let Some(id) = identity.id {
        put("X-Auth-Id", id.to_string().as_bytes());
    }
    if let Some(device) = identity.device {
        put("X-Auth-Device", device.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_user_is_known_in_every_spelling() {
        let onward = Onward { user_fields: vec!["X-User-ID".into()], assertions: None };
        for name in ["X-User-ID", "x-user-id", "X_USER_ID", "x_user-Id"] {
            assert!(onward.is_spoofed(name), "{name}");
        }
        for name in ["X-User-I", "X-User-IDs", "XXUser-ID"] {
            assert!(!onward.is_spoofed(name), "{name}");
        }
    }
}
