-- legacy:  tax
-- file:    tax.db
-- variant: found
-- fate:    source
-- home:    core
-- about:   Tax lots, sales that consumed them, and wash sales.

PRAGMA journal_mode = DELETE;

CREATE TABLE sales (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol               TEXT    NOT NULL,
    quantity             REAL    NOT NULL,
    sale_price           REAL    NOT NULL,
    sale_date            TEXT    NOT NULL,
    proceeds             REAL    NOT NULL,
    cost_basis           REAL    NOT NULL,
    gain_loss            REAL    NOT NULL,
    fee                  REAL    DEFAULT 0,
    is_long_term         INTEGER NOT NULL,
    holding_period_days  INTEGER NOT NULL,
    long_term_gain_loss  REAL,
    short_term_gain_loss REAL,
    lots_used_json       TEXT,
    tx_id                TEXT    UNIQUE
);
CREATE INDEX idx_sales_symbol ON sales(symbol);
CREATE INDEX idx_sales_date ON sales(sale_date);

CREATE TABLE tax_lots (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol               TEXT    NOT NULL,
    quantity             REAL    NOT NULL,
    remaining_quantity   REAL    NOT NULL,
    cost_per_unit        REAL    NOT NULL,
    total_cost           REAL    NOT NULL,
    fee                  REAL    DEFAULT 0,
    purchase_date        TEXT    NOT NULL,
    tx_id                TEXT    UNIQUE,
    adjusted_cost_basis  REAL    NOT NULL,
    wash_sale_adjustment REAL    DEFAULT 0
);
CREATE INDEX idx_lots_symbol ON tax_lots(symbol);
CREATE INDEX idx_lots_date ON tax_lots(purchase_date);

CREATE TABLE wash_sales (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol             TEXT    NOT NULL,
    sale_date          TEXT    NOT NULL,
    sale_tx_id         TEXT,
    replacement_date   TEXT    NOT NULL,
    replacement_tx_id  TEXT,
    disallowed_loss    REAL    NOT NULL,
    replacement_lot_id INTEGER
);
