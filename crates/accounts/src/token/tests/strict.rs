//! Tokens that a lenient reader would take: other encodings, other shapes, other bits.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;

use super::*;

fn good(keyring: &Keyring) -> String {
    signed(keyring, header(keyring).to_string().as_bytes(), claims().to_string().as_bytes())
}

fn refused(tokens: &Tokens, name: &str, token: &[u8]) {
    let verdict = tokens.access(token, NOW_MS);
    assert!(matches!(verdict, Err(TokenError::Invalid(_))), "{name}: {verdict:?}");
    assert!(matches!(tokens.refresh(token, NOW_MS), Err(TokenError::Invalid(_))), "{name}");
}

#[test]
fn other_shapes_are_refused() {
    let keyring = hs256();
    let tokens = tokens(hs256());
    let token = good(&keyring);
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("{token}") };
    let json = json!({ "protected": head, "payload": body, "signature": signature }).to_string();
    let general = json!({ "payload": body, "signatures": [{ "protected": head, "signature": signature }] });
    for (name, wrong) in [
        ("nothing", String::new()),
        ("a dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("no dots", head.to_owned()),
        ("no header", format!(".{body}.{signature}")),
        ("no claims", format!("{head}..{signature}")),
        ("no signature", format!("{head}.{body}.")),
        ("no signature and no dot", format!("{head}.{body}")),
        ("a dot before", format!(".{token}")),
        ("a dot after", format!("{token}.")),
        ("a fourth part", format!("{token}.{signature}")),
        ("five parts, as encrypted tokens have", format!("{head}..{body}.{signature}.{signature}")),
        ("parts exchanged", format!("{body}.{head}.{signature}")),
        ("JSON serialisation, flattened", json),
        ("JSON serialisation, general", general.to_string()),
        ("with its scheme", format!("Bearer {token}")),
        ("twice", format!("{token},{token}")),
        ("in quotes", format!("\"{token}\"")),
        ("the header twice", format!("{head}{head}.{body}.{signature}")),
    ] {
        refused(&tokens, name, wrong.as_bytes());
    }
    assert!(tokens.access(token.as_bytes(), NOW_MS).is_ok());
}

#[test]
fn other_characters_are_refused() {
    let keyring = hs256();
    let tokens = tokens(hs256());
    let token = good(&keyring);
    for at in [0, 10, token.find('.').unwrap(), token.rfind('.').unwrap(), token.len()] {
        for extra in [
            &b" "[..],
            b"\t",
            b"\n",
            b"\r\n",
            b"=",
            b"==",
            b"+",
            b"/",
            b"\0",
            b"%2E",
            b"\xff",
            b"\xc3\xa9",
            b",",
        ] {
            let mut wrong = token.clone().into_bytes();
            wrong.splice(at..at, extra.iter().copied());
            refused(&tokens, &format!("{extra:?} at {at}"), &wrong);
        }
    }
    for engine in [&URL_SAFE, &STANDARD, &STANDARD_NO_PAD] {
        let parts = [header(&keyring).to_string(), claims().to_string() + "  \u{3b1}\u{3bf}???>>>"];
        let message = parts.map(|part| engine.encode(part)).join(".");
        let signature = keyring.sign(message.as_bytes()).unwrap();
        let wrong = format!("{message}.{}", engine.encode(signature));
        refused(&tokens, "another alphabet or padding, signed as it stands", wrong.as_bytes());
    }
    let padded = format!("{}=", good(&keyring));
    refused(&tokens, "padding", padded.as_bytes());
}

#[test]
fn bits_left_over_are_refused() {
    // 32 bytes in 43 characters: the last one has two bits that say nothing, and a lenient reader takes four
    // characters for one.
    let tokens = tokens(hs256());
    let token = good(&hs256());
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let value = alphabet.find(last).unwrap();
    for bits in 1..4 {
        let twin = &alphabet[value + bits..=value + bits];
        refused(&tokens, "bits left over", format!("{rest}{twin}").as_bytes());
    }
    assert!(tokens.access(token.as_bytes(), NOW_MS).is_ok());
}

