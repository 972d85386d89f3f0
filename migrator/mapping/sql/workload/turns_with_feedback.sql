-- query:  turns_with_feedback
-- legacy: jarvis_memory.interactions
-- target: analytics.legacy_jarvis_memory_interactions
-- asked:  warm: every night
-- takes:  SELECT '2026-01-01' AS since
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
