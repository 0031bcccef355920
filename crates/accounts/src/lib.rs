//! Who may come: passwords, second factors, tokens, API keys, sessions and devices. Issues and verifies;
//! does no I/O but for looking a new password up in a file of breached ones.
#![warn(missing_docs)]

pub mod directory;
pub mod error;
pub mod key;
mod lockout;
pub mod password;
pub mod random;
pub mod service;
pub mod settings;
pub mod token;
pub mod totp;

pub use directory::{Directory, DirectorySettings, Followed, Judgement};
pub use error::AccountError;
pub use service::{Accounts, NewKey};
pub use settings::AccountSettings;
pub use token::{TokenError, Tokens};
