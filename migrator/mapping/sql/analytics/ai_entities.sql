-- target: analytics.ai_entities
-- source: jarvis_memory.entities
-- key:    id
-- keep:   created_at NULLS LAST, id
-- rest:   attributes
-- why:    A name is let in once for all types: of several the earliest stays.  How often an entity was referred
--         to was never counted, and it has no description.  There is no column for attributes.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    s.entity_type AS entity_type,
    s.name AS name,
    NULL AS description,
    utc(CAST(s.created_at AS BLOB)) AS created_at,
    utc(CAST(s.updated_at AS BLOB)) AS last_referenced,
    NULL AS reference_count
FROM jarvis_memory.entities AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    t.name AS name,
    t.entity_type AS entity_type,
    '{}' AS attributes,
    replace(t.created_at, ' ', 'T') || '+00:00' AS created_at,
    replace(t.last_referenced, ' ', 'T') || '+00:00' AS updated_at
FROM analytics.lineage AS l
JOIN analytics.ai_entities AS t ON t.id = l.target_id
WHERE l.source = 'jarvis_memory.entities' AND l.target = 'ai_entities';
