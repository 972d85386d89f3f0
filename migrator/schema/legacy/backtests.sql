-- legacy:  backtests
-- file:    backtests.db
-- variant: found
-- fate:    source
-- home:    core
-- about:   Results of trading strategies run over history.

PRAGMA journal_mode = DELETE;

CREATE TABLE backtest_results (
    id               TEXT    PRIMARY KEY,
    symbol           TEXT,
    strategy_name    TEXT,
    start_date       TEXT,
    end_date         TEXT,
    initial_capital  REAL,
    final_capital    REAL,
    total_return_pct REAL,
    sharpe_ratio     REAL,
    max_drawdown     REAL,
    win_rate         REAL,
    total_trades     INTEGER,
    total_fees       REAL,
    parameters_json  TEXT,
    metrics_json     TEXT,
    created_at       TEXT
);
CREATE INDEX idx_bt_strategy ON backtest_results(strategy_name);
CREATE INDEX idx_bt_symbol ON backtest_results(symbol);

CREATE TABLE backtest_trades (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    backtest_id    TEXT    NOT NULL,
    trade_id       TEXT,
    timestamp      TEXT,
    side           TEXT,
    price          REAL,
    quantity       REAL,
    value          REAL,
    fee            REAL,
    pnl            REAL,
    cumulative_pnl REAL,
    reason         TEXT,
    FOREIGN KEY (backtest_id) REFERENCES backtest_results(id)
);
CREATE INDEX idx_trades_bt ON backtest_trades(backtest_id);
