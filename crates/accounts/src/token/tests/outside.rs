//! Tokens of an identity provider, whose part these tests play.

use super::*;

type Change = fn(&mut Value);

fn provider() -> OutsideSettings {
    OutsideSettings {
        issuer: "https://id.example".to_owned(),
        audience: "gateway".to_owned(),
        algorithms: vec![Alg::RS256, Alg::ES256, Alg::EdDSA],
        user_claim: "email".to_owned(),
        role_claim: Some("groups".to_owned()),
        roles: vec![("staff".to_owned(), "premium".to_owned()), ("root".to_owned(), "admin".to_owned())],
        default_role: Some("free".to_owned()),
        leeway_s: 60,
    }
}

fn outside(keyring: &Keyring) -> Outside {
    Outside::new(provider(), keyring.jwks().to_string().as_bytes()).unwrap()
}

fn theirs() -> Value {
    json!({
        "iss": "https://id.example",
        "aud": "gateway",
        "sub": "248289761001",
        "email": "ann@example.com",
        "groups": ["everybody", "root", "staff"],
        "iat": NOW_S,
        "exp": NOW_S + 300,
    })
}

fn head(keyring: &Keyring) -> Value {
    json!({ "alg": keyring.algorithm().name(), "kid": keyring.signing_kid(), "typ": "JWT" })
}

fn token(keyring: &Keyring, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = theirs();
    change(&mut claims);
    signed(keyring, head(keyring).to_string().as_bytes(), claims.to_string().as_bytes())
}

#[test]
fn a_token_of_the_provider_names_its_user_and_role() {
    for alg in [Alg::RS256, Alg::ES256, Alg::EdDSA] {
        let keyring = ring(alg);
        let outside = outside(&keyring);
        let token = token(&keyring, |_| ());
        for _ in 0..2 {
            let said = outside.verify(token.as_bytes(), NOW_MS).unwrap();
            assert_eq!((&*said.user, said.role.as_deref()), ("ann@example.com", Some("premium")), "{alg:?}");
            assert_eq!(said.expires_ms, (NOW_S + 300) * 1000);
        }
        assert_eq!(outside.verify(token.as_bytes(), (NOW_S + 360) * 1000), Err(TokenError::Expired));
    }
}

#[test]
fn claims_are_found_where_the_settings_say() {
    let keyring = ring(Alg::EdDSA);
    let with = |user: &str, role: Option<&str>, default: Option<&str>| {
        let settings = OutsideSettings {
            user_claim: user.to_owned(),
            role_claim: role.map(str::to_owned),
            default_role: default.map(str::to_owned),
            ..provider()
        };
        Outside::new(settings, keyring.jwks().to_string().as_bytes()).unwrap()
    };
    let token = token(&keyring, |claims| {
        claims["realm"] = json!({ "name": "ann", "roles": ["staff"] });
        claims["https://id.example/role"] = json!("root");
    });
    for (user, role, default, want) in [
        ("sub", Some("groups"), None, ("248289761001", Some("premium"))),
        ("/realm/name", Some("/realm/roles"), None, ("ann", Some("premium"))),
        ("email", Some("https://id.example/role"), None, ("ann@example.com", Some("admin"))),
        ("email", Some("missing"), Some("free"), ("ann@example.com", Some("free"))),
        ("email", Some("missing"), None, ("ann@example.com", None)),
        ("email", None, Some("free"), ("ann@example.com", Some("free"))),
    ] {
        let said = with(user, role, default).verify(token.as_bytes(), NOW_MS).unwrap();
        assert_eq!((&*said.user, said.role.as_deref()), want);
    }
    for user in ["missing", "groups", "exp", "/realm", "realm/name", ""] {
        let outside = Outside::new(
            OutsideSettings { user_claim: user.to_owned(), ..provider() },
            keyring.jwks().to_string().as_bytes(),
        );
        let Ok(outside) = outside else { continue };
        assert!(outside.verify(token.as_bytes(), NOW_MS).is_err(), "{user}");
    }
}

