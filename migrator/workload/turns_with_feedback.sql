-- query:  turns_with_feedback
-- legacy: jarvis_memory.interactions
-- target: analytics.legacy_jarvis_memory_interactions
-- asked:  warm: every night
-- takes:  SELECT '2026-01-01' AS since
-- costs:  a carried table comes without its indexes, so all turns are read
-- mends:  CREATE INDEX analytics.idx_carried_turns_feedback ON legacy_jarvis_memory_interactions(feedback)
SELECT id, user_input, feedback, timestamp
FROM interactions
WHERE timestamp > :since AND feedback IN ('negative', 'confused', 'retry')
ORDER BY timestamp DESC
LIMIT 50;

-- consolidated:
SELECT id, user_input, feedback, timestamp
FROM legacy_jarvis_memory_interactions
WHERE timestamp > :since AND feedback IN ('negative', 'confused', 'retry')
ORDER BY timestamp DESC
LIMIT 50;
