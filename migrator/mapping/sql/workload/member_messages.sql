-- query:  member_messages
-- legacy: jarvis_admin.messages
-- target: analytics.legacy_jarvis_admin_messages
-- asked:  warm: is it spam
-- takes:  SELECT user_id FROM jarvis_admin.messages GROUP BY user_id ORDER BY count(*) DESC LIMIT 10
SELECT text, timestamp
FROM messages
WHERE user_id = :user_id
ORDER BY id DESC
LIMIT 20;

-- consolidated:
SELECT text, timestamp
FROM legacy_jarvis_admin_messages
WHERE user_id = :user_id
ORDER BY id DESC
LIMIT 20;
