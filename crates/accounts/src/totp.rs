//! The second factor: codes of an authenticator (RFC 6238: SHA-1, six digits, 30 seconds) and recovery codes.

use portcullis_core::Secret;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Totp};
use zeroize::Zeroize;

use crate::random::{self, RandomError};

/// How many steps before and after the present one are accepted (RFC 6238, section 5.2).
const SKEW: u16 = 1;
/// How many recovery codes a user gets.
const RECOVERY_CODES: usize = 10;
/// How many characters one has, of five bits each: too many to guess under the limit on attempts.
const RECOVERY_LENGTH: usize = 10;
/// Crockford's base 32: no letter that a reader could take for a digit.
const RECOVERY_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Later than every moment that a clock here shows, and far from where the library's arithmetic ends.
const LAST_SECOND: u64 = 1 << 48;

/// A fresh shared secret of 160 bits (RFC 4226, section 4, R6).
pub fn fresh() -> Result<Secret, RandomError> {
    let mut bytes = random::bytes::<20>()?;
    let secret = Secret::new(bytes.to_vec());
    bytes.zeroize();
    Ok(secret)
}

/// The secret as an authenticator takes it, typed or in a QR code: `otpauth://totp/ISSUER:ACCOUNT?secret=…`.
/// It is as secret as the secret. A colon in a name would end it, and becomes a dot.
pub fn uri(secret: &Secret, issuer: &str, account: &str) -> String {
    let named = |name: &str, otherwise: &str| match name.trim() {
        "" => otherwise.to_owned(),
        name => name.replace(':', "."),
    };
    let totp = builder(secret)
        .with_issuer(Some(named(issuer, "Portcullis")))
        .with_account_name(named(account, "user"))
        .build_noncompliant();
    totp.to_url().unwrap_or_default()
}

/// The secret in base 32, for people who type it.
pub fn base32(secret: &Secret) -> String {
    totp(secret).secret().to_base32()
}

/// The time step that `code` is for, if it is one of the present step, the one before or the one after.
///
/// A step must be taken through the store before the code counts: a code is good once (RFC 6238, section
/// 5.2). Blanks in the code are passed over.
pub fn step_of(secret: &Secret, code: &str, unix_s: u64) -> Option<i64> {
    let mut digits: String = code.chars().filter(|char| *char != ' ').take(8).collect();
    let step = if unix_s <= LAST_SECOND { totp(secret).check(&digits, unix_s) } else { None };
    digits.zeroize();
    step.and_then(|step| i64::try_from(step).ok())
}

/// Ten codes that stand in for the authenticator once each, and the digests to keep.
pub fn recovery_codes() -> Result<Vec<(String, [u8; 32])>, RandomError> {
    (0..RECOVERY_CODES)
        .map(|_| {
            let random = random::bytes::<RECOVERY_LENGTH>()?;
            let mut code = String::with_capacity(RECOVERY_LENGTH + 1);
            for (at, byte) in random.into_iter().enumerate() {
                if at == RECOVERY_LENGTH / 2 {
                    code.push('-');
                }
                code.push(char::from(RECOVERY_ALPHABET[usize::from(byte & 31)]));
            }
            let digest = recovery_digest(&code);
            Ok((code, digest))
        })
        .collect()
}

/// The digest of a recovery code as somebody types it: without regard to case, blanks and dashes, `o` as `0`,
/// `i` and `l` as `1`.
pub fn recovery_digest(code: &str) -> [u8; 32] {
    let mut plain: String = code
        .chars()
        .filter(|char| !char.is_whitespace() && *char != '-')
        .map(|char| match char.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        })
        .collect();
    let digest = Sha256::digest(plain.as_bytes()).into();
    plain.zeroize();
    digest
}

fn builder(secret: &Secret) -> Builder {
    Builder::new().with_skew(SKEW).with_secret(secret.expose())
}

