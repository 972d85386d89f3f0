-- query:  score
-- legacy: jarvis.scorecard
-- target: core.scorecard
-- asked:  hot: the trader starts
-- times:  last_updated
SELECT total_trades, winning_trades, losing_trades, total_pnl_sol, total_pnl_usd, win_rate, last_updated
FROM scorecard
WHERE id = 1;

-- consolidated:
SELECT total_trades, winning_trades, losing_trades, total_pnl_sol, total_pnl_usd, win_rate, timestamp
FROM scorecard
WHERE id = 1;
