-- target: analytics.sentiment_readings
-- source: sentiment.sentiment_readings
-- key:    id
-- reads:  ids.mints
-- rounds: score
-- why:    Scores from -100 to 100 are rescaled to 0 to 100, never clamped; what lies beyond, or is no number, is
--         quarantined, and so is a symbol that does not name one mint.  Five labels become three.  The score and the
--         label as they were stay in the metadata, with what else was measured; of that the JSON object goes in as the
--         very text that was stored and therefore last.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    s.symbol AS symbol,
    m.mint AS token_address,
    CASE WHEN typeof(s.score) IN ('real', 'integer') THEN (s.score + 100.0) / 2 END AS score,
    CASE s.label WHEN 'very_bullish' THEN 'bullish' WHEN 'very_bearish' THEN 'bearish' ELSE s.label END AS sentiment,
    s.confidence AS confidence,
    s.source AS source,
    utc(CAST(s.timestamp AS BLOB)) AS timestamp,
    nullif('{' || substr(
        CASE typeof(s.score) WHEN 'real' THEN ',"score":' || cell(s.score) ELSE '' END
        || CASE WHEN s.label IN ('very_bullish', 'very_bearish') THEN ',"label":"' || s.label || '"' ELSE '' END
        || CASE typeof(s.data_points) WHEN 'integer' THEN ',"data_points":' || s.data_points ELSE '' END
        || CASE
            WHEN typeof(s.metadata_json) <> 'text' THEN ''
            WHEN NOT json_valid(s.metadata_json) THEN ''
            WHEN json_type(s.metadata_json) <> 'object' THEN ''
            -- It holds NUL or bytes that are no UTF-8, or is nested too deep for other parsers.
            WHEN NOT plain_json(CAST(s.metadata_json AS BLOB)) THEN ''
            ELSE ',"metadata_json":' || s.metadata_json
        END, 2) || '}', '{}') AS metadata
FROM sentiment.sentiment_readings AS s
LEFT JOIN ids.mints AS m ON m.symbol = lower(s.symbol) AND typeof(s.symbol) = 'text';

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    t.source AS source,
    t.symbol AS symbol,
    CASE
        WHEN (json_extract(t.metadata, '$.score') + 100.0) / 2 IS t.score THEN json_extract(t.metadata, '$.score')
        ELSE t.score * 2 - 100
    END AS score,
    CASE
        WHEN t.sentiment = 'bullish' AND json_extract(t.metadata, '$.label') = 'very_bullish' THEN 'very_bullish'
        WHEN t.sentiment = 'bearish' AND json_extract(t.metadata, '$.label') = 'very_bearish' THEN 'very_bearish'
        ELSE t.sentiment
    END AS label,
    t.confidence AS confidence,
    replace(t.timestamp, ' ', 'T') || '+00:00' AS timestamp,
    json_extract(t.metadata, '$.data_points') AS data_points,
    -- The text as it was stored, if that is still the last member.
    CASE
        WHEN json_valid(t.tail) THEN t.tail
        ELSE json_extract(t.metadata, '$.metadata_json')
    END AS metadata_json
FROM analytics.lineage AS l
JOIN (
    SELECT id, symbol, score, sentiment, confidence, source, timestamp,
        CASE WHEN json_valid(metadata) THEN metadata END AS metadata,
        CASE
            WHEN instr(metadata, '"metadata_json":') > 0
            THEN substr(metadata, instr(metadata, '"metadata_json":') + 16,
                length(metadata) - instr(metadata, '"metadata_json":') - 16)
        END AS tail
    FROM analytics.sentiment_readings
) AS t ON t.id = l.target_id
WHERE l.source = 'sentiment.sentiment_readings' AND l.target = 'sentiment_readings';
