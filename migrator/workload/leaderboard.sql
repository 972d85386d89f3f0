-- query:  leaderboard
-- legacy: jarvis_admin.engagement
-- target: analytics.legacy_jarvis_admin_engagement
-- asked:  warm: who takes part most
-- takes:  SELECT datetime(max(timestamp), '-30 days') AS since FROM jarvis_admin.engagement
-- costs:  a carried table comes without its indexes, so the rows are sorted by user first
-- mends:  CREATE INDEX analytics.idx_carried_engagement_user ON legacy_jarvis_admin_engagement(user_id, timestamp)
SELECT user_id, count(*) AS n
FROM engagement
WHERE timestamp > :since
GROUP BY user_id
ORDER BY n DESC, user_id
LIMIT 10;

-- consolidated:
SELECT user_id, count(*) AS n
FROM legacy_jarvis_admin_engagement
WHERE timestamp > :since
GROUP BY user_id
ORDER BY n DESC, user_id
LIMIT 10;
