//! Who may come: passwords, second factors, tokens, API keys, sessions and devices. Issues and verifies; does no I/O.

pub mod key;
pub mod password;
pub mod random;
pub mod token;
pub mod totp;
