-- No trade names a position that is not there (the specification's first validation query).
-- clause: V1
SELECT id
FROM core.trades
WHERE position_id NOT IN (SELECT id FROM core.positions);

-- broken by:
UPDATE core.trades SET position_id = -1 WHERE id = (SELECT min(id) FROM core.trades);
