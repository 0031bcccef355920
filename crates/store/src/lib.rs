//! The ports of `core` on SQLite (encrypted by SQLCipher) and on PostgreSQL: one facade, SQL written once.
