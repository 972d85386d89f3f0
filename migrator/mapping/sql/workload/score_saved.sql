-- query:  score_saved
-- legacy: jarvis.scorecard
-- target: core.scorecard
-- asked:  hot: every save
UPDATE scorecard
SET total_trades = 10, winning_trades = 6, losing_trades = 4, total_pnl_sol = 1.5, win_rate = 0.6
WHERE id = 1;

-- consolidated:
UPDATE scorecard
SET total_trades = 10, winning_trades = 6, losing_trades = 4, total_pnl_sol = 1.5, win_rate = 0.6
WHERE id = 1;
