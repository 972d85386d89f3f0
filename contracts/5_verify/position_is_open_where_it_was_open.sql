-- A position is open if it was open, and closed if it was closed or had failed.
-- clause: M9
-- variant: found
SELECT s.id
FROM jarvis.positions AS s
JOIN core.lineage AS l ON l.source = 'jarvis.positions' AND l.target = 'positions' AND l.legacy_key = +s.id
JOIN core.positions AS t ON t.id = +l.target_id
WHERE t.status IS NOT CASE WHEN s.status GLOB 'closed_*' OR s.status = 'failed' THEN 'closed' ELSE s.status END;

-- broken by:
UPDATE core.positions SET status = 'partial';
