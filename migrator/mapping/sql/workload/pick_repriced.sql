-- query:  pick_repriced
-- legacy: jarvis.pick_performance
-- target: core.legacy_jarvis_pick_performance
-- asked:  hot: once for each open pick of a sweep
-- takes:  SELECT id, current_price + 1.0 AS price FROM jarvis.pick_performance ORDER BY id LIMIT 20
UPDATE pick_performance
SET current_price = :price, pnl_pct = 1.0, days_held = 3
WHERE id = :id;

-- consolidated:
UPDATE legacy_jarvis_pick_performance
SET current_price = :price, pnl_pct = 1.0, days_held = 3
WHERE id = :id;