#[test]
fn signatures_cut_off_or_lengthened_are_refused() {
    for alg in Alg::ALL {
        let keyring = ring(alg);
        let tokens = tokens(ring(alg));
        let token = good(&keyring);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let with = |signature: &[u8]| format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(with(&bytes), token);
        for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            refused(&tokens, "cut off", with(&bytes[..length]).as_bytes());
            refused(&tokens, "its beginning cut off", with(&bytes[bytes.len() - length..]).as_bytes());
        }
        for extra in [&[0][..], &[1], &[0; 32]] {
            refused(&tokens, "lengthened", with(&[&bytes[..], extra].concat()).as_bytes());
            refused(&tokens, "with zeros before", with(&[extra, &bytes[..]].concat()).as_bytes());
        }
        for filler in [0, 1, 0xff] {
            refused(&tokens, "one byte over and over", with(&vec![filler; bytes.len()]).as_bytes());
        }
        for bit in 0..8 * bytes.len() {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let verdict = tokens.access(with(&wrong).as_bytes(), NOW_MS);
            assert_eq!(verdict, Err(TokenError::Invalid("its signature is wrong")), "{alg:?}: bit {bit}");
        }
        assert!(tokens.access(token.as_bytes(), NOW_MS).is_ok());
    }
}

#[test]
fn signatures_of_es256_that_mean_nothing_are_refused() {
    let keyring = ring(Alg::ES256);
    let tokens = tokens(ring(Alg::ES256));
    let token = good(&keyring);
    let (message, _) = token.rsplit_once('.').unwrap();
    // The order of P-256 (SEC 2, section 2.4.2), and one below it.
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut below = order;
    below[31] -= 1;
    let mut one = [0; 32];
    one[31] = 1;
    let halves = [[0; 32], one, below, order, [0xff; 32]];
    for r in halves {
        for s in halves {
            // All zeros is CVE-2022-21449.
            let wrong = format!("{message}.{}", URL_SAFE_NO_PAD.encode([r, s].concat()));
            refused(&tokens, "r and s of no signature", wrong.as_bytes());
        }
    }
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made(Alg::ES256).private.expose()).unwrap();
    let asn1 = pair.sign(&aws_lc_rs::rand::SystemRandom::new(), message.as_bytes()).unwrap();
    let wrong = format!("{message}.{}", URL_SAFE_NO_PAD.encode(asn1.as_ref()));
    refused(&tokens, "the right signature in ASN.1", wrong.as_bytes());
}

#[test]
fn json_that_two_readers_read_differently_is_refused() {
    let keyring = hs256();
    let tokens = tokens(hs256());
    let (plain, said) = (header(&keyring).to_string(), claims().to_string());
    let inner = |json: &str| json[1..json.len() - 1].to_owned();
    let values = |json: &Value, order: &[&str]| {
        json!(order.iter().map(|name| json[*name].clone()).collect::<Vec<_>>())
    };
    for (name, head) in [
        ("alg twice", format!("{{\"alg\":\"none\",{}}}", inner(&plain))),
        ("alg twice, the other way round", format!("{{{},\"alg\":\"none\"}}", inner(&plain))),
        ("kid twice, the same", format!("{{{},\"kid\":\"{}\"}}", inner(&plain), keyring.signing_kid())),
        ("typ twice, once escaped", format!("{{{},\"\\u0074yp\":\"JWT\"}}", inner(&plain))),
        ("a list of the values", values(&header(&keyring), &["alg", "typ", "kid"]).to_string()),
        ("a text", json!(plain).to_string()),
        ("null", "null".to_owned()),
        ("not closed", plain[..plain.len() - 1].to_owned()),
        ("something behind", format!("{plain}{{}}")),
        ("a comment", format!("/**/{plain}")),
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("single quotes", plain.replace('"', "'")),
        ("UTF-16", plain.chars().flat_map(|char| [char, '\0']).collect()),
    ] {
        refused(
            &tokens,
            &format!("header: {name}"),
            signed(&keyring, head.as_bytes(), said.as_bytes()).as_bytes(),
        );
    }
    for name in claims().as_object().unwrap().keys() {
        let again = format!("{{\"{name}\":{},{}}}", claims()[name], inner(&said));
        refused(
            &tokens,
            &format!("{name} twice"),
            signed(&keyring, plain.as_bytes(), again.as_bytes()).as_bytes(),
        );
    }
    let order = ["iss", "aud", "sub", "uid", "sid", "role", "gen", "type", "jti", "iat", "nbf", "exp"];
    let deep = "[".repeat(400) + &"]".repeat(400);
    for (name, body) in [
        ("a list of the values", values(&claims(), &order).to_string().into_bytes()),
        ("no JSON", b"ann".to_vec()),
        ("null", b"null".to_vec()),
        ("not closed", said.as_bytes()[..said.len() - 1].to_vec()),
        ("something behind", format!("{said},").into_bytes()),
        (
            "not UTF-8",
            said.replace("ann", "\u{1}")
                .into_bytes()
                .iter()
                .map(|byte| if *byte == 1 { 0xff } else { *byte })
                .collect(),
        ),
        ("half a surrogate", said.replace("ann", "\\ud800").into_bytes()),
        ("a raw control character", said.replace("ann", "a\nn").into_bytes()),
        ("lists without end", said.replace("\"ann\"", &deep).into_bytes()),
    ] {
        refused(&tokens, &format!("claims: {name}"), signed(&keyring, plain.as_bytes(), &body).as_bytes());
    }
    let escaped = said.replace("\"ann\"", "\"\\u0061nn\"");
    assert!(tokens.access(signed(&keyring, plain.as_bytes(), escaped.as_bytes()).as_bytes(), NOW_MS).is_ok());
    let spare = format!("{{\"another\":1,{}}}", inner(&said));
    assert!(
        tokens.access(signed(&keyring, plain.as_bytes(), spare.as_bytes()).as_bytes(), NOW_MS).is_ok(),
        "a newer node of a cluster may say more"
    );
}

