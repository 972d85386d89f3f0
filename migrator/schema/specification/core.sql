-- ==================================================
-- jarvis_core.db - Core Operational Database
-- ==================================================

PRAGMA foreign_keys = ON;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;

-- --------------------------------------------------
-- Positions Table (from jarvis.db)
-- --------------------------------------------------
CREATE TABLE positions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL,
    token_address TEXT NOT NULL UNIQUE,
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

CREATE INDEX idx_positions_status ON positions(status);
CREATE INDEX idx_positions_token ON positions(token_address);
CREATE INDEX idx_positions_wallet ON positions(wallet_address);
CREATE INDEX idx_positions_user ON positions(user_id);

-- --------------------------------------------------
-- Trades Table (from jarvis.db)
-- --------------------------------------------------
CREATE TABLE trades (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    position_id INTEGER,
    direction TEXT NOT NULL CHECK(direction IN ('buy', 'sell')),
    symbol TEXT NOT NULL,
    token_address TEXT NOT NULL,
    amount REAL NOT NULL,
    amount_sol REAL NOT NULL,
    price REAL NOT NULL,
    slippage_bps INTEGER,
    signature TEXT UNIQUE,
    status TEXT NOT NULL CHECK(status IN ('pending', 'confirmed', 'failed')),
    via TEXT CHECK(via IN ('bags_fm', 'jupiter', 'manual')),
    fee_sol REAL DEFAULT 0.0,
    partner_fee_sol REAL DEFAULT 0.0,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    confirmation_time TIMESTAMP,
    error_message TEXT,
    metadata TEXT, -- JSON blob
    FOREIGN KEY (position_id) REFERENCES positions(id) ON DELETE SET NULL
);

CREATE INDEX idx_trades_position ON trades(position_id);
CREATE INDEX idx_trades_signature ON trades(signature);
CREATE INDEX idx_trades_timestamp ON trades(timestamp DESC);
CREATE INDEX idx_trades_status ON trades(status);
CREATE INDEX idx_trades_via ON trades(via);

-- --------------------------------------------------
-- Treasury Orders Table (from treasury_trades.db)
-- --------------------------------------------------
CREATE TABLE treasury_orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_type TEXT NOT NULL CHECK(order_type IN ('market', 'limit', 'stop_loss', 'take_profit')),
    side TEXT NOT NULL CHECK(side IN ('buy', 'sell')),
    symbol TEXT NOT NULL,
    token_address TEXT NOT NULL,
    amount_sol REAL NOT NULL,
    limit_price REAL,
    trigger_price REAL,
    status TEXT NOT NULL CHECK(status IN ('pending', 'active', 'filled', 'cancelled', 'expired')),
    position_id INTEGER,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    filled_at TIMESTAMP,
    filled_price REAL,
    filled_amount REAL,
    fills_count INTEGER DEFAULT 0,
    metadata TEXT, -- JSON blob
    FOREIGN KEY (position_id) REFERENCES positions(id) ON DELETE CASCADE
);

CREATE INDEX idx_treasury_orders_status ON treasury_orders(status);
CREATE INDEX idx_treasury_orders_token ON treasury_orders(token_address);
CREATE INDEX idx_treasury_orders_position ON treasury_orders(position_id);

-- --------------------------------------------------
-- Scorecard Table (from jarvis.db)
-- --------------------------------------------------
CREATE TABLE scorecard (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    total_trades INTEGER DEFAULT 0,
    winning_trades INTEGER DEFAULT 0,
    losing_trades INTEGER DEFAULT 0,
    total_pnl_sol REAL DEFAULT 0.0,
    total_pnl_usd REAL DEFAULT 0.0,
    total_volume_sol REAL DEFAULT 0.0,
    avg_win_percent REAL DEFAULT 0.0,
    avg_loss_percent REAL DEFAULT 0.0,
    win_rate REAL DEFAULT 0.0,
    sharpe_ratio REAL,
    max_drawdown_percent REAL,
    total_fees_paid_sol REAL DEFAULT 0.0,
    total_partner_fees_sol REAL DEFAULT 0.0,
    bags_fm_trade_count INTEGER DEFAULT 0,
    jupiter_trade_count INTEGER DEFAULT 0,
    period TEXT CHECK(period IN ('daily', 'weekly', 'monthly', 'all_time'))
);

CREATE INDEX idx_scorecard_timestamp ON scorecard(timestamp DESC);
CREATE INDEX idx_scorecard_period ON scorecard(period);

-- --------------------------------------------------
-- Tax Lots Table (from tax.db)
-- --------------------------------------------------
CREATE TABLE tax_lots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trade_id INTEGER NOT NULL,
    token_address TEXT NOT NULL,
    symbol TEXT NOT NULL,
    quantity REAL NOT NULL,
    cost_basis_usd REAL NOT NULL,
    acquisition_date TIMESTAMP NOT NULL,
    disposal_date TIMESTAMP,
    disposal_proceeds_usd REAL,
    short_term INTEGER DEFAULT 1,
    wash_sale INTEGER DEFAULT 0,
    FOREIGN KEY (trade_id) REFERENCES trades(id) ON DELETE CASCADE
);

CREATE INDEX idx_tax_lots_token ON tax_lots(token_address);
CREATE INDEX idx_tax_lots_acquisition ON tax_lots(acquisition_date);

-- --------------------------------------------------
-- Wash Sales Table (from tax.db)
-- --------------------------------------------------
CREATE TABLE wash_sales (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sold_lot_id INTEGER NOT NULL,
    replacement_lot_id INTEGER NOT NULL,
    disallowed_loss_usd REAL NOT NULL,
    wash_sale_date TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (sold_lot_id) REFERENCES tax_lots(id),
    FOREIGN KEY (replacement_lot_id) REFERENCES tax_lots(id)
);

-- --------------------------------------------------
-- Configuration Table
-- --------------------------------------------------
CREATE TABLE config (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    description TEXT,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

-- Insert default config
INSERT INTO config (key, value, description) VALUES
    ('max_positions', '50', 'Maximum concurrent positions'),
    ('default_tp_percent', '50.0', 'Default take-profit percentage'),
    ('default_sl_percent', '20.0', 'Default stop-loss percentage'),
    ('max_trade_usd', '1000.0', 'Maximum single trade size USD'),
    ('max_daily_usd', '5000.0', 'Maximum daily trading volume USD'),
    ('use_bags_fm', 'true', 'Primary router: bags.fm or Jupiter'),
    ('slippage_bps', '100', 'Default slippage basis points (1%)');
