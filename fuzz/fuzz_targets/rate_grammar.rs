//! Any text is a rate that reads the same when it is shown, or an error that points into the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::quota::{LimitSpec, Rate};

fuzz_target!(|text: &str| {
    match text.parse::<LimitSpec>() {
        Ok(limit) => {
            assert_eq!(limit.to_string().parse::<LimitSpec>(), Ok(limit));
            assert_eq!(limit.rate.to_string().parse::<Rate>(), Ok(limit.rate));
            assert!(limit.rate.count() > 0 && limit.rate.window_ms() >= 1000);
        }
        Err(error) => {
            assert!(text.is_char_boundary(error.at));
            assert!(!error.to_string().is_empty());
        }
    }
    let _ = Rate::parse_count(text);
});
