//! B-AUTH: registration and login, as the guide's clients see them.

use std::time::{Duration, Instant};

use portcullis_tests::{PASSWORD, Request, guide_command, totp, unix_seconds, until};
use serde_json::{Value, json};

use super::{Behind, GUIDE_PASSWORD, LOGIN, REGISTER, assert_forecast, assert_refused, names, predict};

#[test]
fn b_auth_01_the_registration_of_the_guide_gives_the_user_and_no_secret() {
    let behind = Behind::start();
    let answers = guide_command(REGISTER, behind.gateway.address());
    assert!(matches!(answers[0].status, 200 | 201), "{answers:?}");
    let user: Value = serde_json::from_str(&answers[0].body).unwrap();
    assert_eq!(user["username"], "newuser");
    assert_eq!(user["email"], "user@example.com");
    assert_eq!((&user["role"], &user["is_active"]), (&json!("free"), &json!(true)));
    assert!(user["created_at"].as_str().is_some_and(|at| at.contains('T')), "{user}");
    assert_eq!(user["last_login"], Value::Null);
    for word in ["password", "hash", "$2b$", "$argon2", GUIDE_PASSWORD] {
        assert!(!answers[0].body.contains(word), "{word} in {}", answers[0].body);
    }
}

#[test]
fn b_auth_02_nobody_gives_himself_a_role() {
    let behind = Behind::start();
    for (number, role) in ["admin", "premium", "superuser", "ADMIN"].into_iter().enumerate() {
        let name = format!("climber{number}");
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD, "role": role });
        let answer = behind.accounts.send(&behind.accounts.post("/auth/register", &body));
        assert!(matches!(answer.status, 403 | 422), "{role}: {}{}", answer.head, answer.text());
        // He was not made with a smaller role either.
        assert_refused(&behind.accounts.try_login(&name, PASSWORD), 401, "Invalid credentials");
    }
    // A key or a token of a free user does not help.
    let login = behind.accounts.newcomer("plain");
    let body =
        json!({ "username": "friend", "email": "friend@example.com", "password": PASSWORD, "role": "admin" });
    let answer = behind.accounts.send(&behind.accounts.post("/auth/register", &body).bearer(&login.access));
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(behind.accounts.profile(&login.access).json()["role"], "free");
}

#[test]
fn b_auth_03_b_auth_04_a_name_and_an_address_are_taken_once() {
    let behind = Behind::start();
    assert!(guide_command(REGISTER, behind.gateway.address())[0].status < 300);
    let register = |name: &str, email: &str| {
        let body = json!({ "username": name, "email": email, "password": PASSWORD });
        behind.accounts.send(&behind.accounts.post("/auth/register", &body))
    };
    for name in ["newuser", "NEWUSER", "NewUser"] {
        assert_refused(&register(name, "another@example.com"), 400, "Username already registered");
    }
    for email in ["user@example.com", "User@Example.com"] {
        assert_refused(&register("another", email), 400, "Email already registered");
    }
    assert!(register("another", "another@example.com").status < 300);
}

#[test]
fn b_auth_05_what_is_no_address_is_refused() {
    let behind = Behind::start();
    for email in ["", "nobody", "nobody@", "@example.com", "a b@example.com", "a@b@example.com"] {
        let body = json!({ "username": "newuser", "email": email, "password": PASSWORD });
        let answer = behind.accounts.send(&behind.accounts.post("/auth/register", &body));
        assert_eq!(answer.status, 422, "{email:?}: {}", answer.text());
    }
    for body in
        [json!({}), json!({ "username": 7, "email": "a@example.com", "password": PASSWORD }), json!([])]
    {
        let answer = behind.accounts.send(&behind.accounts.post("/auth/register", &body));
        assert!(matches!(answer.status, 400 | 422), "{body}: {}", answer.text());
    }
}

#[test]
fn b_auth_08_the_login_of_the_guide_gives_a_pair_that_works() {
    let behind = Behind::start();
    guide_command(REGISTER, behind.gateway.address());
    let answers = guide_command(LOGIN, behind.gateway.address());
    assert_eq!(answers[0].status, 200, "{answers:?}");
    let pair: Value = serde_json::from_str(&answers[0].body).unwrap();
    assert_eq!(names(&pair), ["access_token", "expires_in", "refresh_token", "token_type"]);
    assert_eq!((&pair["token_type"], &pair["expires_in"]), (&json!("bearer"), &json!(1800)));
    let access = pair["access_token"].as_str().unwrap();
    assert_forecast(&behind.send(&predict().bearer(access)));
    assert_ne!(pair["access_token"], pair["refresh_token"]);
}

#[test]
fn b_auth_09_wrong_password_and_unknown_user_get_the_same_answer_in_the_same_time() {
    let behind = Behind::start();
    let mut times: [Vec<Duration>; 2] = Default::default();
    // Of one name only as many as do not lock it.
    for round in 0..4 {
        behind.accounts.register(&format!("known{round}"));
    }
    for round in 0..8 {
        for (kind, name) in ["known", "unknown"].into_iter().enumerate() {
            let began = Instant::now();
            let answer =
                behind.accounts.try_login(&format!("{name}{}", round % 4), "Wrong-Harbour-48-Lantern?");
            times[kind].push(began.elapsed());
            assert_refused(&answer, 401, "Invalid credentials");
        }
    }
    let middle = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    };
    let [known, unknown] = &mut times;
    let ratio = middle(known) / middle(unknown);
    // A name that is looked up and not hashed for answers a hundred times sooner.
    assert!((0.5..2.0).contains(&ratio), "known {known:?}, unknown {unknown:?}");
}

