//! B-AUTH-10 to B-AUTH-19, B-ENV-03 to B-ENV-05: tokens, what they say, how long they live, and which are refused.

use portcullis_tests::{Jwt, Login, Request, guide_command, unix_seconds};
use serde_json::{Value, json};

use super::{Behind, LOGIN, REGISTER, SECRET, assert_forecast, assert_refused, launch, names, predict};

#[test]
fn b_auth_10_a_token_says_who_it_is_for_how_long_and_what_kind_it_is() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let (access, refresh) = (Jwt::read(&login.access), Jwt::read(&login.refresh));
    for (token, kind) in [(&access, "access"), (&refresh, "refresh")] {
        assert_eq!((token.text("sub"), token.text("type")), ("newuser", kind));
        for name in ["iss", "aud", "jti"] {
            assert!(!token.text(name).is_empty(), "{name}: {}", token.claims);
        }
        let now = unix_seconds().cast_signed();
        assert!((now - 30..=now).contains(&token.number("iat")), "{}", token.claims);
        assert!(token.number("exp") > token.number("iat"));
    }
    assert_eq!(access.text("role"), "free");
    assert_ne!(access.text("jti"), refresh.text("jti"));
    let again = behind.accounts.login("newuser");
    assert_ne!(Jwt::read(&again.access).text("jti"), access.text("jti"));
}

#[test]
fn b_env_03_one_algorithm_is_accepted_whatever_a_token_says_of_itself() {
    let behind = Behind::with(|launch| launch.env("JWT_ALGORITHM", "HS256"));
    let login = behind.accounts.newcomer("newuser");
    let token = Jwt::read(&login.access);
    assert_eq!(token.header["alg"], "HS256");
    // Made by hand with the right secret, it is the very token.
    assert_forecast(&behind.send(&predict().bearer(&token.signed(SECRET))));
    for alg in ["none", "None", "NONE", "nOnE"] {
        let forged = token.clone().header("alg", alg).unsigned();
        assert_refused(&behind.send(&predict().bearer(&forged)), 401, "Invalid token");
    }
    for alg in ["HS512", "HS384", "RS256", "ES256", "EdDSA"] {
        let forged = token.clone().header("alg", alg);
        let forged = if alg == "HS512" { forged.signed_512(SECRET) } else { forged.signed(SECRET) };
        assert_refused(&behind.send(&predict().bearer(&forged)), 401, "Invalid token");
    }
    for wrong in ["none", "HS1024", "HS512", ""] {
        let said = launch("http://127.0.0.1:9").env("JWT_ALGORITHM", wrong).outcome();
        // An empty name is an unset one.
        if let portcullis_tests::Outcome::Ended { status, output } = said {
            assert!(!status.success() && output.contains("JWT_ALGORITHM"), "{wrong}: {output}");
        } else {
            assert_eq!(wrong, "", "it serves with {wrong}");
        }
    }
}

#[test]
fn b_env_04_b_env_05_tokens_live_as_long_as_said_and_else_as_the_guide_says() {
    for (minutes, days, said) in [(30, 7, false), (5, 2, true)] {
        let behind = Behind::with(|launch| {
            if !said {
                return launch;
            }
            launch
                .env("ACCESS_TOKEN_EXPIRE_MINUTES", &minutes.to_string())
                .env("REFRESH_TOKEN_EXPIRE_DAYS", &days.to_string())
        });
        behind.accounts.register("newuser");
        let answer = behind.accounts.try_login("newuser", portcullis_tests::PASSWORD);
        assert_eq!(answer.json()["expires_in"], json!(minutes * 60));
        let login = Login::of(&answer);
        let lives = |token: &str| Jwt::read(token).number("exp") - Jwt::read(token).number("iat");
        assert_eq!(lives(&login.access), minutes * 60);
        assert_eq!(lives(&login.refresh), days * 86_400);
    }
    for name in ["ACCESS_TOKEN_EXPIRE_MINUTES", "REFRESH_TOKEN_EXPIRE_DAYS"] {
        for wrong in ["soon", "0", "-5", "1.5"] {
            let said = launch("http://127.0.0.1:9").env(name, wrong).refused();
            assert!(said.contains(name) && said.contains(wrong), "{said}");
        }
    }
}

/// The same token as it will be when its time is over: its own moments, moved into the past.
fn aged(token: &str, seconds: i64) -> Jwt {
    let token = Jwt::read(token);
    ["iat", "nbf", "exp"]
        .into_iter()
        .fold(token.clone(), |aged, name| aged.claim(name, token.number(name) - seconds))
}

