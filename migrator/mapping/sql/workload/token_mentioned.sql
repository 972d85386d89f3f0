-- query:  token_mentioned
-- legacy: jarvis_x_memory.token_mentions
-- target: analytics.legacy_jarvis_x_memory_token_mentions
-- asked:  hot: before a token is mentioned
-- takes:  SELECT DISTINCT symbol FROM jarvis_x_memory.token_mentions ORDER BY symbol LIMIT 20
SELECT 1
FROM token_mentions
WHERE symbol = :symbol AND last_mentioned > '2026-01-01';

-- consolidated:
SELECT 1
FROM legacy_jarvis_x_memory_token_mentions
WHERE symbol = :symbol AND last_mentioned > '2026-01-01';