#[test]
fn b_auth_16_an_inactive_user_is_refused() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("sleeper");
    behind.gateway.command("users disable sleeper").ran().succeeded();
    until("the token to end", || (behind.accounts.profile(&login.access).status == 401).then_some(()));
    assert_refused(&behind.accounts.try_login("sleeper", PASSWORD), 400, "Inactive user");
    // Who does not know the password does not learn of it.
    assert_refused(
        &behind.accounts.try_login("sleeper", "Wrong-Harbour-48-Lantern?"),
        401,
        "Invalid credentials",
    );
    assert_eq!(behind.accounts.refresh(&login.refresh).status, 401);
    behind.gateway.command("users enable sleeper").ran().succeeded();
    let login = until("the login", || {
        let answer = behind.accounts.try_login("sleeper", PASSWORD);
        (answer.status == 200).then(|| portcullis_tests::Login::of(&answer))
    });
    assert_forecast(&behind.send(&predict().bearer(&login.access)));
}

#[test]
fn b_auth_17_a_role_and_its_end_take_effect_while_a_token_lives() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("mover");
    let recursive = Request::post("/forecast/recursive", r#"{"days": 7}"#).bearer(&login.access);
    assert_refused(&behind.send(&recursive), 403, "Insufficient permissions");
    behind.gateway.command("users role mover premium").ran().succeeded();
    until("the new role", || (behind.send(&recursive).status == 200).then_some(()));
    behind.gateway.command("users role mover free").ran().succeeded();
    until("the old role", || (behind.send(&recursive).status == 403).then_some(()));
    assert_forecast(&behind.send(&predict().bearer(&login.access)));
    behind.gateway.command("users delete mover").ran().succeeded();
    until("the end of the token", || (behind.send(&recursive).status == 401).then_some(()));
}

#[test]
fn b_auth_18_b_ck_01_there_are_no_default_accounts() {
    let behind = Behind::with(|launch| launch.env("CREATE_DEFAULT_USERS", "true"));
    for (name, password) in [("admin", "admin123"), ("demo", "demo123"), ("admin", "admin"), ("root", "root")]
    {
        assert_refused(&behind.accounts.try_login(name, password), 401, "Invalid credentials");
    }
    let users = behind.gateway.command("users list --json").ran().json();
    assert_eq!(users["users"].as_array().map(Vec::len), Some(0), "{users}");
}

#[test]
fn b_auth_20_the_login_of_the_troubleshooting_fails_unless_there_is_such_a_user() {
    let behind = Behind::start();
    let command = r#"curl -X POST "http://localhost:8000/auth/login" \
  -H "Content-Type: application/json" \
  -d '{"username": "user", "password": "password"}'"#;
    let answers = guide_command(command, behind.gateway.address());
    assert_eq!((answers[0].status, answers[0].body.as_str()), (401, r#"{"detail":"Invalid credentials"}"#));
}

#[test]
fn b_auth_21_repeated_failures_lock_the_account_and_say_for_how_long() {
    let behind = Behind::start();
    behind.accounts.register("target");
    for _ in 0..5 {
        assert_eq!(behind.accounts.try_login("target", "Wrong-Harbour-48-Lantern?").status, 401);
    }
    // The right password would tell the attacker that he has hit.
    for password in ["Wrong-Harbour-48-Lantern?", PASSWORD] {
        let answer = behind.accounts.try_login("target", password);
        assert_eq!(answer.status, 429, "{}{}", answer.head, answer.text());
        assert!((1..=300).contains(&answer.number("retry-after")), "{}", answer.head);
    }
    behind.gateway.wait_for_log(&["lockout"]);
    // Nobody else is.
    behind.accounts.newcomer("bystander");
}

#[test]
fn b_auth_22_a_second_factor_is_asked_for_once_it_is_confirmed() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("careful");
    let enrolled =
        behind.accounts.done(&behind.accounts.post("/auth/totp/enroll", &json!({})).bearer(&login.access));
    let secret = enrolled["secret"].as_str().unwrap_or_else(|| panic!("{enrolled}")).to_owned();
    // Until then the password is enough.
    behind.accounts.login("careful");
    let confirm = json!({ "code": totp(&secret, unix_seconds(), 0) });
    behind.accounts.done(&behind.accounts.post("/auth/totp/confirm", &confirm).bearer(&login.access));
    let answer = behind.accounts.try_login("careful", PASSWORD);
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(answer.json()["attempt"].is_string(), "{}", answer.text());
    // The code that confirmed it is used up; the next one is not.
    let body =
        json!({ "username": "careful", "password": PASSWORD, "totp": totp(&secret, unix_seconds(), 1) });
    let answer = behind.accounts.send(&behind.accounts.post("/auth/login", &body));
    assert_forecast(&behind.send(&predict().bearer(&portcullis_tests::Login::of(&answer).access)));
}
