-- query:  entities_like
-- legacy: jarvis_memory.entities
-- target: analytics.ai_entities
-- asked:  warm: a search by name
-- takes:  SELECT DISTINCT '%' || substr(name, 1, 5) || '%' AS word FROM jarvis_memory.entities ORDER BY word LIMIT 10
-- differs: an entity that only facts name has a row here, and had none there
-- times:  updated_at
-- stays:  1.4: it finds more rows: an entity that only facts name has a row here, and had none there
SELECT name, entity_type, updated_at
FROM entities
WHERE name LIKE :word
ORDER BY updated_at DESC
LIMIT 10;

-- consolidated:
SELECT name, entity_type, last_referenced
FROM ai_entities
-- The plus keeps SQLite to one pass and a small sort: in the order of the time it would fetch every row for itself.
WHERE name LIKE :word
ORDER BY +last_referenced DESC
LIMIT 10;
