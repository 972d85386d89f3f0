-- query:  learnings_about
-- legacy: telegram_memory.learnings
-- target: analytics.legacy_telegram_memory_learnings
-- asked:  hot: up to three times for an answer
-- takes:  SELECT DISTINCT '%' || topic || '%' AS word FROM telegram_memory.learnings ORDER BY topic LIMIT 10
SELECT topic, content, source_type, created_at, confidence
FROM learnings
WHERE content LIKE :word OR topic LIKE :word
ORDER BY confidence DESC, created_at DESC
LIMIT 5;

-- consolidated:
SELECT topic, content, source_type, created_at, confidence
FROM legacy_telegram_memory_learnings
WHERE content LIKE :word OR topic LIKE :word
ORDER BY confidence DESC, created_at DESC
LIMIT 5;
