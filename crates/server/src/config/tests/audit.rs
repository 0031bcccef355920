//! Where the audit log is, and what is wrong with a place for it.

use std::time::Duration;

use super::super::model::{Audit, StoreUrl};
use super::Case;

const KEY: &str = "5d2f7a90c41be8363f0d9ab27c58e1f46b0792adc3e5184f9a6d2c7be0318f54";

fn audit(text: &str) -> Audit {
    case(text).load().config.audit
}

fn case(text: &str) -> Case {
    Case::config(&format!("upstream = \"http://127.0.0.1:9000\"\n{text}")).env("AUDIT_KEY", KEY)
}

#[test]
fn it_is_written_where_there_is_a_place_for_it() {
    assert!(!audit("").enabled);
    let beside = audit("[auth.tokens]\n");
    assert!(beside.enabled && beside.store.is_none() && !beside.waits);
    assert_eq!(beside.retention, Duration::from_secs(90 * 86_400));
    let own = audit(
        "[audit]\nurl = \"sqlite:a.db\"\nretention = \"7d\"\non_full = \"wait\"\nencryption_key = \"env:AUDIT_KEY\"\n",
    );
    let store = own.store.unwrap();
    assert!(own.enabled && own.waits && store.encryption_key.is_some());
    assert!(matches!(store.url, StoreUrl::Sqlite(path) if path.ends_with("a.db")));
    assert!(!audit("[auth.tokens]\n[audit]\nenabled = false\n").enabled);
}

#[test]
fn a_place_that_is_missing_or_not_meant_is_an_error() {
    let said = |text: &str| case(text).problems().to_string();
    let missing = said("[audit]\nenabled = true\n");
    assert!(missing.contains("there is no place for the audit log"), "{missing}");
    let key = said("[audit]\nencryption_key = \"env:AUDIT_KEY\"\n");
    assert!(key.contains("a store that is not named"), "{key}");
    let url = said("[audit]\nurl = \"mysql://x\"\n");
    assert!(url.contains("`audit.url`"), "{url}");
    let folder = said("[audit]\nurl = \"sqlite:nowhere/a.db\"\n");
    assert!(folder.contains("`audit.url`: the directory of"), "{folder}");
    let clear = said(
        "environment = \"production\"\n[auth.api_key]\nvalue = \"env:AUDIT_KEY\"\n[audit]\nurl = \"sqlite:a.db\"\n",
    );
    assert!(
        clear.contains("production refuses a store in clear: audit.encryption_key is not set"),
        "{clear}"
    );
}
