//! What every end-to-end test needs: the binary, an upstream, a client.
