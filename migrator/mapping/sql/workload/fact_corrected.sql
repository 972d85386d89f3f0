-- query:  fact_corrected
-- legacy: jarvis_memory.facts
-- target: analytics.ai_facts analytics.ai_entities
-- asked:  cold: a fact is corrected
-- takes:  SELECT entity, fact FROM jarvis_memory.facts ORDER BY id LIMIT 20
UPDATE facts
SET source = 'correction'
WHERE entity = :entity AND fact = :fact;

-- consolidated:
UPDATE ai_facts
SET source = 'correction'
WHERE entity_id = (SELECT id FROM ai_entities WHERE name = :entity) AND fact = :fact;
