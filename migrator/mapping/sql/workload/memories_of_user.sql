-- query:  memories_of_user
-- legacy: telegram_memory.memories
-- target: analytics.legacy_telegram_memory_memories
-- asked:  hot: the context of every answer
-- takes:  SELECT DISTINCT user_id FROM telegram_memory.memories ORDER BY user_id LIMIT 20
SELECT key, value
FROM memories
WHERE user_id = :user_id;

-- consolidated:
SELECT key, value
FROM legacy_telegram_memory_memories
WHERE user_id = :user_id;
