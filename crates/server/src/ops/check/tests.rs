//! The checklist against configurations that are right and wrong in one thing each.

use std::path::PathBuf;

use super::{Item, Report, Verdict, judge};
use crate::config::{Sources, production, read};

const KEY: &str = "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C";

struct Case(Sources);

impl Case {
    fn new(name: &str, config: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("portcullis-check-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("portcullis.toml"), config).unwrap();
        let environment = [("API_KEY".to_owned(), KEY.to_owned())].into();
        Self(Sources { directory, environment, ..Sources::default() })
    }

    fn file(self, name: &str, body: &str) -> Self {
        std::fs::write(self.path(name), body).unwrap();
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.0.environment.insert(name.into(), value.into());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.directory.join(name)
    }

    fn report(&self) -> Report {
        judge(&read(&self.0).unwrap_or_else(|problems| panic!("{problems}")), &self.0.directory)
    }

    fn item(&self, id: &str) -> Item {
        self.report().items.into_iter().find(|item| item.id == id).unwrap_or_else(|| panic!("no item {id}"))
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0.directory);
    }
}

/// A production configuration with nothing to say against it.
const GOOD: &str = "environment = \"production\"\nupstream = \"http://127.0.0.1:9000\"\n[auth.api_key]\nvalue = \"env:API_KEY\"\n[cors]\norigins = [\"https://app.example.com\"]\n[[limits]]\nrate = \"100/minute per ip\"\n[server]\ntrusted_proxies = [\"127.0.0.1\"]\n";

#[test]
fn what_is_ready_scores_ten() {
    let report = Case::new("good", GOOD).report();
    let bad: Vec<_> = report.items.iter().filter(|item| item.verdict != Verdict::Pass).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert!((report.score() - 10.0).abs() < f64::EPSILON && !report.fails());
    assert!(report.text().ends_with("10.0/10 in production: 25 pass, 0 warn, 0 fail\n"), "{}", report.text());
    assert_eq!(report.json()["score"], 10.0);
}

#[test]
fn each_item_notices_what_it_is_for() {
    let limits = "[[limits]]\nrate = \"100/minute per ip\"\n";
    let cors = "[cors]\norigins = [\"https://app.example.com\"]\n";
    let auth = "[auth.api_key]\nvalue = \"env:API_KEY\"\n";
    let proxies = "trusted_proxies = [\"127.0.0.1\"]";
    for (id, verdict, from, to) in [
        ("authentication", Verdict::Fail, auth, ""),
        ("credential-strength", Verdict::Fail, "env:API_KEY", "env:WEAK"),
        ("secret-storage", Verdict::Fail, "env:API_KEY", "a-literal-4711-of-some-length-77"),
        (
            "open-routes",
            Verdict::Warn,
            auth,
            "[auth]\ndefault = \"none\"\n[auth.api_key]\nvalue = \"env:API_KEY\"\n",
        ),
        ("rate-limits", Verdict::Fail, limits, ""),
        ("rate-limits", Verdict::Warn, "per ip\"\n", "per ip\"\nmode = \"observe\"\n"),
        ("guessing", Verdict::Warn, cors, "[cors]\norigins = []\n[auth.failures]\nlimit = \"9999/minute\"\n"),
        ("bind-address", Verdict::Fail, proxies, "listen = \"0.0.0.0:8000\""),
        ("tls", Verdict::Fail, proxies, "listen = \"0.0.0.0:8000\""),
        ("tls", Verdict::Warn, proxies, ""),
        ("cors", Verdict::Fail, "[\"https://app.example.com\"]", "\"*\""),
        ("cors", Verdict::Warn, "https://app.example.com", "http://localhost:3000"),
        ("cors", Verdict::Warn, "https://app.example.com", "http://app.example.com"),
        ("cors", Verdict::Warn, cors, ""),
        ("body-size", Verdict::Warn, "[server]", "[server.caps]\nbody = \"1 GiB\"\n[server]"),
        ("logging", Verdict::Warn, "[server]", "[log]\nlevel = \"error\"\n[server]"),
        ("environment", Verdict::Warn, "\"production\"", "\"development\""),
        ("in-front", Verdict::Warn, "127.0.0.1:9000", "10.0.0.5:9000"),
        ("security-headers", Verdict::Warn, "[server]", "[headers]\nsecure = false\n[server]"),
        ("error-bodies", Verdict::Warn, "[server]", "[errors]\nreplace = \"never\"\n[server]"),
        (
            "passed-credentials",
            Verdict::Warn,
            "upstream = \"http://127.0.0.1:9000\"\n",
            "[upstreams.app]\nurl = \"http://127.0.0.1:9000\"\npass_credentials = true\n",
        ),
    ] {
        let body = GOOD.replace(from, to);
        assert_ne!(body, GOOD, "{id}");
        let case = Case::new("each", &body).env("WEAK", "changeme");
        let item = case.item(id);
        assert_eq!(item.verdict, verdict, "{item:?}");
        assert!(item.mend.is_some(), "{item:?}");
        let text = case.report().text();
        assert!(!text.contains("4711") && !text.contains("changeme") && !text.contains(KEY), "{text}");
        // What production refuses to start with never passes the checklist.
        let loaded = read(&case.0).unwrap();
        assert!(production::refusals(&loaded).is_empty() || case.report().fails(), "{text}");
    }
}

