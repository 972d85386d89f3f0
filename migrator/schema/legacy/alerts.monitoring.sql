-- legacy:  alerts
-- file:    alerts.db
-- variant: monitoring
-- fate:    source
-- home:    core
-- about:   Alerts about the health of the system, in the file that alerts.trading.sql also claims.

PRAGMA journal_mode = DELETE;

CREATE TABLE alerts (
    id                TEXT    PRIMARY KEY,
    title             TEXT    NOT NULL,
    message           TEXT    NOT NULL,
    severity          TEXT    NOT NULL,
    source            TEXT    NOT NULL,
    status            TEXT    NOT NULL,
    created_at        TEXT    NOT NULL,
    acknowledged_at   TEXT,
    resolved_at       TEXT,
    acknowledged_by   TEXT,
    metadata_json     TEXT,
    notification_sent INTEGER DEFAULT 0
);
CREATE INDEX idx_alerts_created ON alerts(created_at);
CREATE INDEX idx_alerts_severity ON alerts(severity);
CREATE INDEX idx_alerts_status ON alerts(status);
