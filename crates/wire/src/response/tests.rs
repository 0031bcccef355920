//! Tables of responses.
