-- legacy:  rate_limiter_security
-- file:    rate_limiter/rate_limiter.db
-- variant: found
-- fate:    source
-- home:    analytics
-- about:   Limits per address. Known here under a name of its own, because its file is called like rate_limiter.db and shares two table names with it.

PRAGMA journal_mode = DELETE;

CREATE TABLE rate_configs (
    name                TEXT    PRIMARY KEY,
    scope               TEXT    NOT NULL,
    requests_per_minute INTEGER NOT NULL,
    burst_size          INTEGER DEFAULT 0,
    endpoint_pattern    TEXT,
    strategy            TEXT    DEFAULT 'token_bucket'
);

CREATE TABLE request_log (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    ip_address  TEXT    NOT NULL,
    endpoint    TEXT    NOT NULL,
    timestamp   REAL    NOT NULL,
    allowed     INTEGER NOT NULL,
    instance_id TEXT
);
CREATE INDEX idx_request_time ON request_log(timestamp);
CREATE INDEX idx_request_ip ON request_log(ip_address);

CREATE TABLE blacklist (
    ip_address TEXT PRIMARY KEY,
    added_at   TEXT NOT NULL,
    reason     TEXT,
    expires_at TEXT
);

CREATE TABLE whitelist (
    ip_address TEXT PRIMARY KEY,
    added_at   TEXT NOT NULL,
    reason     TEXT
);

CREATE TABLE instances (
    instance_id    TEXT PRIMARY KEY,
    last_heartbeat TEXT NOT NULL
);
