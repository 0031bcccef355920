//! Secrets: where their value comes from, and whether a header can carry it.

use std::path::Path;

use portcullis_core::Secret;
use portcullis_core::secret::Strength;

use super::decode::Context;
use super::model::{Credential, SecretSource};
use super::origin::{Origin, TextKind};
use super::tree::Node;
use super::value::{self, Complaint};

/// Larger than any key and smaller than a mistake.
const LARGEST_FILE: u64 = 64 * 1024;

/// What a secret's text in the configuration came to.
pub(super) enum Resolved {
    Set(Credential),
    /// The environment name, which is not set or empty.
    Unset(String),
}

/// What carries a secret, and so what can stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// A header of a request.
    Header,
    /// Nothing: it stays here.
    Any,
}

/// `env:NAME`, `file:PATH` or a literal.
pub(super) fn resolve(node: &Node, context: &Context<'_>, carrier: Carrier) -> Result<Resolved, Complaint> {
    let text = value::text(node)?;
    if let Some(name) = text.strip_prefix("env:") {
        let Some(named) = context.names.value(name)? else {
            return Ok(Resolved::Unset(name.to_owned()));
        };
        if let Some(file) = &named.file {
            context.watch(file);
        }
        let from = match &named.origin {
            Origin::Text { text, .. } if text.kind == TextKind::EnvFile => {
                SecretSource::EnvFile(name.to_owned())
            }
            _ => SecretSource::Environment(name.to_owned()),
        };
        let from = named.file.map_or(from, SecretSource::File);
        let words = format!("the value of {name}");
        return credential(&named.value, from, &named.origin, &words, carrier).map(Resolved::Set);
    }
    if let Some(path) = text.strip_prefix("file:") {
        let path = context.resolve(path, &node.origin);
        context.watch(&path);
        let value = read(&path)?;
        if value.is_empty() {
            return Err(Complaint::new(format!("{} is empty", path.display()), "write the secret into it"));
        }
        let words = format!("the content of {}", path.display());
        let from = SecretSource::File(path);
        return credential(&value, from, &node.origin, &words, carrier).map(Resolved::Set);
    }
    for later in ["aws-sm:", "aws-ssm:", "vault:"] {
        if text.starts_with(later) {
            return Err(Complaint::new(
                format!("`{later}` is not in this version"),
                "\"env:NAME\" or \"file:PATH\"",
            ));
        }
    }
    if text.is_empty() {
        return Err(Complaint::new("an empty secret", "\"env:NAME\", \"file:PATH\", or take the key away"));
    }
    credential(text, SecretSource::Literal, &node.origin, "this secret", carrier).map(Resolved::Set)
}

/// A secret out of a file: without the line end that editors and `echo` leave.
pub(super) fn read(path: &Path) -> Result<String, Complaint> {
    let cannot = |why: String| {
        Complaint::new(
            format!("{} cannot be read: {why}", path.display()),
            "name a file that the gateway may read",
        )
    };
    let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
    if size > LARGEST_FILE {
        return Err(cannot(format!("{size} bytes are no secret")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    let end = text.strip_suffix('\n').map_or(text.as_str(), |it| it.strip_suffix('\r').unwrap_or(it)).len();
    Ok(text[..end].to_owned())
}

fn credential(
    value: &str,
    from: SecretSource,
    origin: &Origin,
    words: &str,
    carrier: Carrier,
) -> Result<Credential, Complaint> {
    if carrier == Carrier::Header {
        fits_header(value, words)?;
    }
    Ok(Credential {
        strength: Strength::of(value.as_bytes()),
        secret: Secret::new(value.to_owned()),
        from,
        origin: origin.clone(),
    })
}

fn fits_header(value: &str, words: &str) -> Result<(), Complaint> {
    if value.contains('\u{fffd}') || !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(Complaint::new(
            format!("{words} has characters that a header cannot carry"),
            "use letters, digits and punctuation of ASCII: `portcullis generate token` makes one",
        ));
    }
    if value.trim() != value {
        return Err(Complaint::new(
            format!("{words} begins or ends with a blank, which no header can carry"),
            "take the blank away, also inside the quotes",
        ));
    }
    Ok(())
}
