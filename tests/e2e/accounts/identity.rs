//! What the application is told of the caller: fields that nobody can forge, and an assertion that it can verify.

use std::process::Command;

use portcullis_tests::{Accounts, Received, Request, Upstream, clients};
use serde_json::json;

use super::{launch, started, work};

#[test]
fn the_fields_say_who_it_is_and_a_client_s_own_are_taken_off() {
    let upstream = Upstream::ok();
    let (gateway, accounts) = started(&upstream, "[identity]\nuser_headers = [\"X-User-ID\"]\n");
    let login = gateway.user(&accounts, "alice", "premium");
    let key = accounts.key(&login.access, &json!({ "role": "free" })).key;
    let device = accounts.device();
    let session = accounts.session(&login.access, &device);
    let spoofed = || {
        let names = [
            "X-Auth-User",
            "x-auth-role",
            "X-AUTH-METHOD",
            "X-Auth-Assertion",
            "X_Auth_User",
            "X-Auth-Id",
            "X-Auth-Credential",
            "X-Auth-Device",
            "X-Auth-Client",
            "X-User-ID",
            "x_user_id",
        ];
        names.into_iter().fold(work(), |request, name| request.header(name, "admin"))
    };
    for (request, role, method) in [
        (spoofed().bearer(&login.access), "premium", "bearer"),
        (spoofed().header("X-API-Key", &key), "free", "api-key"),
        (
            spoofed().header("X-Session-ID", &session.secret).header("X-Device-ID", &device.id),
            "premium",
            "session",
        ),
    ] {
        let before = upstream.count();
        assert_eq!(request.send_to(gateway.address()).status, 200);
        let received: Received = upstream.received().swap_remove(before);
        for (name, value) in [
            ("x-auth-user", "alice"),
            ("x-user-id", "alice"),
            ("x-auth-role", role),
            ("x-auth-method", method),
        ] {
            assert_eq!(received.field(name), Some(value), "{}", received.head);
        }
        for name in [
            "x-auth-assertion",
            "x-auth-id",
            "x-auth-credential",
            "x-auth-device",
            "x-auth-client",
            "x_auth_user",
            "x_user_id",
        ] {
            assert_eq!(received.all(name), [""; 0], "{name}: {}", received.head);
        }
        for name in ["authorization", "x-api-key", "x-session-id"] {
            assert_eq!(received.field(name), None, "{}", received.head);
        }
        assert!(!received.head.contains("admin"), "{}", received.head);
    }
}

#[test]
fn where_nobody_is_asked_nobody_is_told() {
    let upstream = Upstream::ok();
    let (gateway, _accounts) = started(&upstream, "[[routes]]\nmatch = \"GET /open\"\nauth = \"none\"\n");
    let request = Request::get("/open").header("X-Auth-User", "root").header("X-Auth-Role", "admin");
    assert_eq!(request.send_to(gateway.address()).status, 200);
    let received = upstream.only();
    assert!(!received.head.to_lowercase().contains("x-auth-"), "{}", received.head);
}

/// As an application does it that trusts nobody on its network: with a library of its own, and the keys that the
/// gateway publishes.
const VERIFY: &str = r#"
import json, sys, urllib.request, jwt
url, assertion, audience = sys.argv[1:]
keys = json.load(urllib.request.urlopen(url))
for key in keys["keys"]:
    assert not {"d", "p", "q", "k"} & set(key), "a private key is published"
key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(assertion)["kid"]]
algorithm = jwt.get_unverified_header(assertion)["alg"]
claims = jwt.decode(assertion, key, algorithms=[algorithm], audience=audience, options={"require": ["exp", "iat", "iss", "sub"]})
try:
    jwt.decode(assertion, key, algorithms=[algorithm], audience="another application")
    sys.exit("it is for everybody")
except jwt.InvalidAudienceError:
    pass
print(json.dumps({"claims": claims, "header": jwt.get_unverified_header(assertion)}))
"#;

#[test]
fn an_application_verifies_the_assertion_with_the_published_keys() {
    let python = clients();
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let upstream = Upstream::ok();
        let text =
            super::config(&upstream.url(), "[identity]\nassertion = true\nassertion_audience = \"orders\"\n")
                .replace("[auth.tokens]\n", &format!("[auth.tokens]\nalgorithm = \"{algorithm}\"\n"));
        let gateway =
            portcullis_tests::Launch::run().config(&text).env("STORE_KEY", super::STORE_KEY).start();
        let accounts = Accounts::of(&gateway);
        let login = gateway.user(&accounts, "alice", "premium");
        assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
        let received = upstream.received().pop().unwrap();
        let assertion =
            received.field("x-auth-assertion").unwrap_or_else(|| panic!("{}", received.head)).to_owned();
        let url = format!("http://{}/portcullis/.well-known/jwks.json", gateway.address());
        let output = Command::new(&python).args(["-c", VERIFY, &url, &assertion, "orders"]).output().unwrap();
        assert!(output.status.success(), "{algorithm}: {}", String::from_utf8_lossy(&output.stderr));
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["header"]["alg"], algorithm);
        assert_eq!((&told["claims"]["sub"], &told["claims"]["role"]), (&json!("alice"), &json!("premium")));
        let lives = told["claims"]["exp"].as_i64().unwrap() - told["claims"]["iat"].as_i64().unwrap();
        assert!((1..=600).contains(&lives), "{told}");
        // It is a statement for the application, and no token to come in with.
        assert_eq!(work().bearer(&assertion).send_to(gateway.address()).status, 401);
        assert_eq!(accounts.refresh(&assertion).status, 401);
        // Keys that the gateway made outlive it.
        let gateway = gateway.kill().start();
        assert_eq!(work().bearer(&login.access).send_to(gateway.address()).status, 200);
    }
}

/// Where callers sign with a shared secret there is nothing to publish.
#[test]
fn a_secret_is_never_published() {
    let upstream = Upstream::ok();
    let text = super::config(&upstream.url(), "")
        .replace("[auth.tokens]\n", "[auth.tokens]\nsecret = \"env:SIGNING\"\n");
    let secret = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8S";
    let gateway = launch(&upstream, "").config(&text);
    drop(gateway);
    let gateway = portcullis_tests::Launch::run()
        .config(&text)
        .env("STORE_KEY", super::STORE_KEY)
        .env("SIGNING", secret)
        .start();
    let answer = Request::get("/portcullis/.well-known/jwks.json").send_to(gateway.address());
    assert_eq!((answer.status, answer.json()), (200, json!({ "keys": [] })));
}
