-- amendment: position_history
-- why:       A token is bought again after its position was closed.  UNIQUE(token_address) lets one position of each token
--            in; the others are quarantined, and their trades go in without a position.
-- changes:   UNIQUE(token_address) becomes the partial unique index idx_positions_open_token: one open position of each
--            token, and any number of others.  idx_positions_token, as specified, finds all positions of a token.
-- costs:     An upsert has to name the index's condition: ON CONFLICT(token_address) WHERE status = 'open'.  A query by
--            token alone may return several rows: add AND status = 'open' for the one that is held.  A position that is
--            partly closed ('partial') is not restricted.
-- answers:   history made unique: core.positions.token_address

CREATE TABLE core.positions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL,
    token_address TEXT NOT NULL,
    entry_price REAL NOT NULL,
    current_price REAL,
    amount REAL NOT NULL,
    amount_sol REAL NOT NULL,
    status TEXT NOT NULL CHECK(status IN ('open', 'closed', 'partial')),
    entry_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    exit_time TIMESTAMP,
    pnl_usd REAL DEFAULT 0.0,
    pnl_percent REAL DEFAULT 0.0,
    take_profit_percent REAL,
    stop_loss_percent REAL,
    trailing_stop_enabled INTEGER DEFAULT 0,
    trailing_stop_activation REAL,
    trailing_stop_distance REAL,
    highest_price REAL,
    wallet_address TEXT NOT NULL,
    user_id INTEGER,
    notes TEXT,
    metadata TEXT -- JSON blob for flexibility
);

CREATE UNIQUE INDEX core.idx_positions_open_token ON positions(token_address) WHERE status = 'open';
