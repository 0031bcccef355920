//! What never reaches a log.
