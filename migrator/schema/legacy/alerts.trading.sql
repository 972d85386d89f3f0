-- legacy:  alerts
-- file:    alerts.db
-- variant: trading
-- fate:    source
-- home:    core
-- about:   Price and volume alerts. A second module makes the same file in another shape: alerts.monitoring.sql; who starts first wins.

PRAGMA journal_mode = DELETE;

CREATE TABLE alerts (
    id                  TEXT    PRIMARY KEY,
    name                TEXT    NOT NULL,
    alert_type          TEXT    NOT NULL,
    symbol              TEXT    NOT NULL,
    threshold           REAL,
    comparison          TEXT,
    secondary_threshold REAL,
    time_window_minutes INTEGER,
    priority            TEXT,
    channels_json       TEXT,
    status              TEXT,
    created_at          TEXT,
    expires_at          TEXT,
    cooldown_minutes    INTEGER,
    max_triggers        INTEGER,
    trigger_count       INTEGER DEFAULT 0,
    last_triggered      TEXT,
    message_template    TEXT,
    webhook_url         TEXT,
    metadata_json       TEXT
);
CREATE INDEX idx_alerts_status ON alerts(status);
CREATE INDEX idx_alerts_symbol ON alerts(symbol);

CREATE TABLE alert_triggers (
    id                       INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id                 TEXT    NOT NULL,
    alert_name               TEXT,
    symbol                   TEXT,
    alert_type               TEXT,
    trigger_value            REAL,
    threshold                REAL,
    message                  TEXT,
    priority                 TEXT,
    timestamp                TEXT,
    channels_notified_json   TEXT,
    notification_status_json TEXT
);

CREATE TABLE webhook_configs (
    id           TEXT    PRIMARY KEY,
    name         TEXT,
    url          TEXT    NOT NULL,
    channel      TEXT,
    headers_json TEXT,
    active       INTEGER DEFAULT 1,
    created_at   TEXT
);