#[test]
fn what_accounts_need_is_judged() {
    let accounts = "[auth.tokens]\n[store]\nencryption_key = \"env:STORE_KEY\"\n";
    let good = Case::new("accounts", &format!("{GOOD}{accounts}")).env("STORE_KEY", KEY);
    let report = good.report();
    assert!((report.score() - 10.0).abs() < f64::EPSILON, "{}", report.text());
    for (id, verdict, from, to) in [
        ("store", Verdict::Fail, "encryption_key = \"env:STORE_KEY\"", ""),
        ("credential-strength", Verdict::Fail, "STORE_KEY", "WEAK"),
        ("secret-storage", Verdict::Fail, "env:STORE_KEY", "a-literal-4711-of-some-length-77"),
        ("lockout", Verdict::Warn, "[store]", "[auth.lockout]\nattempts = 1000\n[store]"),
        ("registration", Verdict::Warn, "[store]", "[auth.registration]\nrole = \"premium\"\n[store]"),
        ("rate-limits", Verdict::Fail, "[store]", "[limiter]\nenabled = false\n[store]"),
    ] {
        let body = format!("{GOOD}{}", accounts.replace(from, to));
        let case = Case::new("accounts-each", &body).env("STORE_KEY", KEY).env("WEAK", "hunter2");
        let item = case.item(id);
        assert_eq!(item.verdict, verdict, "{item:?}");
        assert!(item.mend.is_some(), "{item:?}");
        let text = case.report().text();
        assert!(!text.contains("4711") && !text.contains("hunter2") && !text.contains(KEY), "{text}");
    }
    let none = "[store]\nencryption_key = \"env:STORE_KEY\"\n[auth.registration]\nenabled = false\n";
    let none = Case::new("accounts-none", &format!("{GOOD}{none}")).env("STORE_KEY", KEY);
    assert_eq!(none.item("registration").finding, "nobody registers by themselves");
}

#[test]
fn the_names_of_the_other_systems_are_judged() {
    let of = |profile: &str| {
        let mut case = Case::new(profile, "upstream = \"http://127.0.0.1:9000\"\n");
        case.0.profile = Some(profile.into());
        case
    };
    // T-CK-03, T-CK-04.
    let ticker = of("ticker-service").env("INSTRUMENT_DB_PASSWORD", "stocksblitz123");
    assert_eq!(ticker.item("default-passwords").verdict, Verdict::Warn);
    let ticker = ticker.env("ENVIRONMENT", "production");
    assert_eq!(ticker.item("default-passwords").verdict, Verdict::Fail);
    assert_eq!(ticker.item("authentication").verdict, Verdict::Pass);
    let open = ticker.env("ENVIRONMENT", "dev").env("API_KEY_ENABLED", "false");
    let item = open.item("authentication");
    assert!(item.verdict == Verdict::Fail && item.finding.contains("API_KEY_ENABLED"), "{item:?}");
    assert!(open.item("credential-strength").finding.contains("none is asked for"));
    // B-CK-02, B-CK-03.
    let btc = of("btc-forecasting").env("JWT_SECRET_KEY", KEY).env("ENVIRONMENT", "production");
    let item = btc.item("store");
    assert!(item.verdict == Verdict::Fail && item.mend.unwrap().starts_with("DATABASE_ENCRYPTION_KEY="));
    let item = btc.item("rate-limits");
    assert!(
        item.finding.contains("60/minute per anonymous") && item.finding.contains("for premium"),
        "{item:?}"
    );
    let item = btc.env("RATE_LIMIT_ENABLED", "false").item("rate-limits");
    assert!(item.verdict == Verdict::Fail && item.finding.contains("RATE_LIMIT_ENABLED"), "{item:?}");
    // E-ENV-17.
    let echotuner = of("echotuner").env("SECRET_KEY", KEY).env("DEBUG", "true");
    assert_eq!(echotuner.item("debug").verdict, Verdict::Warn);
}

