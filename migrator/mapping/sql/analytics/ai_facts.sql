-- target: analytics.ai_facts
-- source: jarvis_memory.facts
-- key:    id
-- reads:  analytics.ai_entities
-- rest:   entity_id
-- follows: entity=jarvis_memory.entities.name
-- why:    A fact hangs on the name of its entity, not on the id beside it, which is usually empty and may contradict
--         the name.  So the fact of an entity that is quarantined joins the one that bears the name.  What was learnt
--         was not touched later, and every fact that is there is in use: nothing was ever switched off.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    e.id AS entity_id,
    s.fact AS fact,
    s.confidence AS confidence,
    s.source AS source,
    utc(CAST(s.learned_at AS BLOB)) AS created_at,
    utc(CAST(s.learned_at AS BLOB)) AS updated_at,
    1 AS is_active
FROM jarvis_memory.facts AS s
LEFT JOIN analytics.ai_entities AS e ON e.name = s.entity;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    coalesce(e.name, '') AS entity,
    NULL AS entity_id,
    t.fact AS fact,
    t.confidence AS confidence,
    t.source AS source,
    replace(t.updated_at, ' ', 'T') || '+00:00' AS learned_at
FROM analytics.lineage AS l
JOIN analytics.ai_facts AS t ON t.id = l.target_id
LEFT JOIN analytics.ai_entities AS e ON e.id = t.entity_id
WHERE l.source = 'jarvis_memory.facts' AND l.target = 'ai_facts';
