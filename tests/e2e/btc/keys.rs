//! B-KEY: API keys of users.

use portcullis_tests::{
    Accounts, Application, Launch, Received, Request, System, Upstream, guide_command, shell, until,
};
use serde_json::{Value, json};

use super::{Behind, SECRET, assert_forecast, assert_refused, launch, predict};

const GENERATE: &str = r#"curl -X POST "http://localhost:8000/auth/api-key" \
  -H "Authorization: Bearer YOUR_ACCESS_TOKEN""#;

const PREDICT: &str = r#"curl -X POST "http://localhost:8000/predict" \
  -H "X-API-Key: YOUR_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"days": 7}'"#;

fn predict_with(key: &str) -> Request {
    predict().header("X-API-Key", key)
}

#[test]
fn b_key_01_b_key_03_the_key_of_the_guide_is_shown_once_and_predicts() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let address = behind.gateway.address();
    let answers = guide_command(&GENERATE.replace("YOUR_ACCESS_TOKEN", &login.access), address);
    assert!(matches!(answers[0].status, 200 | 201), "{answers:?}");
    let body: Value = serde_json::from_str(&answers[0].body).unwrap();
    assert_eq!(body["message"], "API key generated successfully");
    let key = body["api_key"].as_str().unwrap();
    // At least as hard to guess as the 32 characters of the guide.
    assert!(key.len() >= 32, "{key}");
    let answers = guide_command(&PREDICT.replace("YOUR_API_KEY", key), address);
    assert_eq!(answers[0].status, 200, "{answers:?}");
    assert!(answers[0].body.contains("predictions"), "{answers:?}");

    let listed = behind.accounts.send(&behind.accounts.get("/auth/api-keys").bearer(&login.access));
    assert_eq!(listed.status, 200, "{}", listed.text());
    let id = body["id"].as_str().unwrap();
    assert!(listed.text().contains(id) && !listed.text().contains(key), "{}", listed.text());
    assert!(!behind.gateway.log().contains(key), "{}", behind.gateway.log());
    // As the guide writes it, it is nobody's.
    let answers = guide_command(PREDICT, address);
    assert_eq!(answers[0].status, 401, "{answers:?}");
    let answers = guide_command(GENERATE, address);
    assert_eq!(answers[0].status, 401, "{answers:?}");
}

#[test]
fn b_key_02_a_key_is_kept_as_a_digest_and_shown_to_no_administrator() {
    let application = Application::start(System::Btc);
    // Without a key for it the store stands in clear, and can be looked at.
    let gateway = Launch::profile("btc-forecasting", application.url())
        .env("JWT_SECRET_KEY", SECRET)
        .env("DATABASE_URL", "sqlite:///accounts.db")
        .start();
    let accounts = Accounts::at_root(&gateway);
    let login = accounts.newcomer("newuser");
    let key = accounts.key(&login.access, &json!({})).key;
    let found = shell(&format!("grep -c '{key}' accounts.db* || true; ls accounts.db"), gateway.folder());
    assert!(found.lines().filter(|line| line.contains("db:")).all(|line| line.ends_with(":0")), "{found}");
    let admin = gateway.user(&accounts, "root", "admin");
    for endpoint in ["/admin/users", "/admin/keys", "/auth/api-keys"] {
        let answer = accounts.send(&accounts.get(endpoint).bearer(&admin.access));
        assert_eq!(answer.status, 200, "{endpoint}: {}", answer.text());
        assert!(!answer.text().contains(&key), "{endpoint}: {}", answer.text());
    }
    let listed = gateway.command("keys list --json").ran().json().to_string();
    assert!(!listed.contains(&key) && listed.contains(&key[..8]), "{listed}");
}

#[test]
fn b_key_03_a_key_is_accepted_as_its_owner() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).start();
    let accounts = Accounts::at_root(&gateway);
    let login = gateway.user(&accounts, "paying", "premium");
    let key = accounts.key(&login.access, &json!({})).key;
    assert_eq!(predict_with(&key).send_to(gateway.address()).status, 200);
    let premium = Request::post("/forecast/recursive", r#"{"days": 7}"#).header("X-API-Key", &key);
    assert_eq!(premium.send_to(gateway.address()).status, 200);
    for received in upstream.wait_for(2) {
        assert_eq!(who(&received), ("paying", "premium", "api-key"));
        assert_eq!(received.field("x-api-key"), None, "{}", received.head);
    }
}

/// Who the application is told it is, and how that was proven.
fn who(received: &Received) -> (&str, &str, &str) {
    let field = |name| received.field(name).unwrap_or_else(|| panic!("no {name} in {}", received.head));
    (field("x-auth-user"), field("x-auth-role"), field("x-auth-method"))
}

