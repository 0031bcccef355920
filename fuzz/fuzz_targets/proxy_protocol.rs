//! Any bytes: a header is decided on once, however the bytes arrive, and never reads past its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_gate::edge::proxy_protocol::{MAX_V2, parse};

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes);
    match whole {
        Ok(Some((_, consumed))) => {
            assert!(consumed <= bytes.len() && consumed <= MAX_V2);
            assert_eq!(parse(&bytes[..consumed]), whole);
            for end in 0..consumed {
                assert_eq!(parse(&bytes[..end]), Ok(None));
            }
        }
        Ok(None) => assert!(bytes.len() < MAX_V2),
        Err(_) => {}
    }
});
