//! A sample application with the endpoints that the five security guides call.
