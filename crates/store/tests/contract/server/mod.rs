//! What only servers can get wrong.
