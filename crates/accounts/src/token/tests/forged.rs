//! Tokens that somebody made up, each with its name. All are refused, and the one they are made of is not.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use base64::engine::general_purpose::STANDARD;

use super::*;

struct Forger {
    keyring: Keyring,
    tokens: Tokens,
    found: Vec<(String, Vec<u8>)>,
}

impl Forger {
    fn with(alg: Alg) -> Self {
        Self { keyring: ring(alg), tokens: tokens(ring(alg)), found: Vec::new() }
    }

    fn good(&self) -> String {
        signed(&self.keyring, header(&self.keyring).to_string().as_bytes(), claims().to_string().as_bytes())
    }

    fn add(&mut self, name: impl Into<String>, token: impl Into<Vec<u8>>) {
        self.found.push((name.into(), token.into()));
    }

    /// Signed with the right key over a header that is wrong.
    fn header(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut header = header(&self.keyring);
        change(&mut header);
        self.raw(name, header.to_string().as_bytes(), claims().to_string().as_bytes());
    }

    /// Signed with the right key over claims that are wrong.
    fn claims(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut claims = claims();
        change(&mut claims);
        let header = header(&self.keyring).to_string();
        self.raw(name, header.as_bytes(), claims.to_string().as_bytes());
    }

    fn raw(&mut self, name: &str, header: &[u8], claims: &[u8]) {
        let token = signed(&self.keyring, header, claims);
        self.add(name, token);
    }

    /// Refuses them all, as access and as refresh tokens, and knows them apart from the good one.
    fn judge(self, least: usize) {
        assert!(self.tokens.access(self.good().as_bytes(), NOW_MS).is_ok(), "the one they are made of");
        for (name, token) in &self.found {
            let verdict = self.tokens.access(token, NOW_MS);
            assert!(matches!(verdict, Err(TokenError::Invalid(_))), "{name}: {verdict:?}");
            assert!(matches!(self.tokens.refresh(token, NOW_MS), Err(TokenError::Invalid(_))), "{name}");
        }
        assert!(self.tokens.access(self.good().as_bytes(), NOW_MS).is_ok(), "still");
        assert!(self.found.len() >= least, "{}", self.found.len());
    }
}

fn unsigned(header: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(header), part(&claims()))
}

#[test]
fn algorithms_that_the_token_chooses() {
    let mut forger = Forger::with(Alg::HS256);
    for none in ["none", "None", "NONE", "nOnE", "", " none", "none\0"] {
        let mut header = header(&forger.keyring);
        header["alg"] = json!(none);
        forger.add(format!("alg `{none}` without a signature"), unsigned(&header));
        forger.add(format!("alg `{none}` with a signature of nothing"), unsigned(&header) + "AA");
        forger
            .header(&format!("alg `{none}` with the right signature"), |header| header["alg"] = json!(none));
    }
    for other in ["hs256", "HS256 ", "HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256", "ES256K", "dir"] {
        forger.header(&format!("alg `{other}` for a key of HS256"), |header| header["alg"] = json!(other));
    }
    forger.header("alg as a list", |header| header["alg"] = json!(["HS256"]));
    forger.header("alg as null", |header| header["alg"] = json!(null));
    forger.header("alg as a number", |header| header["alg"] = json!(256));
    forger.header("no alg", |header| drop(header.as_object_mut().unwrap().remove("alg")));
    forger.judge(30);
}

#[test]
fn a_public_key_taken_for_a_secret() {
    for alg in [Alg::RS256, Alg::ES256, Alg::EdDSA] {
        let mut forger = Forger::with(alg);
        let jwk = forger.keyring.jwks()["keys"][0].clone();
        let mut guesses = vec![
            ("the JWK", jwk.to_string().into_bytes()),
            ("the JWK set", forger.keyring.jwks().to_string().into_bytes()),
            ("the key's name", forger.keyring.signing_kid().as_bytes().to_vec()),
            ("nothing", Vec::new()),
        ];
        for member in ["n", "e", "x", "y"] {
            if let Some(text) = jwk[member].as_str() {
                guesses.push(("a part of the JWK as text", text.as_bytes().to_vec()));
                guesses.push(("a part of the JWK", URL_SAFE_NO_PAD.decode(text).unwrap()));
            }
        }
        if alg == Alg::RS256 {
            let pair = RsaKeyPair::from_pkcs8(made(alg).private.expose()).unwrap();
            let public = pair.public_key();
            let spki = AsDer::<PublicKeyX509Der<'_>>::as_der(public).unwrap().as_ref().to_vec();
            let lines = STANDARD.encode(&spki).as_bytes().chunks(64).map(<[u8]>::to_vec).collect::<Vec<_>>();
            let body = String::from_utf8(lines.join(&b'\n')).unwrap();
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
            guesses.push(("the PEM with its line break", format!("{pem}\n").into_bytes()));
            guesses.push(("the PEM", pem.into_bytes()));
            guesses.push(("the DER of SubjectPublicKeyInfo", spki));
            guesses.push(("the DER of PKCS #1", public.as_ref().to_vec()));
        }
        for (name, secret) in guesses {
            for keep_kid in [true, false] {
                let mut header = header(&forger.keyring);
                header["alg"] = json!("HS256");
                if !keep_kid {
                    header.as_object_mut().unwrap().remove("kid");
                }
                let unsigned = unsigned(&header);
                let message = unsigned.trim_end_matches('.');
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
                let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
                forger.add(format!("{alg:?}: HS256 with {name}"), token);
            }
        }
        forger.judge(12);
    }
}

