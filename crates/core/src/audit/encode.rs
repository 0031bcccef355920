//! The bytes that are hashed: every field behind its length or its presence, so that no two records have the
//! same ones.

use sha2::{Digest, Sha256};

use super::AuditRecord;

/// Stands before everything, so that another form can be told apart one day.
const FORM: &[u8] = b"portcullis audit 1";

/// The hash of a record with this number behind the one with that hash.
pub(super) fn hash(number: i64, previous: &[u8; 32], record: &AuditRecord) -> [u8; 32] {
    // Every field is named here: one that is added later and forgotten would not be protected.
    let AuditRecord {
        at_ms,
        event,
        request_id,
        user,
        user_id,
        ip,
        method,
        endpoint,
        query,
        route,
        user_agent,
        device,
        request_data,
        status,
        duration_us,
        success,
        reason,
        details,
    } = record;
    let mut into = Into(Sha256::new());
    into.0.update(FORM);
    into.0.update(number.to_be_bytes());
    into.0.update(previous);
    into.0.update(at_ms.to_be_bytes());
    into.text(event);
    into.text(request_id);
    into.maybe(user.as_deref());
    match user_id {
        None => into.0.update([0]),
        Some(id) => {
            into.0.update([1]);
            into.0.update(id.octets());
        }
    }
    into.maybe(ip.as_deref());
    into.text(method);
    into.text(endpoint);
    into.maybe(query.as_deref());
    into.text(route);
    into.maybe(user_agent.as_deref());
    into.maybe(device.as_deref());
    into.maybe(request_data.as_deref());
    into.0.update(status.to_be_bytes());
    into.0.update(duration_us.to_be_bytes());
    into.0.update([success.map_or(2, u8::from)]);
    into.text(reason);
    into.text(details);
    into.0.finalize().into()
}

struct Into(Sha256);

impl Into {
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }
}
