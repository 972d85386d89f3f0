-- legacy:  call_tracking
-- file:    call_tracking.db
-- variant: found
-- fate:    source
-- home:    analytics
-- about:   Buy and sell calls that were published, and what became of them.

PRAGMA journal_mode = DELETE;

CREATE TABLE calls (
    id                 TEXT    PRIMARY KEY,
    timestamp          TEXT    NOT NULL,
    source             TEXT    NOT NULL,
    symbol             TEXT    NOT NULL,
    contract           TEXT,
    verdict            TEXT    NOT NULL,
    score              REAL,
    price_at_call      REAL,
    reasoning          TEXT,
    change_24h_at_call REAL,
    buy_sell_ratio     REAL,
    volume_24h         REAL,
    market_cap         REAL,
    liquidity          REAL,
    holders            INTEGER,
    market_regime      TEXT
);

CREATE TABLE factor_stats (
    id           TEXT    PRIMARY KEY,
    factor_name  TEXT    NOT NULL,
    factor_level TEXT    NOT NULL,
    total_calls  INTEGER DEFAULT 0,
    wins         INTEGER DEFAULT 0,
    losses       INTEGER DEFAULT 0,
    avg_pnl_pct  REAL,
    win_rate     REAL,
    last_updated TEXT
);

CREATE TABLE outcomes (
    id          TEXT PRIMARY KEY,
    call_id     TEXT NOT NULL,
    timeframe   TEXT NOT NULL,
    price_after REAL,
    change_pct  REAL,
    measured_at TEXT
);

CREATE TABLE probability_model (
    id              TEXT    PRIMARY KEY,
    pump_level      TEXT,
    ratio_level     TEXT,
    score_level     TEXT,
    regime          TEXT,
    sample_size     INTEGER,
    win_probability REAL,
    avg_win_pct     REAL,
    avg_loss_pct    REAL,
    expected_value  REAL,
    last_updated    TEXT
);

CREATE TABLE trades (
    id            TEXT PRIMARY KEY,
    call_id       TEXT,
    symbol        TEXT NOT NULL,
    contract      TEXT,
    entry_time    TEXT,
    exit_time     TEXT,
    entry_price   REAL,
    exit_price    REAL,
    position_size REAL,
    pnl_pct       REAL,
    pnl_usd       REAL,
    status        TEXT,
    exit_reason   TEXT
);
