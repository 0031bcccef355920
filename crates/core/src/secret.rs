//! Secrets: never printed, compared in constant time.
pub struct Secret;
