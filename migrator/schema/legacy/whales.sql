-- legacy:  whales
-- file:    whales.db
-- variant: found
-- fate:    source
-- home:    analytics
-- about:   Large wallets, their movements, and alerts about them.

PRAGMA journal_mode = DELETE;

CREATE TABLE whale_alerts (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    wallet_address TEXT,
    wallet_label   TEXT,
    alert_type     TEXT,
    message        TEXT,
    value_usd      REAL,
    timestamp      TEXT,
    token_symbol   TEXT,
    tx_signature   TEXT,
    acknowledged   INTEGER DEFAULT 0
);

CREATE TABLE whale_movements (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    wallet_address TEXT,
    wallet_label   TEXT,
    timestamp      TEXT,
    movement_type  TEXT,
    token_symbol   TEXT,
    token_mint     TEXT,
    amount         REAL,
    value_usd      REAL,
    direction      TEXT,
    tx_signature   TEXT    UNIQUE,
    counterparty   TEXT,
    is_significant INTEGER DEFAULT 0,
    FOREIGN KEY (wallet_address) REFERENCES whale_wallets(address)
);
CREATE INDEX idx_movements_wallet ON whale_movements(wallet_address);
CREATE INDEX idx_movements_token ON whale_movements(token_mint);
CREATE INDEX idx_movements_time ON whale_movements(timestamp);

CREATE TABLE whale_wallets (
    address         TEXT    PRIMARY KEY,
    label           TEXT    NOT NULL,
    category        TEXT    DEFAULT 'unknown',
    total_value_usd REAL    DEFAULT 0,
    sol_balance     REAL    DEFAULT 0,
    is_active       INTEGER DEFAULT 1,
    first_seen      TEXT,
    last_activity   TEXT,
    win_rate        REAL    DEFAULT 0,
    avg_trade_size  REAL    DEFAULT 0,
    notes           TEXT,
    tags_json       TEXT
);
