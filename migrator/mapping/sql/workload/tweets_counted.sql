-- query:  tweets_counted
-- legacy: jarvis_x_memory.tweets
-- target: analytics.tweets
-- asked:  warm: statistics
SELECT count(*)
FROM tweets;

-- consolidated:
SELECT count(*)
FROM tweets;
