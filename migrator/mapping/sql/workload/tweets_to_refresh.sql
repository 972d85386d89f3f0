-- query:  tweets_to_refresh
-- legacy: jarvis_x_memory.tweets
-- target: analytics.tweets
-- asked:  warm: whose numbers are asked for again
-- takes:  SELECT strftime('%Y-%m-%dT%H:%M:%S', max(posted_at), '-7 days') AS since,
--         strftime('%Y-%m-%dT%H:%M:%S', max(posted_at), '-1 hours') AS until FROM jarvis_x_memory.tweets
-- times:  posted_at
SELECT tweet_id, category, posted_at, engagement_likes
FROM tweets
WHERE posted_at < :until AND posted_at > :since
ORDER BY posted_at DESC
LIMIT 50;

-- consolidated:
SELECT tweet_id, json_extract(metadata, '$.category'), timestamp, likes
FROM tweets
WHERE timestamp < replace(substr(:until, 1, 19), 'T', ' ') AND timestamp > replace(substr(:since, 1, 19), 'T', ' ')
ORDER BY timestamp DESC
LIMIT 50;
