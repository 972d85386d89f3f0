-- target: analytics.tweets
-- source: jarvis_x_memory.tweets
-- key:    id
-- keep:   timestamp NULLS LAST, id
-- why:    '' is no id of a post and no time; a post without content is quarantined, one with empty content is not.
--         Category and cashtags go into the metadata, the cashtags as the very text that was stored and therefore last.
--         Impressions and links were never stored.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    nullif(s.tweet_id, '') AS tweet_id,
    s.content AS content,
    utc(CAST(s.posted_at AS BLOB)) AS timestamp,
    s.engagement_likes AS likes,
    s.engagement_retweets AS retweets,
    s.engagement_replies AS replies,
    NULL AS impressions,
    NULL AS url,
    nullif('{' || substr(
        CASE typeof(s.category) WHEN 'text' THEN ',"category":' || text_cell(CAST(s.category AS BLOB)) ELSE '' END
        || CASE
            WHEN typeof(s.cashtags) <> 'text' THEN ''
            WHEN NOT json_valid(s.cashtags) THEN ''
            WHEN json_type(s.cashtags) <> 'array' THEN ''
            -- It holds NUL or bytes that are no UTF-8, or is nested too deep for other parsers.
            WHEN NOT plain_json(CAST(s.cashtags AS BLOB)) THEN ''
            ELSE ',"cashtags":' || s.cashtags
        END, 2) || '}', '{}') AS metadata
FROM jarvis_x_memory.tweets AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    t.tweet_id AS tweet_id,
    t.content AS content,
    json_extract(t.metadata, '$.category') AS category,
    -- The text as it was stored, if that is still the last member.
    CASE
        WHEN json_valid(t.tail) THEN t.tail
        ELSE coalesce(json_extract(t.metadata, '$.cashtags'), '[]')
    END AS cashtags,
    coalesce(replace(t.timestamp, ' ', 'T') || '+00:00', '') AS posted_at,
    t.likes AS engagement_likes,
    t.retweets AS engagement_retweets,
    t.replies AS engagement_replies
FROM analytics.lineage AS l
JOIN (
    SELECT id, tweet_id, content, timestamp, likes, retweets, replies,
        CASE WHEN json_valid(metadata) THEN metadata END AS metadata,
        CASE
            WHEN instr(metadata, '"cashtags":') > 0
            THEN substr(metadata, instr(metadata, '"cashtags":') + 11,
                length(metadata) - instr(metadata, '"cashtags":') - 11)
        END AS tail
    FROM analytics.tweets
) AS t ON t.id = l.target_id
WHERE l.source = 'jarvis_x_memory.tweets' AND l.target = 'tweets';
