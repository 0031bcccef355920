//! Vectors that others published: those of the RFCs, and Wycheproof's for the four ways of signing.

use aws_lc_rs::encoding::AsDer;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use wycheproof::{ecdsa, eddsa, mac, rsa_pkcs1_verify};

use super::super::verify::VerifyingKey;
use super::*;

fn of_jwk(alg: Alg, jwk: Value) -> VerifyingKey {
    let jwk: Jwk = serde_json::from_value(jwk).unwrap();
    VerifyingKey::new("a".to_owned(), alg, DecodingKey::from_jwk(&jwk).unwrap())
}

fn proven(key: &VerifyingKey, token: &str) -> Result<Vec<u8>, TokenError> {
    let framed = Framed::of(token.as_bytes())?;
    framed.proven(key.alg.name(), None, std::iter::once(key), None, NOW_MS).map(|(payload, _)| payload)
}

#[test]
fn the_tokens_of_the_rfcs_are_proven() {
    let joe = b"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    for (rfc, key, token, payload) in [
        (
            "RFC 7515, appendix A.1",
            of_jwk(
                Alg::HS256,
                json!({
                    "kty": "oct",
                    "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
                }),
            ),
            concat!(
                "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly",
                "9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            ),
            &joe[..],
        ),
        (
            "RFC 7515, appendix A.2",
            of_jwk(
                Alg::RS256,
                json!({
                    "kty": "RSA",
                    "e": "AQAB",
                    "n": concat!(
                        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR",
                        "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB",
                        "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia",
                        "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
                    ),
                }),
            ),
            concat!(
                "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y",
                "b290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O",
                "8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L",
                "07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8n",
                "p6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            ),
            joe,
        ),
        (
            "RFC 7515, appendix A.3",
            of_jwk(
                Alg::ES256,
                json!({
                    "kty": "EC",
                    "crv": "P-256",
                    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
                }),
            ),
            concat!(
                "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y",
                "b290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            ),
            joe,
        ),
        (
            "RFC 8037, appendix A.4",
            of_jwk(
                Alg::EdDSA,
                json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
            ),
            concat!(
                "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6d",
                "WbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            ),
            b"Example of Ed25519 signing",
        ),
    ] {
        assert_eq!(proven(&key, token).as_deref(), Ok(payload), "{rfc}");
        let mut wrong = token.to_owned().into_bytes();
        wrong[25] ^= 1;
        assert!(proven(&key, std::str::from_utf8(&wrong).unwrap()).is_err(), "{rfc}, changed");
    }
    // RFC 7515, appendix A.5: a token without a signature.
    let unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert!(Framed::of(unsecured.as_bytes()).is_err());
}

#[test]
fn keys_have_the_thumbprint_of_the_rfc() {
    // RFC 8037, appendix A.1 to A.3: the private key as PKCS #8 (RFC 8410, section 7), and its thumbprint.
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend(URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    let keyring = Keyring::from_pem(Alg::EdDSA, &[Secret::from(pem)]).unwrap();
    assert_eq!(keyring.signing_kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(keyring.jwks()["keys"][0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    // RFC 8037, appendix A.4: Ed25519 gives the same signature each time.
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert_eq!(
        URL_SAFE_NO_PAD.encode(keyring.sign(message).unwrap()),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

/// Judges one vector by our reading, and counts it.
fn judge(count: &mut usize, key: &VerifyingKey, message: &[u8], signature: &[u8], test: (usize, &str, bool)) {
    let (number, comment, valid) = test;
    let verdict = key.verifies(message, &URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(verdict, valid, "{:?}, {number}: {comment}", key.alg);
    *count += 1;
}

#[test]
fn wycheproofs_vectors_for_es256() {
    let mut count = 0;
    for group in ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups {
        let key = VerifyingKey::new("a".to_owned(), Alg::ES256, DecodingKey::from_ec_der(&group.key.key));
        for test in group.tests {
            let about = (test.tc_id, test.comment.as_str(), !test.result.must_fail());
            judge(&mut count, &key, &test.msg, &test.sig, about);
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn wycheproofs_vectors_for_eddsa() {
    let mut count = 0;
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = VerifyingKey::new("a".to_owned(), Alg::EdDSA, DecodingKey::from_ed_der(&group.key.pk));
        for test in group.tests {
            let about = (test.tc_id, test.comment.as_str(), !test.result.must_fail());
            judge(&mut count, &key, &test.msg, &test.sig, about);
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn wycheproofs_vectors_for_rs256() {
    let mut count = 0;
    for set in [
        rsa_pkcs1_verify::TestName::Rsa2048Sha256,
        rsa_pkcs1_verify::TestName::Rsa3072Sha256,
        rsa_pkcs1_verify::TestName::Rsa4096Sha256,
    ] {
        for group in rsa_pkcs1_verify::TestSet::load(set).unwrap().test_groups {
            let plain =
                |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
            let key = DecodingKey::from_rsa_raw_components(&plain(&group.key.n), &plain(&group.key.e));
            let key = VerifyingKey::new("a".to_owned(), Alg::RS256, key);
            for test in group.tests {
                // What may be accepted leaves out a NULL of the padding, and is not.
                let valid = test.result == wycheproof::TestResult::Valid;
                judge(&mut count, &key, &test.msg, &test.sig, (test.tc_id, &test.comment, valid));
            }
        }
    }
    assert!(count > 500, "{count}");
}

#[test]
fn wycheproofs_vectors_for_hs256() {
    let mut count = 0;
    for group in mac::TestSet::load(mac::TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            let key = VerifyingKey::new("a".to_owned(), Alg::HS256, DecodingKey::from_secret(&test.key));
            // A tag that was cut short is none here, however right it is.
            let valid = !test.result.must_fail() && group.tag_size == 256;
            judge(&mut count, &key, &test.msg, &test.tag, (test.tc_id, &test.comment, valid));
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn rings_refuse_what_is_no_good_key() {
    for length in [0, 1, 16, 31] {
        let short = Keyring::hs256(&[secret(1), Secret::new(vec![1; length])]);
        assert_eq!(short.err(), Some(KeyError::ShortSecret(length)));
    }
    assert_eq!(Keyring::hs256(&[]).err(), Some(KeyError::None));
    assert!(matches!(Keyring::hs256(&[secret(1), secret(1)]).err(), Some(KeyError::Repeated(_))));
    let many: Vec<Secret> = (0..17).map(secret).collect();
    assert_eq!(Keyring::hs256(&many).err(), Some(KeyError::TooMany));
    assert_eq!(Keyring::generate(Alg::HS256, NOW_MS).err(), Some(KeyError::Symmetric));
    for (alg, name) in [("none", "none"), ("HS512", "HS512"), ("rs256", "rs256")] {
        let key = SigningKey { algorithm: alg.to_owned(), ..made(Alg::ES256).clone() };
        assert_eq!(Keyring::from_pkcs8(&[key]).err(), Some(KeyError::UnknownAlgorithm(name.to_owned())));
    }
    // A key of one algorithm is none of another, in either form.
    for alg in [Alg::RS256, Alg::ES256, Alg::EdDSA] {
        for other in [Alg::RS256, Alg::ES256, Alg::EdDSA].into_iter().filter(|other| *other != alg) {
            let key = SigningKey { algorithm: other.name().to_owned(), ..made(alg).clone() };
            assert!(matches!(Keyring::from_pkcs8(&[key]).err(), Some(KeyError::Unreadable(..))), "{alg:?}");
            assert!(Keyring::from_pem(other, &[pem(alg)]).is_err(), "{alg:?} as {other:?}");
        }
        assert_eq!(Keyring::from_pem(alg, &[pem(alg)]).unwrap().signing_kid(), made(alg).kid);
    }
    for nonsense in ["", "secret", "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n"] {
        assert!(Keyring::from_pem(Alg::RS256, &[Secret::from(nonsense)]).is_err());
    }
    assert_eq!(format!("{:?}", hs256()), format!("[(HS256, \"{}\")]", secret(1).fingerprint()));
}

#[test]
fn short_rsa_keys_are_refused() {
    // A key of 1024 bits, made for this test with `openssl genrsa -traditional 1024`.
    let pem = include_str!("rsa-1024.pem");
    let refused = Keyring::from_pem(Alg::RS256, &[Secret::from(pem)]).err();
    assert!(matches!(refused, Some(KeyError::ShortRsa | KeyError::Unreadable(..))), "{refused:?}");
}

fn pem(alg: Alg) -> Secret {
    let body = STANDARD.encode(made(alg).private.expose());
    Secret::from(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
}

#[test]
fn the_older_forms_of_pem_are_read_too() {
    let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        made(Alg::ES256).private.expose(),
    )
    .unwrap();
    let private = pair.private_key();
    let sec1 = AsDer::<aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_>>::as_der(&private).unwrap();
    let pem = format!(
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
        STANDARD.encode(sec1.as_ref())
    );
    let keyring = Keyring::from_pem(Alg::ES256, &[Secret::from(pem)]).unwrap();
    assert_eq!(keyring.signing_kid(), made(Alg::ES256).kid);
}
