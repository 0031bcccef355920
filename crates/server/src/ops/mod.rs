//! What the commands do: serve, explain, test, demonstrate, check.

pub mod application;
pub mod banner;
pub mod check;
pub mod demo;
pub mod explain;
pub mod policy_test;
pub mod serve;
