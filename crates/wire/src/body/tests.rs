//! Tables of bodies.
