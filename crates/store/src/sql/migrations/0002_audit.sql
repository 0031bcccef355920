-- The audit log, a chain of records, and how much was asked for minute by minute.

CREATE TABLE audit (
    -- Without a gap. The first is 1.
    number {number} NOT NULL PRIMARY KEY,
    at_ms {number} NOT NULL,
    event TEXT NOT NULL,
    request_id TEXT NOT NULL,
    username TEXT,
    user_id {bytes},
    ip TEXT,
    method TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    query TEXT,
    route TEXT NOT NULL,
    user_agent TEXT,
    device TEXT,
    -- JSON, redacted.
    request_data TEXT,
    status {number} NOT NULL,
    duration_us {number} NOT NULL,
    success {boolean},
    reason TEXT NOT NULL,
    details TEXT NOT NULL,
    -- The hash of the record before, and that of this one over everything above.
    previous {bytes} NOT NULL,
    hash {bytes} NOT NULL
) {clustered};
CREATE INDEX audit_at ON audit (at_ms);
CREATE INDEX audit_event ON audit (event, number);
CREATE INDEX audit_username ON audit (username, number);
CREATE INDEX audit_user_id ON audit (user_id, number);

-- One row: the last record that was removed for its age, and the last one there is. Hashes are empty before.
CREATE TABLE audit_ends (
    id {number} NOT NULL PRIMARY KEY,
    cut_number {number} NOT NULL,
    cut_hash {bytes},
    head_number {number} NOT NULL,
    head_hash {bytes}
) {clustered};
INSERT INTO audit_ends (id, cut_number, cut_hash, head_number, head_hash) VALUES (1, 0, NULL, 0, NULL);

-- What was asked for in one minute of one process.
CREATE TABLE usage_minutes (
    minute_ms {number} NOT NULL,
    node {bytes} NOT NULL,
    requests {number} NOT NULL,
    client_errors {number} NOT NULL,
    server_errors {number} NOT NULL,
    refused {number} NOT NULL,
    limited {number} NOT NULL,
    proven {number} NOT NULL,
    unproven {number} NOT NULL,
    suspicious {number} NOT NULL,
    slow {number} NOT NULL,
    duration_us {number} NOT NULL,
    connections {number} NOT NULL,
    -- Hundredths of a percent.
    cpu {number} NOT NULL,
    memory {number} NOT NULL,
    disk {number} NOT NULL,
    PRIMARY KEY (minute_ms, node)
) {clustered};

-- Who asked for what in one hour, for those who asked most.
CREATE TABLE usage_hours (
    hour_ms {number} NOT NULL,
    -- `user`, `endpoint`, or `caller`: both in one.
    kind TEXT NOT NULL,
    name TEXT {binary} NOT NULL,
    requests {number} NOT NULL,
    errors {number} NOT NULL,
    last_ms {number} NOT NULL,
    PRIMARY KEY (hour_ms, kind, name)
) {clustered};

-- When a credential of the configuration was seen first, by its public name.
CREATE TABLE first_seen (
    name TEXT {binary} NOT NULL PRIMARY KEY,
    first_ms {number} NOT NULL
) {clustered};
