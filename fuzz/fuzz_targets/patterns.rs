//! Whatever a value is: it is inspected to its end, meets the same rules the second time, and tells no more of itself
//! than where it stood.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_gate::validate::patterns::{Findings, Patterns};

fuzz_target!(|input: (&str, &[u8])| {
    let (text, body) = input;
    let patterns = Patterns { words: vec!["quince".into()], ..Patterns::default() };
    let inspected = || {
        let mut findings = Findings::default();
        patterns.inspect_text(text, &mut findings);
        findings
    };
    let first = inspected();
    assert_eq!(first, inspected());
    let weights: u32 = first.found().iter().map(|(rule, _)| rule.weight()).sum();
    assert_eq!(first.score(), weights, "each rule counts once");
    assert!(first.found().iter().all(|(_, place)| place == "text"));
    assert!(!text.contains('\0') || first.score() > 0);

    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let mut findings = Findings::default();
    patterns.inspect_head(path, Some(query), &mut findings);
    patterns.inspect_body(body, false, &mut findings);
    patterns.inspect_body(body, true, &mut findings);
    assert!(findings.found().len() <= 20);
});
