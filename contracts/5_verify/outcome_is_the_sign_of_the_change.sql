-- A call to buy has won if the price rose, a call to sell if it fell.
-- clause: M9
-- variant: found
SELECT s.id
FROM call_tracking.outcomes AS s
JOIN call_tracking.calls AS c ON c.id = s.call_id
JOIN analytics.lineage AS l ON l.source = 'call_tracking.outcomes' AND l.target = 'call_outcomes' AND l.legacy_key = +s.id
JOIN analytics.call_outcomes AS t ON t.id = +l.target_id
WHERE t.outcome IS NOT CASE
    WHEN typeof(s.change_pct) <> 'real' OR c.verdict NOT IN ('BULLISH', 'BEARISH') OR c.verdict IS NULL THEN NULL
    WHEN s.change_pct = 0.0 THEN 'break_even'
    WHEN (s.change_pct > 0.0) = (c.verdict = 'BULLISH') THEN 'win'
    ELSE 'loss'
END;

-- broken by:
UPDATE analytics.call_outcomes SET outcome = 'win' WHERE outcome = 'loss';
UPDATE analytics.call_outcomes SET outcome = 'loss' WHERE outcome IS NULL;
