-- query:  swaps_risk
-- legacy: treasury_trades.treasury_trades
-- target: core.legacy_treasury_trades_treasury_trades
-- asked:  warm: the state of the risk, by day and week
-- takes:  SELECT datetime(max(timestamp), '-24 hours') AS since FROM treasury_trades.treasury_trades
SELECT sum(pnl), count(*), sum(CASE WHEN pnl > 0 THEN 1 ELSE 0 END)
FROM treasury_trades
WHERE timestamp > :since AND success = 1;

-- consolidated:
SELECT sum(pnl), count(*), sum(CASE WHEN pnl > 0 THEN 1 ELSE 0 END)
FROM legacy_treasury_trades_treasury_trades
WHERE timestamp > :since AND success = 1;
