//! Tokens that somebody made himself, through the whole gateway; the crate of accounts has many more.

use portcullis_tests::{Accounts, Jwt, Launch, Request, Upstream, unix_seconds};
use serde_json::json;

use super::{STORE_KEY, config, work};

const SECRET: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8S";

#[test]
fn no_forged_token_gets_in_however_it_was_made() {
    let upstream = Upstream::ok();
    let text = config(&upstream.url(), "[auth.failures]\nlimit = \"1000/minute per ip\"\n")
        .replace("[auth.tokens]\n", "[auth.tokens]\nsecret = \"env:SIGNING\"\n");
    let gateway = Launch::run().config(&text).env("STORE_KEY", STORE_KEY).env("SIGNING", SECRET).start();
    let accounts = Accounts::of(&gateway);
    let login = accounts.newcomer("alice");
    let token = Jwt::read(&login.access);
    let status = |token: &str| work().bearer(token).send_to(gateway.address()).status;
    assert_eq!(status(&token.signed(SECRET)), 200, "made by hand as the gateway makes it");
    let now = unix_seconds().cast_signed();
    let of = |name: &str, value: serde_json::Value| token.clone().claim(name, value).signed(SECRET);
    let headed = |name: &str, value: serde_json::Value| token.clone().header(name, value);
    let forged = [
        ("no algorithm", headed("alg", json!("none")).unsigned()),
        ("no algorithm, in another spelling", headed("alg", json!("nOnE")).unsigned()),
        ("no signature", token.unsigned()),
        ("another secret", token.signed("another secret of forty and more characters")),
        ("an empty secret", token.signed("")),
        ("another algorithm", headed("alg", json!("HS512")).signed_512(SECRET)),
        ("an asymmetric one", headed("alg", json!("RS256")).signed(SECRET)),
        ("another type", headed("typ", json!("JWT")).signed(SECRET)),
        ("the type of refresh tokens", headed("typ", json!("rt+jwt")).signed(SECRET)),
        ("a key of its own", headed("jwk", json!({ "kty": "oct", "k": "AAAA" })).signed("\0\0\0")),
        ("a place for keys", headed("jku", json!("https://evil.example/jwks.json")).signed(SECRET)),
        ("a critical extension", headed("crit", json!(["exp"])).signed(SECRET)),
        ("a key by a path", headed("kid", json!("../../../dev/null")).signed("")),
        ("a key by SQL", headed("kid", json!("x' UNION SELECT 'a' --")).signed("a")),
        ("expired", of("exp", json!(now - 1))),
        ("expired in text", of("exp", json!("2999-01-01"))),
        ("without an end", token.clone().without("exp").signed(SECRET)),
        ("not yet", of("nbf", json!(now + 3600))),
        ("issued tomorrow", of("iat", json!(now + 86_400))),
        ("another issuer", of("iss", json!("https://evil.example"))),
        ("another audience", of("aud", json!("another"))),
        ("another purpose", of("type", json!("refresh"))),
        ("nobody", of("uid", json!("0199c0de-0000-7000-8000-000000000001"))),
        ("two claims of one name", twice(&token)),
    ];
    for (what, token) in &forged {
        assert_eq!(status(token), 401, "{what}");
    }
    assert_eq!(upstream.count(), 1);
    // The role that counts is the one the user has, whatever his token says.
    let promoted = of("role", json!("admin"));
    let answer = Request::get("/portcullis/admin/users").bearer(&promoted).send_to(gateway.address());
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(status(&login.access), 200);
}

/// The same claims, one of them twice: readers differ in which one counts.
fn twice(token: &Jwt) -> String {
    use base64::Engine as _;
    let part = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let claims = token.claims.to_string().replacen('{', r#"{"role":"admin","#, 1);
    let signed = format!("{}.{}", part(token.header.to_string()), part(claims));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(tag.as_ref()))
}
