-- Users, API keys, sessions, logins under way, devices, token families, signing keys, and what changed.
-- Ids are 16 bytes, digests 32 (SHA-256), times milliseconds since 1970.

CREATE TABLE users (
    id {bytes} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- The name with its ASCII letters in lower case: what must be unique, and the order of lists.
    name_key TEXT {binary} NOT NULL,
    email TEXT,
    email_key TEXT {binary},
    role TEXT NOT NULL,
    active {boolean} NOT NULL,
    created_ms {number} NOT NULL,
    last_login_ms {number},
    valid_from_ms {number} NOT NULL,
    password TEXT,
    totp_secret {bytes},
    totp_confirmed {boolean} NOT NULL,
    totp_last_step {number} NOT NULL,
    -- Digests of recovery codes, one behind the other.
    totp_recovery {bytes} NOT NULL
) {clustered};
CREATE UNIQUE INDEX users_name_key ON users (name_key);
CREATE UNIQUE INDEX users_email_key ON users (email_key);

CREATE TABLE api_keys (
    id {bytes} NOT NULL PRIMARY KEY,
    user_id {bytes} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    digest {bytes} NOT NULL,
    -- JSON arrays; empty texts for empty ones.
    scopes TEXT NOT NULL,
    bindings TEXT NOT NULL,
    role TEXT,
    created_ms {number} NOT NULL,
    expires_ms {number},
    last_used_ms {number},
    revoked_ms {number},
    replaced_by {bytes}
) {clustered};
CREATE INDEX api_keys_user ON api_keys (user_id);

CREATE TABLE devices (
    id {bytes} NOT NULL PRIMARY KEY,
    digest {bytes} NOT NULL,
    user_id {bytes} REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_ms {number} NOT NULL,
    expires_ms {number} NOT NULL,
    registered_ms {number}
) {clustered};
CREATE INDEX devices_user ON devices (user_id);
CREATE INDEX devices_pending ON devices (expires_ms) WHERE user_id IS NULL;

CREATE TABLE sessions (
    id {bytes} NOT NULL PRIMARY KEY,
    digest {bytes} NOT NULL,
    user_id {bytes} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device_id {bytes} REFERENCES devices (id) ON DELETE CASCADE,
    created_ms {number} NOT NULL,
    expires_ms {number} NOT NULL,
    last_seen_ms {number} NOT NULL,
    agent TEXT NOT NULL
) {clustered};
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_device ON sessions (device_id);
CREATE INDEX sessions_expires ON sessions (expires_ms);
CREATE INDEX sessions_last_seen ON sessions (last_seen_ms);

CREATE TABLE attempts (
    id {bytes} NOT NULL PRIMARY KEY,
    digest {bytes} NOT NULL,
    user_id {bytes} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_ms {number} NOT NULL,
    expires_ms {number} NOT NULL,
    failures {number} NOT NULL
) {clustered};
CREATE UNIQUE INDEX attempts_digest ON attempts (digest);
CREATE INDEX attempts_user ON attempts (user_id);
CREATE INDEX attempts_expires ON attempts (expires_ms);

CREATE TABLE families (
    id {bytes} NOT NULL PRIMARY KEY,
    user_id {bytes} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation {number} NOT NULL,
    created_ms {number} NOT NULL,
    expires_ms {number} NOT NULL,
    revoked_ms {number}
) {clustered};
CREATE INDEX families_user ON families (user_id);
CREATE INDEX families_expires ON families (expires_ms);
CREATE INDEX families_revoked ON families (revoked_ms) WHERE revoked_ms IS NOT NULL;

CREATE TABLE signing_keys (
    kid TEXT {binary} NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    private {bytes} NOT NULL,
    created_ms {number} NOT NULL,
    expires_ms {number}
) {clustered};

-- Numbers have no gap and become visible in their order.
CREATE TABLE changes (
    number {number} NOT NULL PRIMARY KEY,
    what TEXT NOT NULL,
    id {bytes} NOT NULL,
    at_ms {number} NOT NULL
) {clustered};

-- Where single values are sealed: the salt of the key, and what the right key opens.
CREATE TABLE seals (
    salt {bytes} NOT NULL PRIMARY KEY,
    proof {bytes} NOT NULL
) {clustered};
