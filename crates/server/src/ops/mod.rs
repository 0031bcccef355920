//! What the commands do: serve, explain, test, demonstrate, check.

pub mod accounts;
pub mod application;
pub mod assertion;
pub mod audit;
pub mod banner;
pub mod check;
pub mod demo;
pub mod explain;
pub mod follow;
pub mod kept;
pub mod key_age;
pub mod policy_test;
pub mod serve;
