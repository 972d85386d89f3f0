-- query:  positions_open
-- legacy: jarvis.positions
-- target: core.positions
-- asked:  hot: every sweep of prices
-- times:  opened_at
SELECT symbol, token_mint, entry_price, entry_amount_sol, opened_at
FROM positions
WHERE status = 'open';

-- consolidated:
SELECT symbol, token_address, entry_price, amount_sol, entry_time
FROM positions
WHERE status = 'open';
