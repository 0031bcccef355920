//! B-CK: the checklist of the guide, judged at start and by `portcullis check`.

use portcullis_tests::{Certificate, Launch, Upstream};

use super::{ENCRYPTION_KEY, SECRET, launch};

/// What the checklist says about a word: pass, warn or fail.
fn verdict(report: &str, words: &[&str]) -> &'static str {
    for line in report.lines().map(str::to_lowercase) {
        let verdict =
            ["pass", "warn", "fail"].into_iter().find(|verdict| line.trim_start().starts_with(verdict));
        if let Some(verdict) = verdict.filter(|_| words.iter().any(|word| line.contains(word))) {
            return verdict;
        }
    }
    panic!("nothing about {words:?} in:\n{report}");
}

#[test]
fn b_env_02_b_ck_02_a_placeholder_a_short_and_a_known_secret_are_refused() {
    for environment in ["development", "production"] {
        for secret in [
            "your-super-secret-key-change-this",
            "your-secret-key-here",
            "change-me-change-me-change-me-change-me",
            "short",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            let said = Launch::profile("btc-forecasting", "http://127.0.0.1:9")
                .env("DATABASE_ENCRYPTION_KEY", ENCRYPTION_KEY)
                .env("JWT_SECRET_KEY", secret)
                .env("ENVIRONMENT", environment)
                .refused();
            assert!(said.contains("JWT_SECRET_KEY"), "{secret}: {said}");
            // The mend can be pasted.
            assert!(said.contains("portcullis generate") || said.contains("openssl rand"), "{said}");
        }
    }
    let said = Launch::profile("btc-forecasting", "http://127.0.0.1:9")
        .env("DATABASE_ENCRYPTION_KEY", ENCRYPTION_KEY)
        .env("ENVIRONMENT", "production")
        .refused();
    assert!(said.contains("JWT_SECRET_KEY"), "{said}");
}

#[test]
fn b_ck_03_every_item_of_the_checklist_is_done_or_missing() {
    let (upstream, certificate) = (Upstream::ok(), Certificate::new());
    let check = Launch::command("check --profile btc-forecasting")
        .file("cert.pem", &certificate.pem())
        .file("key.pem", &certificate.key_pem())
        .env("PORTCULLIS_UPSTREAM", &upstream.url())
        .env("ENVIRONMENT", "production");
    let done = check
        .clone()
        .env("JWT_SECRET_KEY", SECRET)
        .env("DATABASE_ENCRYPTION_KEY", ENCRYPTION_KEY)
        .env("CORS_ORIGINS", r#"["https://yourdomain.com"]"#)
        .env("SSL_CERT_PATH", "cert.pem")
        .env("SSL_KEY_PATH", "key.pem")
        .env("SSL_ENABLED", "true")
        .ran();
    let report = done.stdout.clone();
    for words in [["tls"], ["cors"], ["rate limits"]] {
        assert_eq!(verdict(&report, &words), "pass", "{report}{}", done.stderr);
    }
    // The port that the guide's firewall rule opens is the one that is listened on.
    assert!(report.contains("8000"), "{report}");
    assert!(done.status.success(), "{report}");
    assert!(report.contains("/10") || report.contains("of 10"), "{report}");
    for secret in [SECRET, ENCRYPTION_KEY] {
        assert!(!report.contains(secret), "{report}");
    }

    let missing = check.env("JWT_SECRET_KEY", SECRET).ran();
    assert!(!missing.status.success(), "{}", missing.stdout);
    assert_ne!(verdict(&missing.stdout, &["tls"]), "pass", "{}", missing.stdout);
    assert_eq!(verdict(&missing.stdout, &["store", "encrypt"]), "fail", "{}", missing.stdout);
}

#[test]
fn b_ck_02_the_secret_can_be_replaced_and_ends_what_was_signed_with_it() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).start();
    let accounts = portcullis_tests::Accounts::at_root(&gateway);
    let login = accounts.newcomer("newuser");
    let other = SECRET.replace('5', "6");
    let gateway = gateway.stop().env("JWT_SECRET_KEY", &other).start();
    let accounts = portcullis_tests::Accounts::at_root(&gateway);
    assert_eq!(accounts.profile(&login.access).status, 401);
    let login = accounts.login("newuser");
    assert_eq!(accounts.profile(&login.access).status, 200);
}
