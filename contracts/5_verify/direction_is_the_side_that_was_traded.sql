-- A trade's direction is its legacy side, in lower case: a buy has not become a sell.
-- clause: M9
-- variant: found
SELECT s.id
FROM jarvis.trades AS s
JOIN core.lineage AS l ON l.source = 'jarvis.trades' AND l.target = 'trades' AND l.legacy_key = +s.id
JOIN core.trades AS t ON t.id = +l.target_id
WHERE t.direction IS NOT lower(s.side);

-- broken by:
UPDATE core.trades SET direction = CASE direction WHEN 'buy' THEN 'sell' ELSE 'buy' END;