#[test]
fn keys_that_are_not_ours() {
    for alg in Alg::ALL {
        let mut forger = Forger::with(alg);
        let stranger = match alg {
            Alg::HS256 => Keyring::hs256(&[secret(9)]).unwrap(),
            // Of RSA one is enough to wait for: theirs is another kind.
            Alg::RS256 => Keyring::from_pkcs8(&[Keyring::generate(Alg::ES256, NOW_MS).unwrap()]).unwrap(),
            alg => Keyring::from_pkcs8(&[Keyring::generate(alg, NOW_MS).unwrap()]).unwrap(),
        };
        let theirs = |header: &Value| {
            signed(&stranger, header.to_string().as_bytes(), claims().to_string().as_bytes())
        };
        forger.add("their key under our name", theirs(&header(&forger.keyring)));
        forger.add("their key under their name", theirs(&header(&stranger)));
        forger.add("their key without a name", theirs(&json!({ "typ": "at+jwt", "alg": alg.name() })));
        if let Some(jwk) = stranger.jwks()["keys"].get(0) {
            let mut with = header(&forger.keyring);
            with["jwk"] = jwk.clone();
            forger.add("their key, embedded", theirs(&with));
            with.as_object_mut().unwrap().remove("kid");
            forger.add("their key, embedded, without a name", theirs(&with));
        }
        forger.judge(3);
    }
}

#[test]
fn headers_that_name_their_own_key_or_change_the_rules() {
    let mut forger = Forger::with(Alg::EdDSA);
    let jwk = forger.keyring.jwks()["keys"][0].clone();
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
        ("exp", json!(NOW_S + 9000)),
        ("unknown", json!(1)),
    ] {
        forger.header(&format!("`{name}` in the header"), |header| header[name] = value.clone());
    }
    forger.header("crit and b64", |header| {
        header["crit"] = json!(["b64"]);
        header["b64"] = json!(false);
    });
    for kid in [
        "",
        " ",
        "../../../../dev/null",
        "/proc/self/environ",
        "' OR '1'='1",
        "x' UNION SELECT 'secret' --",
        "| curl attacker.example",
        "http://127.0.0.1/key",
        "\0",
        "unknown",
        "*",
        "0",
    ] {
        forger.header(&format!("kid `{kid}`"), |header| header["kid"] = json!(kid));
    }
    let own = forger.keyring.signing_kid().to_owned();
    for kid in [json!(null), json!(0), json!([own]), json!({ "kid": own }), json!(true)] {
        forger.header("kid of another JSON type", |header| header["kid"] = kid.clone());
    }
    forger.header("kid in other case", |header| header["kid"] = json!(own.to_ascii_uppercase()));
    forger.header("kid and more", |header| header["kid"] = json!(format!("{own} ")));
    forger.judge(30);
}

#[test]
fn types_that_are_mixed_up() {
    let mut forger = Forger::with(Alg::HS256);
    for typ in
        ["JWT", "jwt", "AT+JWT", "at+jwt ", "application/at+jwt", "dpop+jwt", "secevent+jwt", "", "at+jwt\0"]
    {
        forger.header(&format!("header type `{typ}`"), |header| header["typ"] = json!(typ));
    }
    forger.header("no header type", |header| drop(header.as_object_mut().unwrap().remove("typ")));
    forger.header("an access token under the header of a refresh token", |header| {
        header["typ"] = json!("rt+jwt");
    });
    forger.header("header type as a list", |header| header["typ"] = json!(["at+jwt"]));
    forger.claims("refresh claims under the header of an access token", |claims| {
        claims["type"] = json!("refresh");
        claims["gen"] = json!(0);
    });
    for kind in ["Access", "ACCESS", "access ", "", "id", "refresh"] {
        forger.claims(&format!("type `{kind}`"), |claims| claims["type"] = json!(kind));
    }
    forger.claims("both types", |claims| claims["type"] = json!(["access", "refresh"]));
    forger.judge(18);
}

