-- target: core.scorecard
-- source: jarvis.scorecard
-- key:    id
-- rest:   largest_win_sol largest_loss_sol current_streak best_streak worst_streak
-- why:    The one row of the score is the series' entry for all time, its id kept.  '' for the last update is no time.
--         Volume, fees, ratios and counts by route were never kept: NULL, not the default that looks like a fact.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    utc(CAST(s.last_updated AS BLOB)) AS timestamp,
    s.total_trades AS total_trades,
    s.winning_trades AS winning_trades,
    s.losing_trades AS losing_trades,
    s.total_pnl_sol AS total_pnl_sol,
    s.total_pnl_usd AS total_pnl_usd,
    NULL AS total_volume_sol,
    s.avg_win_pct AS avg_win_percent,
    s.avg_loss_pct AS avg_loss_percent,
    s.win_rate AS win_rate,
    NULL AS sharpe_ratio,
    NULL AS max_drawdown_percent,
    NULL AS total_fees_paid_sol,
    NULL AS total_partner_fees_sol,
    NULL AS bags_fm_trade_count,
    NULL AS jupiter_trade_count,
    'all_time' AS period
FROM jarvis.scorecard AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    t.total_trades AS total_trades,
    t.winning_trades AS winning_trades,
    t.losing_trades AS losing_trades,
    t.total_pnl_sol AS total_pnl_sol,
    t.total_pnl_usd AS total_pnl_usd,
    0.0 AS largest_win_sol,
    0.0 AS largest_loss_sol,
    0 AS current_streak,
    0 AS best_streak,
    0 AS worst_streak,
    t.avg_win_percent AS avg_win_pct,
    t.avg_loss_percent AS avg_loss_pct,
    t.win_rate AS win_rate,
    coalesce(replace(t.timestamp, ' ', 'T') || '+00:00', '') AS last_updated
FROM core.lineage AS l
JOIN core.scorecard AS t ON t.id = l.target_id
WHERE l.source = 'jarvis.scorecard' AND l.target = 'scorecard';
