-- query:  picks_open
-- legacy: jarvis.pick_performance
-- target: core.legacy_jarvis_pick_performance
-- asked:  hot: every sweep of prices begins with it
SELECT id, symbol, entry_price, target_price, stop_loss, max_price, min_price
FROM pick_performance
WHERE outcome = 'open';

-- consolidated:
SELECT id, symbol, entry_price, target_price, stop_loss, max_price, min_price
FROM legacy_jarvis_pick_performance
WHERE outcome = 'open';