#[test]
fn b_key_04_an_unknown_or_revoked_key_is_refused() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let key = behind.accounts.key(&login.access, &json!({}));
    let other = behind.accounts.key(&login.access, &json!({}));
    assert_forecast(&behind.send(&predict_with(&key.key)));
    let mut mistyped = key.key.clone();
    let last = mistyped.pop().unwrap();
    mistyped.push(if last == 'A' { 'B' } else { 'A' });
    for wrong in ["", "YOUR_API_KEY", mistyped.as_str(), &key.key[..20], &key.key.to_uppercase()] {
        assert_eq!(behind.send(&predict_with(wrong)).status, 401, "{wrong}");
    }
    let ended = behind.accounts.delete(&format!("/auth/api-keys/{}", key.id)).bearer(&login.access);
    assert!(behind.accounts.send(&ended).status < 300);
    assert_eq!(behind.send(&predict_with(&key.key)).status, 401);
    assert_forecast(&behind.send(&predict_with(&other.key)));
    // Nobody ends what is another's.
    let stranger = behind.accounts.newcomer("stranger");
    let ended = behind.accounts.delete(&format!("/auth/api-keys/{}", other.id)).bearer(&stranger.access);
    assert_eq!(behind.accounts.send(&ended).status, 404);
    assert_forecast(&behind.send(&predict_with(&other.key)));
}

#[test]
fn b_key_05_every_application_of_a_user_may_have_a_key_of_its_own() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let keys: Vec<_> = ["dashboard", "notebook", "robot"]
        .map(|name| (name, behind.accounts.key(&login.access, &json!({ "name": name }))))
        .into();
    for (_, key) in &keys {
        assert_forecast(&behind.send(&predict_with(&key.key)));
    }
    let listed =
        behind.accounts.done(&behind.accounts.get("/auth/api-keys").bearer(&login.access)).to_string();
    for (name, key) in &keys {
        assert!(listed.contains(name) && listed.contains(&key.id), "{listed}");
    }
    let ended = behind.accounts.delete(&format!("/auth/api-keys/{}", keys[1].1.id)).bearer(&login.access);
    assert!(behind.accounts.send(&ended).status < 300);
    let statuses: Vec<u16> =
        keys.iter().map(|(_, key)| behind.send(&predict_with(&key.key)).status).collect();
    assert_eq!(statuses, [200, 401, 200]);
}

#[test]
fn b_key_06_a_key_can_be_rotated_with_an_overlap_and_has_an_end() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let old = behind.accounts.key(&login.access, &json!({ "name": "robot", "expires_in": 365 * 86_400 }));
    let listed = behind.accounts.done(&behind.accounts.get("/auth/api-keys").bearer(&login.access));
    let listed = listed.to_string();
    assert!(ends_in_a_year(&listed), "{listed}");

    let rotate =
        behind.accounts.post(&format!("/auth/api-keys/{}/rotate", old.id), &json!({ "overlap": 3600 }));
    let body = behind.accounts.done(&rotate.bearer(&login.access));
    let new = body["api_key"].as_str().unwrap_or_else(|| panic!("{body}"));
    assert_ne!(new, old.key);
    // Both are good until the old one ends.
    assert_forecast(&behind.send(&predict_with(&old.key)));
    assert_forecast(&behind.send(&predict_with(new)));
    let newer =
        behind.gateway.command("keys rotate").arg(body["id"].as_str().unwrap()).arg("--overlap").arg("0s");
    let newer = newer.arg("--json").ran().json();
    until("the end of the rotated key", || (behind.send(&predict_with(new)).status == 401).then_some(()));
    assert_forecast(&behind.send(&predict_with(newer["api_key"].as_str().unwrap())));
}

/// Whether an end stands there that is of another year than this one's.
fn ends_in_a_year(listed: &str) -> bool {
    let after = listed.split("\"expires_at\":\"").nth(1).and_then(|rest| rest.get(..4));
    let year = 1970 + portcullis_tests::unix_seconds() / 31_556_952;
    after.and_then(|year| year.parse::<u64>().ok()).is_some_and(|end| (year + 1..=year + 2).contains(&end))
}

#[test]
fn b_key_07_of_a_token_and_a_key_the_token_counts_and_neither_makes_up_for_the_other() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).start();
    let accounts = Accounts::at_root(&gateway);
    let (one, other) = (accounts.newcomer("one"), accounts.newcomer("other"));
    let key = accounts.key(&other.access, &json!({})).key;
    let both = predict_with(&key).bearer(&one.access).send_to(gateway.address());
    assert_eq!(both.status, 200, "{}", both.text());
    let received = upstream.only();
    assert_eq!(who(&received), ("one", "free", "bearer"));
    for name in ["authorization", "x-api-key"] {
        assert_eq!(received.field(name), None, "{}", received.head);
    }
    let wrong = predict_with(&key).bearer("wrong").send_to(gateway.address());
    assert_refused(&wrong, 401, "Invalid token");
    assert_eq!(upstream.count(), 1);
}
