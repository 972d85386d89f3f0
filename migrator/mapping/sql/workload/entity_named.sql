-- query:  entity_named
-- legacy: jarvis_memory.entities
-- target: analytics.ai_entities
-- asked:  hot: the context of an answer
-- takes:  SELECT name, entity_type FROM jarvis_memory.entities ORDER BY id LIMIT 20
-- times:  created_at updated_at
SELECT name, entity_type, created_at, updated_at
FROM entities
WHERE name = :name AND entity_type = :entity_type;

-- consolidated:
SELECT name, entity_type, created_at, last_referenced
FROM ai_entities
WHERE name = :name AND entity_type = :entity_type;
