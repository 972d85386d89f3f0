-- A trade whose position was migrated is linked to it (the validation queries do not detect a lost link).
-- clause: V5
SELECT s.id, t.position_id, p.target_id
FROM jarvis.trades AS s
JOIN core.lineage AS l ON l.source = 'jarvis.trades' AND l.target = 'trades' AND l.legacy_key = +s.id
JOIN core.lineage AS p ON p.source = 'jarvis.positions' AND p.target = 'positions' AND p.legacy_key = +s.position_id
JOIN core.trades AS t ON t.id = +l.target_id
WHERE t.position_id IS NOT p.target_id;

-- broken by:
UPDATE core.trades SET position_id = NULL WHERE position_id IS NOT NULL;