#[test]
fn what_the_provider_did_not_mean_for_us_is_refused() {
    let keyring = ring(Alg::ES256);
    let outside = outside(&keyring);
    let refused = |name: &str, token: &str| {
        let verdict = outside.verify(token.as_bytes(), NOW_MS);
        assert!(matches!(verdict, Err(TokenError::Invalid(_))), "{name}: {verdict:?}");
    };
    let wrong: [(&str, Change); 16] = [
        ("another issuer", |claims| claims["iss"] = json!("https://id.example/")),
        ("issuers", |claims| claims["iss"] = json!(["https://id.example"])),
        ("no issuer", |claims| drop(claims.as_object_mut().unwrap().remove("iss"))),
        ("another audience", |claims| claims["aud"] = json!("another")),
        ("other audiences", |claims| claims["aud"] = json!(["another", "more"])),
        ("an audience in a list in a list", |claims| claims["aud"] = json!([["gateway"]])),
        ("no audience", |claims| drop(claims.as_object_mut().unwrap().remove("aud"))),
        ("no end", |claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ("an end as text", |claims| claims["exp"] = json!("1900000000")),
        ("an end in milliseconds", |claims| claims["exp"] = json!(NOW_MS + 1000)),
        ("an end that is infinite", |claims| claims["exp"] = json!(1e300)),
        ("not yet", |claims| claims["nbf"] = json!(NOW_S + 61)),
        ("issued in the future", |claims| claims["iat"] = json!(NOW_S + 61)),
        ("no user", |claims| drop(claims.as_object_mut().unwrap().remove("email"))),
        ("a user of two lines", |claims| claims["email"] = json!("ann\r\nX-Auth-Role: admin")),
        ("a user without a name", |claims| claims["email"] = json!("")),
    ];
    for (name, change) in wrong {
        refused(name, &token(&keyring, change));
    }
    refused("a long user", &token(&keyring, |claims| claims["email"] = json!("a".repeat(257))));
    let said = theirs().to_string();
    let twice = format!("{{\"email\":\"root@example.com\",{}", &said[1..]);
    refused("a user twice", &signed(&keyring, head(&keyring).to_string().as_bytes(), twice.as_bytes()));
    for (name, value) in [
        ("jku", json!("https://attacker.example")),
        ("jwk", keyring.jwks()["keys"][0].clone()),
        ("x5u", json!("https://attacker.example")),
        ("x5c", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("typ", json!("rt+jwt")),
        ("typ", json!("logout+jwt")),
        ("typ", json!(["JWT"])),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("EdDSA")),
        ("alg", json!(null)),
        ("kid", json!("another")),
        ("kid", json!(null)),
    ] {
        let mut head = head(&keyring);
        head[name] = value.clone();
        refused(&format!("{name} {value}"), &signed(&keyring, head.to_string().as_bytes(), said.as_bytes()));
    }
    let ours = tokens(ring(Alg::ES256)).issue_access(&ann(), NOW_MS).unwrap().token;
    refused("one of our own", &ours);
    assert!(outside.verify(token(&keyring, |_| ()).as_bytes(), NOW_MS).is_ok());
}

#[test]
fn what_providers_do_is_accepted() {
    let keyring = ring(Alg::ES256);
    let outside = outside(&keyring);
    let right: [(&str, Change); 4] = [
        ("audiences", |claims| claims["aud"] = json!(["another", "gateway"])),
        ("moments with fractions", |claims| claims["exp"] = json!(NOW_S as f64 + 300.7)),
        ("no moment of issue", |claims| drop(claims.as_object_mut().unwrap().remove("iat"))),
        ("a clock that is a little ahead", |claims| claims["iat"] = json!(NOW_S + 60)),
    ];
    for (name, change) in right {
        assert!(outside.verify(token(&keyring, change).as_bytes(), NOW_MS).is_ok(), "{name}");
    }
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"] {
        let mut head = head(&keyring);
        head["typ"] = json!(typ);
        head["x5t"] = json!("dGh1bWJwcmludA");
        let token = signed(&keyring, head.to_string().as_bytes(), theirs().to_string().as_bytes());
        assert!(outside.verify(token.as_bytes(), NOW_MS).is_ok(), "{typ}");
    }
    let bare = json!({ "alg": "ES256" });
    let token = signed(&keyring, bare.to_string().as_bytes(), theirs().to_string().as_bytes());
    assert!(outside.verify(token.as_bytes(), NOW_MS).is_ok(), "neither kid nor typ");
}

#[test]
fn keys_are_replaced_and_fetched_anew_for_an_unknown_one() {
    let (old, new) = (ring(Alg::ES256), ring(Alg::EdDSA));
    let outside = outside(&old);
    let (before, after) = (token(&old, |_| ()), token(&new, |_| ()));
    assert!(outside.verify(before.as_bytes(), NOW_MS).is_ok());
    assert!(outside.verify(after.as_bytes(), NOW_MS).is_err());
    assert!(outside.names_unknown_key(after.as_bytes()) && !outside.names_unknown_key(before.as_bytes()));
    for garbage in [&b""[..], b"a.b.c", b"\xff"] {
        assert!(!outside.names_unknown_key(garbage));
    }
    assert_eq!(outside.replace_keys(b"{\"keys\":[]}"), Err(OutsideError::NoKey(0)));
    assert!(outside.verify(before.as_bytes(), NOW_MS).is_ok(), "the old keys stay");
    assert_eq!(outside.replace_keys(new.jwks().to_string().as_bytes()), Ok(1));
    assert!(outside.verify(before.as_bytes(), NOW_MS).is_err(), "though it was remembered");
    assert!(outside.verify(after.as_bytes(), NOW_MS).is_ok());
}

