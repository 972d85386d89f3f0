-- target: analytics.llm_costs
-- source: llm_costs.llm_usage
-- key:    id
-- why:    A provider that is not listed is 'other', its name stays in the metadata.  The amendment llm_providers lists three
--         more, which then keep their names in the column.  In the metadata there is also whether the call
--         succeeded, how long it took, its error and when it was written down, for which there are no columns.  The
--         JSON that came with a call goes in as the very text that was stored and therefore last.  What a call was for
--         was never stored.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    CASE
        WHEN :llm_providers IS 'named' AND s.provider IN ('groq', 'openrouter', 'ollama') THEN s.provider
        WHEN s.provider NOT IN ('anthropic', 'xai', 'openai', 'other') THEN 'other'
        ELSE s.provider
    END AS provider,
    s.model AS model,
    s.input_tokens AS input_tokens,
    s.output_tokens AS output_tokens,
    s.cost_usd AS cost_usd,
    NULL AS purpose,
    utc(CAST(s.timestamp AS BLOB)) AS timestamp,
    nullif('{' || substr(
        CASE
            WHEN s.provider IN ('anthropic', 'xai', 'openai', 'other') OR typeof(s.provider) <> 'text' THEN ''
            WHEN :llm_providers IS 'named' AND s.provider IN ('groq', 'openrouter', 'ollama') THEN ''
            ELSE ',"provider":' || text_cell(CAST(s.provider AS BLOB))
        END
        || CASE typeof(s.success) WHEN 'integer' THEN ',"success":' || s.success ELSE '' END
        || CASE typeof(s.latency_ms) WHEN 'real' THEN ',"latency_ms":' || cell(s.latency_ms) ELSE '' END
        || CASE typeof(s.error) WHEN 'text' THEN ',"error":' || text_cell(CAST(s.error AS BLOB)) ELSE '' END
        || coalesce(',"created_at":"' || utc(CAST(s.created_at AS BLOB)) || '"', '')
        || CASE
            WHEN typeof(s.metadata) <> 'text' THEN ''
            WHEN NOT json_valid(s.metadata) THEN ''
            WHEN json_type(s.metadata) <> 'object' THEN ''
            -- It holds NUL or bytes that are no UTF-8, or is nested too deep for other parsers.
            WHEN NOT plain_json(CAST(s.metadata AS BLOB)) THEN ''
            ELSE ',"metadata":' || s.metadata
        END, 2) || '}', '{}') AS metadata
FROM llm_costs.llm_usage AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    replace(t.timestamp, ' ', 'T') || '+00:00' AS timestamp,
    CASE
        WHEN t.provider = 'other'
            AND json_extract(t.metadata, '$.provider') NOT IN ('anthropic', 'xai', 'openai', 'other')
        THEN json_extract(t.metadata, '$.provider')
        ELSE t.provider
    END AS provider,
    t.model AS model,
    t.input_tokens AS input_tokens,
    t.output_tokens AS output_tokens,
    t.cost_usd AS cost_usd,
    json_extract(t.metadata, '$.latency_ms') AS latency_ms,
    coalesce(json_extract(t.metadata, '$.success'), 1) AS success,
    json_extract(t.metadata, '$.error') AS error,
    -- The text as it was stored, if that is still the last member.
    CASE
        WHEN json_valid(t.tail) THEN t.tail
        ELSE json_extract(t.metadata, '$.metadata')
    END AS metadata,
    json_extract(t.metadata, '$.created_at') AS created_at
FROM analytics.lineage AS l
JOIN (
    SELECT id, provider, model, input_tokens, output_tokens, cost_usd, timestamp,
        CASE WHEN json_valid(metadata) THEN metadata END AS metadata,
        CASE
            WHEN instr(metadata, '"metadata":') > 0
            THEN substr(metadata, instr(metadata, '"metadata":') + 11,
                length(metadata) - instr(metadata, '"metadata":') - 11)
        END AS tail
    FROM analytics.llm_costs
) AS t ON t.id = l.target_id
WHERE l.source = 'llm_costs.llm_usage' AND l.target = 'llm_costs';