#[test]
fn claims_that_are_missing_or_wrong() {
    let mut forger = Forger::with(Alg::ES256);
    let names: Vec<String> = claims().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 11);
    for name in &names {
        forger
            .claims(&format!("without {name}"), |claims| drop(claims.as_object_mut().unwrap().remove(name)));
        forger.claims(&format!("{name} as null"), |claims| claims[name] = json!(null));
        forger.claims(&format!("{name} in a list"), |claims| claims[name] = json!([claims[name]]));
        forger.claims(&format!("{name} in lists in lists"), |claims| {
            claims[name] = json!([[[[claims[name]]]]]);
        });
        forger.claims(&format!("{name} in an object"), |claims| {
            claims[name] = json!({ "value": claims[name] });
        });
        forger.claims(&format!("{name} as true"), |claims| claims[name] = json!(true));
    }
    for issuer in [
        "",
        "https://gateway.example/",
        "https://Gateway.example",
        "https://gateway.example.attacker.example",
    ] {
        forger.claims(&format!("issuer `{issuer}`"), |claims| claims["iss"] = json!(issuer));
    }
    for audience in ["", "Portcullis", "portcullis ", "*", "another"] {
        forger.claims(&format!("audience `{audience}`"), |claims| claims["aud"] = json!(audience));
    }
    forger.claims("an audience of two", |claims| claims["aud"] = json!(["portcullis", "another"]));
    for name in ["uid", "sid", "jti"] {
        for text in
            ["", "1", "ann", "00000000-0000-0000-0000-00000000000", "{0191aabb-ccdd-7fff-bfff-ffffffffffff}"]
        {
            forger.claims(&format!("{name} `{text}`"), |claims| claims[name] = json!(text));
        }
    }
    forger.judge(80);
}

#[test]
fn moments_that_are_no_moments() {
    let mut forger = Forger::with(Alg::HS256);
    for name in ["exp", "nbf", "iat"] {
        for value in [
            json!((NOW_S + 900).to_string()),
            json!(NOW_S as f64 + 900.5),
            json!(1e300),
            json!(-1),
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(NOW_MS * 1000),
            json!("2030-01-01T00:00:00Z"),
            json!(""),
        ] {
            forger.claims(&format!("{name} {value}"), |claims| claims[name] = value.clone());
        }
        for text in
            ["1e999", "0x7fffffff", "01800000900", "+1800000900", "NaN", "Infinity", "1800000900.0", "18e8"]
        {
            let json = claims().to_string();
            let member = format!("\"{name}\":{}", claims()[name]);
            assert!(json.contains(&member));
            let json = json.replace(&member, &format!("\"{name}\":{text}"));
            let header = header(&forger.keyring).to_string();
            forger.raw(&format!("{name} {text}"), header.as_bytes(), json.as_bytes());
        }
    }
    forger.claims("not yet valid", |claims| claims["nbf"] = json!(NOW_S + 1));
    forger.claims("issued in the future", |claims| claims["iat"] = json!(NOW_S + 1));
    forger.claims("issued in a year, and over before", |claims| claims["iat"] = json!(NOW_S + 31_536_000));
    forger.judge(50);
}

#[test]
fn a_token_whose_time_is_over_is_told_from_a_wrong_one() {
    let forger = Forger::with(Alg::HS256);
    let over = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims();
        claims["exp"] = json!(NOW_S);
        change(&mut claims);
        signed(&forger.keyring, header(&forger.keyring).to_string().as_bytes(), claims.to_string().as_bytes())
    };
    let verdict = |token: &str| forger.tokens.access(token.as_bytes(), NOW_MS).unwrap_err();
    assert_eq!(verdict(&over(&|_| ())), TokenError::Expired);
    assert_eq!(verdict(&over(&|claims| claims["exp"] = json!(0))), TokenError::Expired);
    // Only a token that is otherwise in order is called expired: of others nothing is said.
    for token in [
        over(&|claims| claims["type"] = json!("refresh")),
        over(&|claims| claims["iss"] = json!("another")),
        over(&|claims| claims["nbf"] = json!(NOW_S + 9)),
        over(&|_| ()) + "A",
        over(&|_| ()).replace("eyJ", "eyK"),
    ] {
        assert!(matches!(verdict(&token), TokenError::Invalid(_)), "{token}");
    }
}
