-- target: analytics.ai_reflections
-- source: jarvis_memory.reflections
-- key:    id
-- rest:   what_happened why_failed applied applied_count
-- why:    Rows come from the table, never from its index, which an edit left stale.  What could be searched before can
--         be searched now, and nothing more: trigger, lesson and new approach, a blank line between them; a part that
--         is NULL is left out.  There were no tags.
SELECT
    s.id AS legacy_key,
    s.id AS rowid,
    coalesce(s."trigger" || char(10, 10), '') || coalesce(s.lesson, '')
    || coalesce(char(10, 10) || s.new_approach, '') AS content,
    utc(CAST(s.created_at AS BLOB)) AS timestamp,
    NULL AS tags
FROM jarvis_memory.reflections AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    -- Of a text with more blank lines the parts are kept in rest.
    CASE WHEN t.first > 0 THEN CAST(substr(t.octets, 1, t.first - 1) AS TEXT) ELSE t.content END AS "trigger",
    NULL AS what_happened,
    NULL AS why_failed,
    CASE
        WHEN t.first = 0 THEN ''
        WHEN instr(substr(t.octets, t.first + 2), x'0a0a') = 0 THEN CAST(substr(t.octets, t.first + 2) AS TEXT)
        ELSE CAST(substr(t.octets, t.first + 2, instr(substr(t.octets, t.first + 2), x'0a0a') - 1) AS TEXT)
    END AS lesson,
    CASE
        WHEN t.first > 0 AND instr(substr(t.octets, t.first + 2), x'0a0a') > 0
        THEN CAST(substr(t.octets, t.first + 3 + instr(substr(t.octets, t.first + 2), x'0a0a')) AS TEXT)
    END AS new_approach,
    0 AS applied,
    0 AS applied_count,
    replace(t.timestamp, ' ', 'T') || '+00:00' AS created_at
FROM analytics.lineage AS l
JOIN (
    -- By bytes: of text that is no UTF-8, instr and substr count characters differently.
    SELECT rowid AS id, content, CAST(content AS BLOB) AS octets, timestamp,
        instr(CAST(content AS BLOB), x'0a0a') AS first
    FROM analytics.ai_reflections
) AS t ON t.id = l.target_id
WHERE l.source = 'jarvis_memory.reflections' AND l.target = 'ai_reflections';
