-- legacy:  llm_costs
-- file:    llm_costs.db
-- variant: found
-- fate:    source
-- home:    analytics
-- about:   What each call of a language model cost.

PRAGMA journal_mode = DELETE;

CREATE TABLE budget_alerts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_name    TEXT    NOT NULL,
    threshold_usd REAL    NOT NULL,
    actual_usd    REAL    NOT NULL,
    period        TEXT    NOT NULL,
    triggered_at  TEXT    NOT NULL
);

CREATE TABLE llm_daily_stats (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    date                TEXT    NOT NULL,
    provider            TEXT    NOT NULL,
    model               TEXT    NOT NULL,
    total_requests      INTEGER NOT NULL,
    successful_requests INTEGER NOT NULL,
    total_input_tokens  INTEGER NOT NULL,
    total_output_tokens INTEGER NOT NULL,
    total_cost_usd      REAL    NOT NULL,
    avg_latency_ms      REAL,
    UNIQUE (date, provider, model)
);
CREATE INDEX idx_llm_daily_date ON llm_daily_stats(date);

CREATE TABLE llm_usage (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp     TEXT    NOT NULL,
    provider      TEXT    NOT NULL,
    model         TEXT    NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_usd      REAL    NOT NULL,
    latency_ms    REAL,
    success       INTEGER NOT NULL,
    error         TEXT,
    metadata      TEXT,
    created_at    TEXT    DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_llm_usage_timestamp ON llm_usage(timestamp);
CREATE INDEX idx_llm_usage_provider ON llm_usage(provider);
