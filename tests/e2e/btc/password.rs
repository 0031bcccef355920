//! B-AUTH-06 and B-AUTH-07: which passwords are taken, and how they are kept.

use portcullis_tests::{Accounts, Application, Launch, PASSWORD, Response, System};
use serde_json::json;

use super::{Behind, SECRET, assert_refused};

fn register(behind: &Behind, name: &str, password: &str) -> Response {
    let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": password });
    behind.accounts.send(&behind.accounts.post("/auth/register", &body))
}

#[test]
fn b_auth_06_a_password_below_the_policy_is_refused_with_the_reason() {
    let behind = Behind::start();
    for (password, why) in [
        ("", "empty"),
        ("Sh0rt!", "short"),
        ("quiet-harbour-47-lanterns!", "no upper case"),
        ("QUIET-HARBOUR-47-LANTERNS!", "no lower case"),
        ("Quiet-Harbour-xx-Lanterns!", "no digit"),
        ("QuietHarbour47Lanterns", "no special character"),
        ("Password123!", "common"),
        ("Climber-Climber-1", "the user's own name"),
    ] {
        let answer = register(&behind, "climber", password);
        assert!(matches!(answer.status, 400 | 422), "{why}: {}{}", answer.head, answer.text());
        let body = answer.text();
        assert!(
            body.contains("detail") && (password.is_empty() || !body.contains(password)),
            "{why}: {body}"
        );
    }
    // Weak here is weak at every later change too.
    assert!(register(&behind, "climber", PASSWORD).status < 300);
    let login = behind.accounts.login("climber");
    let change = json!({ "current_password": PASSWORD, "new_password": "Sh0rt!" });
    let answer = behind.accounts.send(&behind.accounts.post("/auth/password", &change).bearer(&login.access));
    assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
    behind.accounts.login("climber");
}

/// Without a key the store stands in clear, so that what is kept of a password can be looked at.
#[test]
fn b_auth_07_a_password_is_kept_as_a_salted_hash_alone() {
    let application = Application::start(System::Btc);
    let gateway = Launch::profile("btc-forecasting", application.url())
        .env("JWT_SECRET_KEY", SECRET)
        .env("DATABASE_URL", "sqlite:///accounts.db")
        .start();
    let accounts = Accounts::at_root(&gateway);
    for name in ["first", "second"] {
        accounts.register(name);
    }
    let script = "import re,sqlite3\n\
        text = '\\n'.join(sqlite3.connect('accounts.db').iterdump())\n\
        print('plain' if PASSWORD in text else 'hashed')\n\
        for found in re.findall(r'\\$2[aby]\\$\\d\\d\\$[./A-Za-z0-9]{53}', text): print(found)\n";
    let script = format!("PASSWORD = {PASSWORD:?}\n{script}");
    gateway.folder().write("look.py", &script);
    let found = portcullis_tests::shell("python3 look.py", gateway.folder());
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 3, "{found}");
    assert_eq!(lines[0], "hashed");
    let salted = |hash: &str| hash.starts_with("$2b$12$");
    assert!(salted(lines[1]) && salted(lines[2]) && lines[1] != lines[2], "{found}");
}

/// bcrypt looks at 72 bytes and no further.
#[test]
fn b_auth_07_of_a_password_over_72_bytes_no_byte_is_passed_over() {
    let behind = Behind::start();
    let long = format!("{PASSWORD}{}", "-Lighthouse".repeat(5));
    assert!(long.len() > 72, "{}", long.len());
    let answer = register(&behind, "longwinded", &long);
    if answer.status < 300 {
        assert_refused(&behind.accounts.try_login("longwinded", &long[..72]), 401, "Invalid credentials");
        let other = format!("{}x", &long[..long.len() - 1]);
        assert_refused(&behind.accounts.try_login("longwinded", &other), 401, "Invalid credentials");
        assert_eq!(behind.accounts.try_login("longwinded", &long).status, 200);
    } else {
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains("72"), "{}", answer.text());
        assert!(register(&behind, "longwinded", &long[..72]).status < 300);
        assert_eq!(behind.accounts.try_login("longwinded", &long[..72]).status, 200);
        assert_refused(&behind.accounts.try_login("longwinded", &long), 401, "Invalid credentials");
    }
}