/// Without the library's judgement of the secret's length: what a store kept is verified as it is.
fn totp(secret: &Secret) -> Totp {
    builder(secret).build_noncompliant()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// The secret of RFC 6238, appendix B.
    fn of_the_rfc() -> Secret {
        Secret::from("12345678901234567890")
    }

    #[test]
    fn the_codes_of_rfc_6238_are_accepted() {
        // Appendix B has eight digits; six are the last six of them (RFC 4226, section 5.3).
        for (unix_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step_of(&of_the_rfc(), code, unix_s), Some(unix_s.cast_signed() / 30), "{code}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_early_and_late_and_no_longer() {
        let secret = of_the_rfc();
        let step = 1_111_111_111_i64 / 30;
        for (offset, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            for second in [0, 29] {
                let at = ((step + offset) * 30 + second).cast_unsigned();
                assert_eq!(
                    step_of(&secret, "050471", at),
                    good.then_some(step),
                    "{offset} steps, {second} s"
                );
            }
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let secret = of_the_rfc();
        assert!(step_of(&secret, "287 082", 59).is_some(), "as authenticators show it");
        for code in
            ["", "28708", "2870822", "+87082", "94287082", "28708x", "２８７０８２", "287082\n", "-87082"]
        {
            assert_eq!(step_of(&secret, code, 59), None, "{code:?}");
        }
        assert_eq!(step_of(&secret, "287082", u64::MAX), None);
        assert_eq!(step_of(&secret, "287082", 0), Some(1), "the step after the first");
    }

    #[test]
    fn the_uri_is_what_authenticators_read() {
        let uri = uri(&of_the_rfc(), "Acme: API", "ann@example.com");
        assert!(uri.starts_with("otpauth://totp/Acme.%20API:ann%40example.com?"), "{uri}");
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{uri}");
        assert!(uri.contains("issuer=Acme.%20API"), "{uri}");
        assert_eq!(base32(&of_the_rfc()), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let back = Totp::from_url(&uri).unwrap();
        assert_eq!(back.generate(59).to_string(), "287082");
        assert!(super::uri(&of_the_rfc(), "", " ").starts_with("otpauth://totp/Portcullis:user?"));
    }

    #[test]
    fn fresh_secrets_have_160_bits_and_differ() {
        let (one, two) = (fresh().unwrap(), fresh().unwrap());
        assert_eq!(one.len(), 20);
        assert_ne!(one, two);
    }

    #[test]
    fn recovery_codes_are_ten_and_found_however_they_are_typed() {
        let codes = recovery_codes().unwrap();
        let different: HashSet<_> = codes.iter().map(|(_, digest)| *digest).collect();
        assert_eq!(different.len(), 10);
        for (code, digest) in codes {
            assert!(code.len() == 11 && code.as_bytes()[5] == b'-', "{code}");
            for typed in [
                code.clone(),
                code.to_uppercase(),
                code.replace('-', ""),
                format!(" {} ", code.replace('-', " ")),
                code.replace('0', "O").replace('1', "l"),
            ] {
                assert_eq!(recovery_digest(&typed), digest, "{typed}");
            }
            assert_ne!(recovery_digest(&code[..10]), digest);
        }
    }

    proptest! {
        #[test]
        fn a_code_is_accepted_exactly_within_its_window(secret in prop::collection::vec(any::<u8>(), 16..40), made in 60_u64..4_000_000_000, apart in -120_i64..120) {
            let secret = Secret::new(secret);
            let code = totp(&secret).generate(made).to_string();
            let at = made.saturating_add_signed(apart);
            let steps = (at / 30).abs_diff(made / 30);
            let found = step_of(&secret, &code, at);
            if steps <= 1 {
                // Another step of the window may have the same code, one time in a million.
                prop_assert!(found.is_some_and(|step| step.cast_unsigned().abs_diff(at / 30) <= 1));
            } else if let Some(step) = found {
                prop_assert_eq!(totp(&secret).generate(step.cast_unsigned() * 30).to_string(), code);
                prop_assert!(step.cast_unsigned().abs_diff(at / 30) <= 1);
            }
        }

        #[test]
        fn no_text_is_taken_for_a_code_by_chance(text in "\\PC{0,12}", unix_s in any::<u64>()) {
            if step_of(&of_the_rfc(), &text, unix_s).is_some() {
                prop_assert_eq!(text.chars().filter(char::is_ascii_digit).count(), 6);
            }
        }
    }
}
