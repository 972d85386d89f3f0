-- The earlier of two legacy trades is also the earlier consolidated trade, and has the lower id.
-- clause: M7
-- variant: found
SELECT id
FROM (
    SELECT t.id, t.timestamp AS now, lag(t.timestamp) OVER moments AS before, lag(t.id) OVER moments AS id_before
    FROM jarvis.trades AS s
    JOIN core.lineage AS l ON l.source = 'jarvis.trades' AND l.target = 'trades' AND l.legacy_key = +s.id
    JOIN core.trades AS t ON t.id = +l.target_id
    -- Only times in UTC, the bot's usual spelling: their text sorts like the times.
    WHERE s.timestamp GLOB '????-??-??T??:??:??*+00:00' AND t.timestamp IS NOT NULL
    WINDOW moments AS (ORDER BY substr(s.timestamp, 1, 19), t.timestamp, t.id)
)
WHERE now < before OR id < id_before;

-- broken by:
UPDATE core.trades SET timestamp = '0000-01-01 00:00:00'
WHERE id IN (
    SELECT max(+l.target_id)
    FROM jarvis.trades AS s
    JOIN core.lineage AS l ON l.source = 'jarvis.trades' AND l.target = 'trades' AND l.legacy_key = +s.id
    WHERE s.timestamp GLOB '????-??-??T??:??:??*+00:00'
        AND l.target_id IN (SELECT id FROM core.trades WHERE timestamp IS NOT NULL)
    HAVING count(DISTINCT substr(s.timestamp, 1, 19)) > 1
);
