-- query:  tweets_by_category
-- legacy: jarvis_x_memory.tweets
-- target: analytics.tweets
-- asked:  warm: statistics
-- costs:  the category has no column: it is read out of the JSON of every post, and sorted; an
--         index on json_extract would repair it, but then a connection that does not trust the schema cannot open the file
SELECT category, count(*)
FROM tweets
GROUP BY category;

-- consolidated:
SELECT json_extract(metadata, '$.category') AS category, count(*)
FROM tweets
GROUP BY json_extract(metadata, '$.category');
