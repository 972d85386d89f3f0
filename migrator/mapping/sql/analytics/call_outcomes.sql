-- target: analytics.call_outcomes
-- source: call_tracking.outcomes
-- key:    id
-- number: closed_at
-- reads:  ids.calls analytics.calls
-- rest:   price_after
-- follows: call_id=call_tracking.calls.id
-- why:    Text ids become integers by time.  A call was right if the price then moved its way: up for a buy, down for
--         a sell; not at all is break-even.  Of a call to hold, of one without a type, or where nothing was measured,
--         there is no outcome.  The change is kept as it was measured, whichever way the call pointed; the notes say
--         after how long.  What was measured of a call that is not there, or is quarantined, is quarantined.
SELECT
    s.id AS legacy_key,
    p.id AS call_id,
    CASE
        WHEN typeof(s.change_pct) = 'real'
        THEN CASE
            ((s.change_pct > 0) - (s.change_pct < 0)) * CASE c.call_type WHEN 'buy' THEN 1 WHEN 'sell' THEN -1 END
            WHEN 1 THEN 'win'
            WHEN 0 THEN 'break_even'
            WHEN -1 THEN 'loss'
        END
    END AS outcome,
    s.change_pct AS pnl_percent,
    utc(CAST(s.measured_at AS BLOB)) AS closed_at,
    s.timeframe AS notes
FROM call_tracking.outcomes AS s
LEFT JOIN ids.calls AS p ON p.legacy_key = +s.call_id
LEFT JOIN analytics.calls AS c ON c.id = +p.id;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    coalesce(p.legacy_key, '') AS call_id,
    t.notes AS timeframe,
    NULL AS price_after,
    t.pnl_percent AS change_pct,
    replace(t.closed_at, ' ', 'T') || '+00:00' AS measured_at
FROM analytics.lineage AS l
JOIN analytics.call_outcomes AS t ON t.id = l.target_id
LEFT JOIN analytics.lineage AS p
    ON p.target = 'calls' AND p.target_id = +t.call_id AND p.source = 'call_tracking.calls'
WHERE l.source = 'call_tracking.outcomes' AND l.target = 'call_outcomes';
