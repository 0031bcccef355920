//! Any text is a pattern that reads the same when it is shown, or an error that points into it; any path is
//! canonical once and for all, and its route does not depend on how often it was made canonical.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::head::Upgrade;
use portcullis_core::route::{CanonicalPath, Pattern, RouteTable};

fuzz_target!(|input: (&str, &str, &str)| {
    let (patterns, method, path) = input;
    let mut kept: Vec<Pattern> = vec!["POST /live/ingest".parse().expect("a pattern"), "/a/{*rest}".parse().expect("a pattern")];
    for text in patterns.lines().take(8) {
        match text.parse::<Pattern>() {
            Ok(pattern) => {
                assert_eq!(pattern.to_string().parse::<Pattern>().as_ref(), Ok(&pattern));
                kept.push(pattern);
                if RouteTable::build(kept.clone()).is_err() {
                    kept.pop();
                }
            }
            Err(error) => assert!(error.offset <= text.len() && !error.to_string().is_empty()),
        }
    }
    let Ok(table) = RouteTable::build(kept) else { panic!("what stood together fell apart") };
    let Ok(path) = CanonicalPath::parse(path) else { return };
    let again = CanonicalPath::parse(path.as_str()).expect("what is canonical is a path");
    assert_eq!(again.as_str(), path.as_str());
    for upgrade in [Upgrade::None, Upgrade::WebSocket] {
        if let (Ok(one), Ok(two)) = (table.find(method, &path, upgrade), table.find(method, &again, upgrade)) {
            assert_eq!(one.route, two.route);
            assert!(one.others().all(|other| other != one.route));
            let names = one.route.map_or(0, |route| table.patterns()[route].names().count());
            assert_eq!(one.params.iter().count(), names);
        }
    }
    let _ = table.allowed_methods(&path);
});
