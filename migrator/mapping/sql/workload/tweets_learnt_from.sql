-- query:  tweets_learnt_from
-- legacy: jarvis_x_memory.tweets
-- target: analytics.tweets
-- asked:  warm: what the bot learns from
-- takes:  SELECT strftime('%Y-%m-%dT%H:%M:%S', max(posted_at), '-30 days') AS since FROM jarvis_x_memory.tweets
-- costs:  the category has no column: it is read out of the JSON of the posts, and they are sorted by it; an
--         index on that expression helps, but then a connection that does not trust the schema cannot open the file
SELECT category, count(*), avg(engagement_likes), avg(engagement_retweets), avg(engagement_replies)
FROM tweets
WHERE posted_at > :since
GROUP BY category;

-- consolidated:
SELECT CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.category') END AS category, count(*), avg(likes), avg(retweets), avg(replies)
FROM tweets
WHERE timestamp > replace(substr(:since, 1, 19), 'T', ' ')
GROUP BY CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.category') END;
