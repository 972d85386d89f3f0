-- query:  positions_at_start
-- legacy: jarvis.positions
-- target: core.positions
-- asked:  hot: the trader starts, or saves and reads again
-- times:  opened_at closed_at
SELECT symbol, token_mint, entry_price, entry_amount_sol, entry_amount_tokens, pnl_pct, opened_at, closed_at
FROM positions;

-- consolidated:
SELECT symbol, token_address, entry_price, amount_sol, amount, pnl_percent, entry_time, exit_time
FROM positions;