#[test]
fn a_token_without_a_name_of_its_key_is_tried_with_the_first_few() {
    let secrets: Vec<Secret> = (1..=6).map(secret).collect();
    let tokens = tokens(Keyring::hs256(&secrets).unwrap());
    let nameless = json!({ "typ": "at+jwt", "alg": "HS256" }).to_string();
    for (at, secret) in secrets.iter().enumerate() {
        let keyring = Keyring::hs256(std::slice::from_ref(secret)).unwrap();
        let token = signed(&keyring, nameless.as_bytes(), claims().to_string().as_bytes());
        assert_eq!(tokens.access(token.as_bytes(), NOW_MS).is_ok(), at < 4, "key {at}");
    }
}

#[test]
fn a_token_that_is_too_long_is_not_looked_at() {
    let keyring = hs256();
    let tokens = tokens(hs256());
    let of_length = |filler: usize| {
        let claims = claims().to_string().replace("ann", &"a".repeat(filler));
        signed(&keyring, header(&keyring).to_string().as_bytes(), claims.as_bytes())
    };
    let most = (1..LONGEST).rev().find(|filler| of_length(*filler).len() <= LONGEST).unwrap();
    assert!(tokens.access(of_length(most).as_bytes(), NOW_MS).is_ok());
    for huge in [of_length(most + 1), of_length(1 << 20), ".".repeat(1 << 20), "A".repeat(LONGEST + 1)] {
        let verdict = tokens.access(huge.as_bytes(), NOW_MS);
        assert_eq!(verdict, Err(TokenError::Invalid("it is too long")), "{}", huge.len());
    }
}

proptest! {
    #[test]
    fn whatever_is_changed_is_found(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let tokens = tokens(hs256());
        let token = good(&hs256()).into_bytes();
        let at = at.index(token.len());
        let mut wrong = token.clone();
        wrong[at] = byte;
        prop_assert_eq!(tokens.access(&wrong, NOW_MS).is_ok(), wrong == token);
    }

    #[test]
    fn no_bytes_get_in(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let tokens = tokens(hs256());
        prop_assert!(tokens.access(&bytes, NOW_MS).is_err());
        prop_assert!(tokens.refresh(&bytes, NOW_MS).is_err());
    }

    #[test]
    fn what_is_issued_is_accepted_exactly_in_its_time(now_ms in 0_i64..4_000_000_000_000, ttl_s in 1_u64..100_000, at in -100_000_i64..200_000_000, user in "\\PC{1,40}") {
        let tokens = Tokens::new(TokenSettings { access_ttl_s: ttl_s, ..settings() }, hs256()).unwrap();
        let issued = tokens.issue_access(&Subject { user: &user, ..ann() }, now_ms).unwrap();
        let moment = now_ms + at;
        let inside = (now_ms / 1000 * 1000..issued.expires_ms).contains(&moment);
        let verdict = tokens.access(issued.token.as_bytes(), moment);
        prop_assert_eq!(verdict.is_ok(), inside);
        if let Ok(claims) = verdict {
            prop_assert_eq!(&*claims.user, user.as_str());
            prop_assert_eq!(claims.issued_ms, now_ms);
        }
    }
}
