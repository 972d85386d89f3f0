-- query:  mention_answered
-- legacy: jarvis_x_memory.mention_replies
-- target: analytics.legacy_jarvis_x_memory_mention_replies
-- asked:  hot: each mention that is seen
-- takes:  SELECT tweet_id FROM jarvis_x_memory.mention_replies ORDER BY tweet_id LIMIT 20
SELECT 1
FROM mention_replies
WHERE tweet_id = :tweet_id;

-- consolidated:
SELECT 1
FROM legacy_jarvis_x_memory_mention_replies
WHERE tweet_id = :tweet_id;