#[test]
fn the_environment_file_is_judged() {
    let case = Case::new("file", GOOD).file(".env", "A=1\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |mode| {
            std::fs::set_permissions(case.path(".env"), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(0o644);
        assert_eq!(case.item("env-file").verdict, Verdict::Warn);
        mode(0o600);
        assert_eq!(case.item("env-file").verdict, Verdict::Pass);
    }
    let git = |words: &[&str]| {
        let ran =
            std::process::Command::new("git").arg("-C").arg(&case.0.directory).args(words).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    };
    git(&["init", "-q"]);
    assert_ne!(case.item("env-file").verdict, Verdict::Fail);
    git(&["add", "-f", ".env"]);
    let item = case.item("env-file");
    assert_eq!(item.verdict, Verdict::Fail);
    assert!(item.finding.contains(".env is in version control"), "{item:?}");
}

#[test]
fn the_checklists_of_both_guides() {
    // P-BP-01: what a developer is told, from the names of Pump Analyzer alone.
    let mut pump = Case::new("pump", "upstream = \"http://127.0.0.1:9000\"\n");
    pump.0.profile = Some("pump-analyzer".into());
    let open = pump.env("API_HOST", "0.0.0.0");
    assert_eq!(open.item("credential-strength").finding, "INGEST_TOKEN is not set");
    assert_eq!(open.item("bind-address").verdict, Verdict::Warn);
    assert!(open.report().fails());
    let good = open
        .env("API_HOST", "127.0.0.1")
        .env("INGEST_TOKEN", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    assert!(!good.report().fails(), "{}", good.report().text());
    assert_eq!(good.item("rate-limits").finding, "60/minute per ip on POST /live/ingest");

    // K-CK-01: CORS, key, limit, gateway in front, environment, each named.
    let mut kalshi = Case::new("kalshi", "upstream = \"http://127.0.0.1:9000\"\n");
    kalshi.0.profile = Some("kalshiwhale".into());
    let before = kalshi.env("API_KEY", "").env("DEBUG", "true");
    assert_eq!(before.item("authentication").verdict, Verdict::Fail);
    assert_eq!(before.item("debug").verdict, Verdict::Warn);
    let after = before
        .env("API_KEY", KEY)
        .env("DEBUG", "false")
        .env("ENVIRONMENT", "production")
        .env("HOST", "127.0.0.1")
        .env("ALLOWED_ORIGINS", "https://yourdomain.com,https://app.yourdomain.com");
    let text = after.report().text();
    for done in
        ["CORS", "API key authentication", "rate limits", "gateway in front", "environment configured"]
    {
        assert!(text.lines().any(|line| line.starts_with("pass") && line.contains(done)), "{done}\n{text}");
    }
    assert!(after.report().score() >= 9.0, "{text}");
}

#[test]
fn what_opens_this_machine_to_urls_is_warned_of() {
    let of = |name: &str, rules: &str| {
        let config = format!(
            "{GOOD}[[routes]]\nmatch = \"POST /hook\"\nbody = {{ public_urls = [\"/url\"] }}\n[outbound]\n{rules}\n"
        );
        Case::new(name, &config).item("outbound")
    };
    assert_eq!(of("public", "").verdict, Verdict::Pass);
    assert_eq!(of("hosts", "allow = [\"hooks.internal\", \"10.0.0.0/8\"]").verdict, Verdict::Pass);
    let open = of("all", "allow = [\"0.0.0.0/0\"]");
    assert_eq!(open.verdict, Verdict::Warn);
    assert!(
        open.finding.contains("127.0.0.1") && open.finding.contains("169.254.169.254"),
        "{}",
        open.finding
    );
    let closed = "allow = [\"0.0.0.0/0\"]\ndeny = [\"127.0.0.0/8\", \"169.254.0.0/16\"]";
    assert_eq!(of("closed", closed).verdict, Verdict::Pass);
}
