//! The decision: may this request pass, and how does its answer leave.
