//! K-CK: the checklist of the guide, judged by `portcullis check`.

use portcullis_tests::{Launch, Upstream};

use super::KEY;

fn check(upstream: &str, names: &[(&str, &str)]) -> (bool, String) {
    let launch = Launch::command("check --profile kalshiwhale").env("PORTCULLIS_UPSTREAM", upstream);
    names.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).finish()
}

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

/// The guide's items, each with the words by which one finds it in the report.
const ITEMS: [(&str, &[&str]); 5] = [
    ("CORS needs immediate fix", &["cors"]),
    ("API key authentication needed", &["api key authentication"]),
    ("Rate limiting needs implementation", &["rate limits"]),
    ("Security middleware ready (needs integration)", &["gateway in front"]),
    ("Environment template created (needs configuration)", &["environment configured"]),
];

#[test]
fn k_ck_01_every_item_of_the_checklist_is_done_or_missing() {
    let upstream = Upstream::ok();
    let done = [
        ("ENVIRONMENT", "production"),
        ("DEBUG", "false"),
        ("RELOAD", "false"),
        ("HOST", "127.0.0.1"),
        ("API_KEY", KEY),
        ("ALLOWED_ORIGINS", "https://yourdomain.com,https://app.yourdomain.com"),
        ("RATE_LIMIT_PER_MINUTE", "60"),
    ];
    let (success, report) = check(&upstream.url(), &done);
    assert!(success, "{report}");
    for (item, words) in ITEMS {
        assert_eq!(verdict(&report, words), "pass", "{item}:\n{report}");
    }
    assert!(report.contains("/10") || report.contains("of 10"), "a score: {report}");
    assert!(!report.contains(KEY), "{report}");

    let (success, report) = check(&upstream.url(), &[("ENVIRONMENT", "production")]);
    assert!(!success, "{report}");
    assert_eq!(verdict(&report, ITEMS[1].1), "fail", "{report}");
    assert!(report.contains("API_KEY"), "the mend names what to set: {report}");

    // In development the same is a warning, and the environment is not what the guide asks for.
    let (_, report) = check(&upstream.url(), &[]);
    assert_ne!(verdict(&report, ITEMS[1].1), "pass", "{report}");
    assert_ne!(verdict(&report, ITEMS[4].1), "pass", "{report}");
}
