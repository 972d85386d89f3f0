-- target: analytics.ai_entities
-- source: jarvis_memory.facts
-- key:    entity
-- reads:  temp.forward
-- stub:   unnamed entity
-- why:    Facts hang on the name of an entity.  A name that no entity has which goes in becomes an entity of type
--         'unknown', above every id that was ever given.  '' is no name.
SELECT
    s.entity AS legacy_key,
    NULL AS id,
    'unknown' AS entity_type,
    s.entity AS name,
    NULL AS description,
    NULL AS created_at,
    NULL AS last_referenced,
    NULL AS reference_count
FROM jarvis_memory.facts AS s
WHERE s.entity <> '' AND s.entity COLLATE BINARY NOT IN (
    SELECT e.name FROM temp.forward AS e WHERE e.broken IS NULL AND e.name IS NOT NULL
)
GROUP BY s.entity COLLATE BINARY;
