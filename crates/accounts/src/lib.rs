//! Who may come: passwords, second factors, tokens, API keys, sessions and devices. Issues and verifies; does no I/O.
#![warn(missing_docs)]

pub mod directory;
pub mod key;
pub mod password;
pub mod random;
pub mod token;
pub mod totp;

pub use directory::{Directory, DirectorySettings, Followed, Judgement};
pub use token::{TokenError, Tokens};
