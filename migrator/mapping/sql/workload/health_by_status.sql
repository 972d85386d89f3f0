-- query:  health_by_status
-- legacy: bot_health.bot_health_history
-- target: analytics.legacy_bot_health_bot_health_history
-- asked:  cold: how long a bot was up
-- takes:  SELECT 'jarvis' AS bot, '2026-01-01' AS since
SELECT status, count(*)
FROM bot_health_history
WHERE bot_name = :bot AND recorded_at >= :since
GROUP BY status;

-- consolidated:
SELECT status, count(*)
FROM legacy_bot_health_bot_health_history
WHERE bot_name = :bot AND recorded_at >= :since
GROUP BY status;