#[test]
fn keys_that_could_harm_are_left_out() {
    let (rsa, ec, ed) = (ring(Alg::RS256).jwks(), ring(Alg::ES256).jwks(), ring(Alg::EdDSA).jwks());
    let count =
        |keys: &[Value]| match Outside::new(provider(), json!({ "keys": keys }).to_string().as_bytes()) {
            Ok(outside) => outside.keys_count(),
            Err(OutsideError::NoKey(_)) => 0,
            Err(error) => panic!("{error}"),
        };
    let with = |set: &Value, name: &str, value: Value| {
        let mut key = set["keys"][0].clone();
        key[name] = value;
        key
    };
    let plain = [rsa["keys"][0].clone(), ec["keys"][0].clone(), ed["keys"][0].clone()];
    assert_eq!(count(&plain), 3);
    let b64 = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));
    for (name, key) in [
        ("a secret", json!({ "kty": "oct", "k": "AAAA", "alg": "HS256" })),
        ("a private part", with(&ed, "d", b64(&[1; 32]))),
        ("for encryption", with(&rsa, "use", json!("enc"))),
        ("for signing only", with(&ec, "key_ops", json!(["sign"]))),
        ("for another algorithm", with(&rsa, "alg", json!("PS256"))),
        ("for HS256", with(&rsa, "alg", json!("HS256"))),
        ("another curve", with(&ec, "crv", json!("P-384"))),
        ("a short modulus", with(&rsa, "n", b64(&[0xff; 128]))),
        ("a modulus of 2047 bits", with(&rsa, "n", b64(&[&[0x7f][..], &[0xff; 255]].concat()))),
        ("a huge modulus", with(&rsa, "n", b64(&[0xff; 1025]))),
        ("an exponent of one", with(&rsa, "e", b64(&[1]))),
        ("an even exponent", with(&rsa, "e", b64(&[1, 0, 0]))),
        ("no exponent", with(&rsa, "e", json!(""))),
        ("a short coordinate", with(&ec, "x", b64(&[1; 31]))),
        ("padding", with(&ed, "x", json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="))),
        ("a short point", with(&ed, "x", b64(&[1; 31]))),
        ("an unknown type", json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" })),
        ("no object", json!("key")),
    ] {
        assert_eq!(count(std::slice::from_ref(&key)), 0, "{name}");
        assert_eq!(count(&[key, plain[1].clone()]), 1, "{name}: the others stay");
    }
}

#[test]
fn points_of_small_order_are_no_keys() {
    // All eight, as y with either sign of x, and the encodings of 0 and 1 that are not reduced; computed from
    // the curve (RFC 8032, section 5.1) and the same as libsodium's list.
    let small = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    let mut forged = 0;
    for hex in small {
        let point: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
        let jwk =
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": "small", "x": URL_SAFE_NO_PAD.encode(&point) });
        let refused = Outside::new(provider(), json!({ "keys": [jwk] }).to_string().as_bytes());
        assert_eq!(refused.err(), Some(OutsideError::NoKey(1)), "{hex}");
        // What they would be good for: R = A = a point of small order and S = 0 fit some message in eight at
        // least, and nobody needed a private key.
        let key = jsonwebtoken::DecodingKey::from_ed_der(&point);
        let key = super::super::verify::VerifyingKey::new("small".to_owned(), Alg::EdDSA, key);
        let mut identity = [0; 64];
        identity[0] = 1;
        let signature = URL_SAFE_NO_PAD.encode(identity);
        forged += (0..64_u8).filter(|message| key.verifies(&[*message], &signature)).count();
    }
    assert!(forged > 64, "the library alone takes them: {forged}");
}

#[test]
fn settings_and_sets_that_cannot_be_are_refused() {
    let set = ring(Alg::ES256).jwks().to_string();
    for wrong in [
        OutsideSettings { issuer: String::new(), ..provider() },
        OutsideSettings { audience: String::new(), ..provider() },
        OutsideSettings { user_claim: String::new(), ..provider() },
        OutsideSettings { algorithms: Vec::new(), ..provider() },
        OutsideSettings { algorithms: vec![Alg::ES256, Alg::HS256], ..provider() },
    ] {
        assert!(matches!(Outside::new(wrong, set.as_bytes()), Err(OutsideError::Settings(_))));
    }
    let rsa_only = OutsideSettings { algorithms: vec![Alg::RS256], ..provider() };
    assert_eq!(Outside::new(rsa_only, set.as_bytes()).err(), Some(OutsideError::NoKey(1)));
    let huge = format!("{{\"keys\":[],\"pad\":\"{}\"}}", "a".repeat(LARGEST_SET));
    for wrong in ["", "null", "[]", "{}", "{\"keys\":{}}", "<html>", &huge] {
        assert_eq!(Outside::new(provider(), wrong.as_bytes()).err(), Some(OutsideError::NoSet));
    }
}
