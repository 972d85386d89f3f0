-- query:  tweets_by_category
-- legacy: jarvis_x_memory.tweets
-- target: analytics.tweets
-- asked:  warm: statistics
-- costs:  the category has no column: it is read out of the JSON of every post, and sorted; an
--         index on that expression helps, but then a connection that does not trust the schema cannot open the file
-- stays:  1.2: SQLite takes one more step for each post: it does not know that the index alone has the answer
SELECT category, count(*)
FROM tweets
GROUP BY category;

-- consolidated:
SELECT CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.category') END AS category, count(*)
FROM tweets
GROUP BY CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.category') END;
