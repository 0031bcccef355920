//! Secrets: where their value comes from, whether a header can carry it, and how hard it is to guess.

use std::path::Path;

use portcullis_core::Secret;

use super::decode::Context;
use super::model::{Credential, SecretSource, Strength};
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

/// `env:NAME`, `file:PATH` or a literal.
pub(super) fn resolve(node: &Node, context: &Context<'_>) -> Result<Resolved, Complaint> {
    let text = value::text(node)?;
    if let Some(name) = text.strip_prefix("env:") {
        let Some(named) = context.names.value(name).map_err(|message| {
            Complaint::new(message, format!("keep one of {name} and {name}_FILE"))
        })?
        else {
            return Ok(Resolved::Unset(name.to_owned()));
        };
        if let Some(file) = &named.file {
            context.watch(file);
        }
        let from = match &named.origin {
            Origin::Text { text, .. } if text.kind == TextKind::EnvFile => SecretSource::EnvFile(name.to_owned()),
            _ => SecretSource::Environment(name.to_owned()),
        };
        let from = named.file.map_or(from, SecretSource::File);
        return credential(&named.value, from, &named.origin, &format!("the value of {name}")).map(Resolved::Set);
    }
    if let Some(path) = text.strip_prefix("file:") {
        let path = context.resolve(path, &node.origin);
        context.watch(&path);
        let value = read(&path)?;
        if value.is_empty() {
            return Err(Complaint::new(format!("{} is empty", path.display()), "write the secret into it"));
        }
        let words = format!("the content of {}", path.display());
        return credential(&value, SecretSource::File(path), &node.origin, &words).map(Resolved::Set);
    }
    for later in ["aws-sm:", "aws-ssm:", "vault:"] {
        if text.starts_with(later) {
            return Err(Complaint::new(format!("`{later}` is not in this version"), "\"env:NAME\" or \"file:PATH\""));
        }
    }
    if text.is_empty() {
        return Err(Complaint::new("an empty secret", "\"env:NAME\", \"file:PATH\", or take the key away"));
    }
    credential(text, SecretSource::Literal, &node.origin, "this secret").map(Resolved::Set)
}

/// A secret out of a file: without the line end that editors and `echo` leave.
pub(super) fn read(path: &Path) -> Result<String, Complaint> {
    let cannot = |why: String| {
        Complaint::new(format!("{} cannot be read: {why}", path.display()), "name a file that the gateway may read")
    };
    let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
    if size > LARGEST_FILE {
        return Err(cannot(format!("{size} bytes are no secret")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    let end = text.strip_suffix('\n').map_or(text.as_str(), |it| it.strip_suffix('\r').unwrap_or(it)).len();
    Ok(text[..end].to_owned())
}

/// How hard it is to guess. The limit, 112 bits, is what NIST SP 800-131A asks of a symmetric key; the estimate
/// is Shannon's over the characters that are there, which no text flatters by its length alone.
pub(super) fn strength(secret: &str) -> Strength {
    const ENOUGH_BITS: f64 = 112.0;
    /// Pieces of example values in documentations and `.env.example` files.
    const EXAMPLES: [&str; 20] = [
        "your-", "your_", "change-me", "changeme", "change_me", "change-this", "changethis", "replace", "example",
        "placeholder", "super-secret", "supersecret", "my-secret", "mysecret", "my-api-key", "test-key", "test-token",
        "dummy", "xxxx", "generated-",
    ];
    const WORDS: [&str; 12] = [
        "secret", "password", "admin", "token", "apikey", "api-key", "api_key", "test", "demo", "dev", "key", "default",
    ];
    let lower = secret.to_ascii_lowercase();
    // `$(openssl rand -hex 32)` in a `.env` file is text: nobody ran it, and everybody can read it.
    if EXAMPLES.iter().any(|it| lower.contains(it)) || WORDS.contains(&lower.as_str()) || lower.starts_with("$(") {
        return Strength::Placeholder;
    }
    let length = secret.chars().count() as f64;
    let mut counts = std::collections::BTreeMap::<char, u32>::new();
    for c in secret.chars() {
        *counts.entry(c).or_default() += 1;
    }
    let per_character: f64 = counts.values().map(|n| f64::from(*n) / length).map(|p| -p * p.log2()).sum();
    // A run such as `abcdefgh` or `12345678` is one choice, not eight.
    let bytes = secret.as_bytes();
    let steps = bytes.windows(2).filter(|pair| pair[1].wrapping_sub(pair[0]) <= 1).count() as f64;
    if (length - steps) * per_character >= ENOUGH_BITS { Strength::Strong } else { Strength::Weak }
}

fn credential(value: &str, from: SecretSource, origin: &Origin, words: &str) -> Result<Credential, Complaint> {
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
    Ok(Credential {
        strength: strength(value),
        secret: Secret::new(value.to_owned()),
        from,
        origin: origin.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guides_generate_is_strong() {
        for strong in [
            // openssl rand -hex 32, secrets.token_urlsafe(32), openssl rand -base64 32, a UUID
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C",
            "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs=",
            "c56a4180-65aa-42ec-a945-5fd21dec0538",
        ] {
            assert_eq!(strength(strong), Strength::Strong, "{strong}");
        }
    }

    #[test]
    fn what_stands_in_documentation_is_a_placeholder() {
        for example in [
            "your-secret-token-here",
            "my-secret-ingestion-token",
            "your-super-secret-key-change-this",
            "generated-api-key-here",
            "$(openssl rand -hex 32)",
            "secret",
        ] {
            assert_eq!(strength(example), Strength::Placeholder, "{example}");
        }
    }

    #[test]
    fn length_alone_is_no_strength() {
        for weak in ["a", "hunter2", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcdefghijklmnopqrstuvwxyz0123456789"] {
            assert_eq!(strength(weak), Strength::Weak, "{weak}");
        }
    }
}
