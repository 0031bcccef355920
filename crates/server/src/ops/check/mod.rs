//! The production checklist.
