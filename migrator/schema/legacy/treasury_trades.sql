-- legacy:  treasury_trades
-- file:    treasury_trades.db
-- variant: found
-- fate:    source
-- home:    core
-- about:   Executed swaps of the treasury, in the smallest units of each mint.

PRAGMA journal_mode = DELETE;

CREATE TABLE daily_snapshots (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    date             TEXT    NOT NULL UNIQUE,
    starting_balance INTEGER NOT NULL,
    ending_balance   INTEGER,
    total_pnl        INTEGER DEFAULT 0,
    trade_count      INTEGER DEFAULT 0,
    created_at       TEXT    DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE treasury_trades (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp     TEXT    NOT NULL,
    token_mint    TEXT    NOT NULL,
    side          TEXT    NOT NULL,
    amount_in     INTEGER NOT NULL,
    amount_out    INTEGER NOT NULL,
    pnl           INTEGER DEFAULT 0,
    success       INTEGER DEFAULT 1,
    signature     TEXT,
    metadata_json TEXT,
    created_at    TEXT    DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_trades_token ON treasury_trades(token_mint);
CREATE INDEX idx_trades_timestamp ON treasury_trades(timestamp);
