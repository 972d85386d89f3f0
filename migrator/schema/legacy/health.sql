-- legacy:  health
-- file:    health.db
-- variant: found
-- fate:    source
-- home:    analytics
-- about:   Health checks of the components, and snapshots of the whole.

PRAGMA journal_mode = DELETE;

CREATE TABLE health_history (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    component  TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    latency_ms REAL,
    message    TEXT,
    checked_at TEXT    NOT NULL
);
CREATE INDEX idx_health_time ON health_history(checked_at);
CREATE INDEX idx_health_component ON health_history(component);

CREATE TABLE system_snapshots (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    status          TEXT    NOT NULL,
    healthy_count   INTEGER,
    degraded_count  INTEGER,
    unhealthy_count INTEGER,
    uptime_seconds  REAL,
    snapshot_json   TEXT,
    recorded_at     TEXT    NOT NULL
);
