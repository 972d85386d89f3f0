-- query:  swaps_counted
-- legacy: treasury_trades.treasury_trades
-- target: core.legacy_treasury_trades_treasury_trades
-- asked:  hot: twice for each trade that is checked against the limits
-- takes:  SELECT datetime(max(timestamp), '-24 hours') AS since FROM treasury_trades.treasury_trades
SELECT count(*)
FROM treasury_trades
WHERE timestamp > :since;

-- consolidated:
SELECT count(*)
FROM legacy_treasury_trades_treasury_trades
WHERE timestamp > :since;
