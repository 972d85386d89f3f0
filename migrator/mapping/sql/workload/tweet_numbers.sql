-- query:  tweet_numbers
-- legacy: jarvis_x_memory.tweets
-- target: analytics.tweets
-- asked:  warm: the numbers of a post are taken down
-- takes:  SELECT tweet_id FROM jarvis_x_memory.tweets WHERE tweet_id <> '' ORDER BY tweet_id LIMIT 20
UPDATE tweets
SET engagement_likes = 3, engagement_retweets = 2, engagement_replies = 1
WHERE tweet_id = :tweet_id;

-- consolidated:
UPDATE tweets
SET likes = 3, retweets = 2, replies = 1
WHERE tweet_id = :tweet_id;
