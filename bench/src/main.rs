//! Measures Portcullis beside nginx and HAProxy on the same work.

fn main() {}
