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
    CASE WHEN t.first > 0 THEN substr(t.content, 1, t.first - 1) ELSE t.content END AS "trigger",
    NULL AS what_happened,
    NULL AS why_failed,
    CASE
        WHEN t.first = 0 THEN ''
        WHEN instr(substr(t.content, t.first + 2), char(10, 10)) = 0 THEN substr(t.content, t.first + 2)
        ELSE substr(t.content, t.first + 2, instr(substr(t.content, t.first + 2), char(10, 10)) - 1)
    END AS lesson,
    CASE
        WHEN t.first > 0 AND instr(substr(t.content, t.first + 2), char(10, 10)) > 0
        THEN substr(t.content, t.first + 3 + instr(substr(t.content, t.first + 2), char(10, 10)))
    END AS new_approach,
    0 AS applied,
    0 AS applied_count,
    replace(t.timestamp, ' ', 'T') || '+00:00' AS created_at
FROM analytics.lineage AS l
JOIN (
    SELECT rowid AS id, content, timestamp, instr(content, char(10, 10)) AS first FROM analytics.ai_reflections
) AS t ON t.id = l.target_id
WHERE l.source = 'jarvis_memory.reflections' AND l.target = 'ai_reflections';
