-- query:  reflections_to_apply
-- legacy: jarvis_memory.reflections
-- target: analytics.ai_reflections analytics.lineage
-- asked:  warm: every night
-- times:  created_at
-- costs:  whether a reflection was applied has no column: it is read out of lineage for each of them; lineage
--         has to come first (CROSS JOIN), else SQLite reads through all its rows for each reflection
-- stays:  2.8: the time of a reflection is in the full-text table, which is opened again for each reflection
SELECT id, created_at
FROM reflections
WHERE applied = 0
ORDER BY created_at DESC
LIMIT 20;

-- consolidated:
SELECT r.rowid, r.timestamp
FROM lineage AS l
CROSS JOIN ai_reflections AS r ON r.rowid = l.target_id
WHERE l.source = 'jarvis_memory.reflections' AND l.target = 'ai_reflections'
    AND coalesce(json_extract(l.rest, '$.applied[0]'), 0) = 0
ORDER BY r.timestamp DESC
LIMIT 20;
