-- query:  trades_latest
-- legacy: jarvis.trades
-- target: core.trades
-- asked:  warm: the page of recent trades; what the trader recorded was confirmed
-- times:  timestamp
SELECT symbol, token_mint, side, amount_sol, price, timestamp
FROM trades
ORDER BY timestamp DESC
LIMIT 50;

-- consolidated:
SELECT symbol, token_address, direction, amount_sol, price, timestamp
FROM trades
WHERE status = 'confirmed'
ORDER BY timestamp DESC
LIMIT 50;
