//! Tests of the directory on a store in memory.
