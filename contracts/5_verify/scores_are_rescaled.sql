-- A sentiment score from -100 to 100 is scaled to 0 to 100.
-- clause: M10
-- variant: found
SELECT s.id
FROM sentiment.sentiment_readings AS s
JOIN analytics.lineage AS l
    ON l.source = 'sentiment.sentiment_readings' AND l.target = 'sentiment_readings' AND l.legacy_key = +s.id
JOIN analytics.sentiment_readings AS t ON t.id = +l.target_id
WHERE t.score IS NOT (s.score + 100.0) / 2;

-- broken by:
UPDATE analytics.sentiment_readings SET score = CASE WHEN score < 50 THEN score + 1 ELSE score - 1 END;
