//! `.env` files: no bytes break the parser, every place it names lies in the file, and what it writes back in
//! double quotes it reads again.
#![no_main]

#[path = "../../crates/server/src/config/env_file.rs"]
mod env_file;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &str| {
    let (mut entries, faults) = env_file::parse(body);
    for entry in &entries {
        assert!(body.get(entry.name_span.clone()).is_some() && body.get(entry.value_span.clone()).is_some());
        assert!(!entry.name.is_empty());
    }
    for fault in &faults {
        assert!(body.get(fault.span.clone()).is_some());
        assert!(!fault.message.is_empty() && !fault.mend.is_empty());
    }
    for entry in entries.iter().filter(|entry| !entry.name.contains('\'')) {
        let Some(value) = &entry.value else { continue };
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let (again, faults) = env_file::parse(&format!("'{}'=\"{quoted}\"\n", entry.name));
        assert!(faults.is_empty(), "{value:?}");
        assert_eq!(again[0].value.as_ref(), Some(value));
    }
    env_file::expand(&mut entries, &|name| (name.len() % 2 == 0).then(|| body.to_owned()));
});
