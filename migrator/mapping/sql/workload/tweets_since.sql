-- query:  tweets_since
-- legacy: jarvis_x_memory.tweets
-- target: analytics.tweets
-- asked:  hot: several times for each draft
-- takes:  SELECT strftime('%Y-%m-%dT%H:%M:%S', max(posted_at), '-' || column1 || ' hours') AS since
--         FROM jarvis_x_memory.tweets, (VALUES (2), (4), (24), (48)) GROUP BY column1
-- times:  posted_at
-- json:   cashtags
SELECT content, category, cashtags, posted_at
FROM tweets
WHERE posted_at > :since
ORDER BY posted_at DESC;

-- consolidated:
SELECT content, json_extract(metadata, '$.category'), coalesce(metadata -> '$.cashtags', '[]'), timestamp
FROM tweets
WHERE timestamp > replace(substr(:since, 1, 19), 'T', ' ')
ORDER BY timestamp DESC;
