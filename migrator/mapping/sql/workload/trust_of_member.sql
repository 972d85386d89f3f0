-- query:  trust_of_member
-- legacy: jarvis_admin.engagement
-- target: analytics.legacy_jarvis_admin_engagement
-- asked:  warm: how far a member is trusted
-- takes:  SELECT DISTINCT user_id, '2026-01-01' AS since FROM jarvis_admin.engagement ORDER BY user_id LIMIT 20
SELECT count(*)
FROM engagement
WHERE user_id = :user_id AND timestamp > :since;

-- consolidated:
SELECT count(*)
FROM legacy_jarvis_admin_engagement
WHERE user_id = :user_id AND timestamp > :since;
