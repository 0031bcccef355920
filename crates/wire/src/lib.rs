//! HTTP/1.1 on bytes: strict heads, body framing and writing. Sans-I/O.
