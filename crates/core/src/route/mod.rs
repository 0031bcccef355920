//! Routes: patterns, path normalising and the matcher.
