//! `portcullis generate`: fresh secrets from the system's random numbers.

use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  echo \"API_KEY=$(portcullis generate api-key)\" >> .env")]
pub struct Args {
    pub kind: Kind,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// 32 random bytes in hex: 64 characters, as of `openssl rand -hex 32`
    Token,
    /// 32 random bytes in URL-safe base64: 43 characters, as of Python's `secrets.token_urlsafe(32)`
    ApiKey,
    /// A key of Fernet's shape: 32 random bytes in URL-safe base64 with padding, 44 characters
    EncryptionKey,
    /// A key for signatures: 48 random bytes in base64, 64 characters
    SigningKey,
    /// 32 characters with letters, digits and punctuation
    Password,
}

type Random<T> = Result<T, getrandom::Error>;

pub(super) fn execute(args: &Args) -> ExitCode {
    let secret = match fresh(args.kind) {
        Ok(secret) => secret,
        Err(error) => {
            super::complain(&format!("error: the system gives no random numbers: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if args.json {
        let kind = clap::ValueEnum::to_possible_value(&args.kind).map(|it| it.get_name().to_owned());
        super::print_json(&serde_json::json!({ "kind": kind, "value": secret }));
    } else {
        super::print(&format!("{secret}\n"));
    }
    ExitCode::SUCCESS
}

/// A fresh secret.
pub fn fresh(kind: Kind) -> Random<String> {
    match kind {
        Kind::Token => hex(),
        Kind::ApiKey => Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?)),
        Kind::EncryptionKey => Ok(URL_SAFE.encode(bytes::<32>()?)),
        Kind::SigningKey => Ok(STANDARD.encode(bytes::<48>()?)),
        Kind::Password => password(),
    }
}

fn hex() -> Random<String> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in bytes::<32>()? {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Without the characters that people mistake for each other (0O, 1lI) and those that shells and URLs quote.
fn password() -> Random<String> {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_.+=";
    const LENGTH: usize = 32;
    loop {
        let mut text = String::with_capacity(LENGTH);
        while text.len() < LENGTH {
            // Bytes past the last whole multiple would make the first letters likelier.
            let fair = 256 - 256 % LETTERS.len();
            let drawn = bytes::<32>()?.into_iter().map(usize::from).filter(|byte| *byte < fair);
            text.extend(
                drawn.take(LENGTH - text.len()).map(|byte| char::from(LETTERS[byte % LETTERS.len()])),
            );
        }
        let has = |class: fn(char) -> bool| text.chars().any(class);
        // A program would take a leading dash for an option.
        let complete = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && has(|c| c.is_ascii_uppercase())
            && has(|c| c.is_ascii_lowercase())
            && has(|c| c.is_ascii_digit())
            && has(|c| c.is_ascii_punctuation());
        if complete {
            return Ok(text);
        }
    }
}

fn bytes<const N: usize>() -> Random<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use portcullis_core::secret::{Grade, Strength};

    use super::*;

    #[test]
    fn every_kind_has_its_shape_and_is_strong() {
        for (kind, length) in [
            (Kind::Token, 64),
            (Kind::ApiKey, 43),
            (Kind::EncryptionKey, 44),
            (Kind::SigningKey, 64),
            (Kind::Password, 32),
        ] {
            for _ in 0..50 {
                let secret = fresh(kind).unwrap();
                assert_eq!(secret.len(), length, "{kind:?}");
                assert_eq!(Strength::of(secret.as_bytes()).grade(), Grade::Strong, "{kind:?}");
            }
            assert_ne!(fresh(kind).unwrap(), fresh(kind).unwrap());
        }
        let token = fresh(Kind::Token).unwrap();
        assert!(token.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
        assert_eq!(URL_SAFE.decode(fresh(Kind::EncryptionKey).unwrap()).unwrap().len(), 32);
    }
}
