-- query:  sentiment_of_symbol
-- legacy: sentiment.sentiment_readings
-- target: analytics.sentiment_readings
-- asked:  hot: every aggregation
-- takes:  SELECT DISTINCT symbol, (SELECT datetime(max(timestamp), '-7 days') FROM sentiment.sentiment_readings) AS since
--         FROM sentiment.sentiment_readings ORDER BY symbol LIMIT 20
-- times:  timestamp
SELECT source, score, confidence, timestamp
FROM sentiment_readings
WHERE symbol = :symbol AND datetime(timestamp) > :since
ORDER BY timestamp DESC;

-- consolidated:
SELECT source, score * 2 - 100 AS score, confidence, timestamp
FROM sentiment_readings
-- The plus keeps SQLite to the index of the symbol: among very many rows it would look through the times of all symbols.
WHERE symbol = :symbol AND +timestamp > :since
ORDER BY timestamp DESC;
