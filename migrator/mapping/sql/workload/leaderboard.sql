-- query:  leaderboard
-- legacy: jarvis_admin.engagement
-- target: analytics.legacy_jarvis_admin_engagement
-- asked:  warm: who takes part most
-- takes:  SELECT datetime(max(timestamp), '-30 days') AS since FROM jarvis_admin.engagement
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
