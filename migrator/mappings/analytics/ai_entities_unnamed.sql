-- target: analytics.ai_entities
-- source: jarvis_memory.facts
-- key:    entity
-- reads:  jarvis_memory.entities jarvis_memory.sqlite_sequence
-- stub:   unnamed entity
-- why:    Facts hang on the name of an entity.  A name that no entity has, but for one that is quarantined because it
--         has no type, becomes an entity of type 'unknown', above every id that was ever given.  '' is no name.
SELECT
    s.entity AS legacy_key,
    top.id + row_number() OVER (ORDER BY s.entity) AS id,
    'unknown' AS entity_type,
    s.entity AS name,
    NULL AS description,
    NULL AS created_at,
    NULL AS last_referenced,
    NULL AS reference_count
FROM jarvis_memory.facts AS s
CROSS JOIN (
    SELECT coalesce(max(given.id), 0) AS id
    FROM (
        SELECT e.id AS id FROM jarvis_memory.entities AS e
        UNION ALL
        SELECT q.seq AS id
        FROM jarvis_memory.sqlite_sequence AS q
        WHERE q.name = 'entities' AND typeof(q.seq) = 'integer'
    ) AS given
) AS top
WHERE s.entity <> '' AND s.entity NOT IN (
    SELECT e.name FROM jarvis_memory.entities AS e WHERE e.name IS NOT NULL AND e.entity_type IS NOT NULL
)
GROUP BY s.entity;
