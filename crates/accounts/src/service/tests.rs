//! The acts on a store in memory.