#[test]
fn b_auth_11_an_expired_token_is_told_from_a_wrong_one() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let expired = aged(&login.access, 1801).signed(SECRET);
    assert_refused(&behind.send(&predict().bearer(&expired)), 401, "Token has expired");
    assert_refused(&behind.accounts.profile(&expired), 401, "Token has expired");
    // Whose signature is wrong as well learns no more than anybody.
    let forged = aged(&login.access, 1801).signed("another secret, and one of forty characters");
    assert_refused(&behind.send(&predict().bearer(&forged)), 401, "Invalid token");
    let ahead = aged(&login.access, -3600).signed(SECRET);
    assert_refused(&behind.send(&predict().bearer(&ahead)), 401, "Invalid token");
    // A second before its end it is good.
    assert_forecast(&behind.send(&predict().bearer(&aged(&login.access, 1790).signed(SECRET))));
}

#[test]
fn b_auth_12_a_token_that_was_tampered_with_is_refused() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let parts: Vec<&str> = login.access.split('.').collect();
    let promoted = Jwt::read(&login.access).claim("role", "admin").claim("sub", "root").signed("");
    let promoted: Vec<&str> = promoted.split('.').collect();
    let mut flipped = parts[2].to_owned();
    let last = flipped.remove(0);
    flipped.insert(0, if last == 'A' { 'B' } else { 'A' });
    for token in [
        format!("{}.{}.{}", parts[0], promoted[1], parts[2]),
        format!("{}.{}.{flipped}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        "...".to_owned(),
        Jwt::read(&login.access).signed("guess-guess-guess-guess-guess-guess"),
    ] {
        assert_refused(&behind.send(&predict().bearer(&token)), 401, "Invalid token");
    }
    behind.gateway.wait_for_log(&["auth_attempt", "401"]);
    assert!(!behind.gateway.log().contains(parts[2]), "{}", behind.gateway.log());
    assert_forecast(&behind.send(&predict().bearer(&login.access)));
}

#[test]
fn b_auth_13_each_kind_of_token_is_taken_for_its_own_purpose() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    assert_refused(&behind.send(&predict().bearer(&login.refresh)), 401, "Invalid token");
    assert_refused(&behind.accounts.refresh(&login.access), 401, "Invalid token");
    // Nor when it calls itself otherwise, as long as any sign of its kind is left.
    let refresh = Jwt::read(&login.refresh);
    for forged in [refresh.clone().claim("type", "access"), refresh.header("typ", "at+jwt")] {
        assert_refused(&behind.send(&predict().bearer(&forged.signed(SECRET))), 401, "Invalid token");
    }
    assert_forecast(&behind.send(&predict().bearer(&login.access)));
}

#[test]
fn b_auth_14_a_refresh_token_gives_a_new_pair_once() {
    let behind = Behind::start();
    let first = behind.accounts.newcomer("newuser");
    let answer = behind.accounts.refresh(&first.refresh);
    assert_eq!(names(&answer.json()), ["access_token", "expires_in", "refresh_token", "token_type"]);
    let second = Login::of(&answer);
    assert_ne!((&second.access, &second.refresh), (&first.access, &first.refresh));
    assert_forecast(&behind.send(&predict().bearer(&second.access)));
    assert_refused(&behind.accounts.refresh(&first.refresh), 401, "Invalid token");
}

#[test]
fn b_auth_15_without_credentials_the_answer_says_what_is_asked_for() {
    let behind = Behind::start();
    for request in
        [predict(), Request::get("/status"), Request::get("/admin/users"), Request::get("/auth/profile")]
    {
        assert_refused(&behind.send(&request), 401, "Not authenticated");
    }
    for value in ["Basic bmV3dXNlcjpTZWN1cmU=", "Token abc"] {
        assert_refused(&behind.send(&predict().header("Authorization", value)), 401, "Not authenticated");
    }
    assert_refused(&behind.send(&predict().header("Authorization", "Bearer")), 401, "Invalid token");
}

#[test]
fn b_auth_19_the_check_of_a_token_gives_its_profile_or_401() {
    let behind = Behind::start();
    let command = |token: &str| {
        let command = r#"curl "http://localhost:8000/auth/profile" \
  -H "Authorization: Bearer YOUR_TOKEN""#;
        let answers = guide_command(&command.replace("YOUR_TOKEN", token), behind.gateway.address());
        (answers[0].status, serde_json::from_str::<Value>(&answers[0].body).unwrap())
    };
    assert_eq!(command("YOUR_TOKEN"), (401, json!({ "detail": "Invalid token" })));
    guide_command(REGISTER, behind.gateway.address());
    let login: Value = serde_json::from_str(&guide_command(LOGIN, behind.gateway.address())[0].body).unwrap();
    let (status, profile) = command(login["access_token"].as_str().unwrap());
    assert_eq!(status, 200, "{profile}");
    for (name, value) in [
        ("username", json!("newuser")),
        ("email", json!("user@example.com")),
        ("role", json!("free")),
        ("is_active", json!(true)),
    ] {
        assert_eq!(profile[name], value, "{profile}");
    }
    for name in ["created_at", "last_login"] {
        assert!(profile[name].as_str().is_some_and(|at| at.contains('T')), "{profile}");
    }
    assert!(!profile.to_string().contains("password"), "{profile}");
}
