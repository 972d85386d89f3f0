-- query:  picks_by_class
-- legacy: jarvis.pick_performance
-- target: core.legacy_jarvis_pick_performance
-- asked:  cold: statistics of the picks
-- takes:  SELECT date(max(pick_date), '-7 days') AS since FROM jarvis.pick_performance
SELECT asset_class, count(*), avg(pnl_pct)
FROM pick_performance
WHERE pick_date > :since AND outcome <> 'PENDING'
GROUP BY asset_class;

-- consolidated:
SELECT asset_class, count(*), avg(pnl_pct)
FROM legacy_jarvis_pick_performance
WHERE pick_date > :since AND outcome <> 'PENDING'
GROUP BY asset_class;
