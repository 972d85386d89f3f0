-- query:  chat_messages
-- legacy: jarvis_admin.messages
-- target: analytics.legacy_jarvis_admin_messages
-- asked:  warm: what a chat is about
-- takes:  SELECT DISTINCT chat_id FROM jarvis_admin.messages ORDER BY chat_id LIMIT 10
SELECT username, text, timestamp
FROM messages
WHERE chat_id = :chat_id
ORDER BY id DESC
LIMIT 50;

-- consolidated:
SELECT username, text, timestamp
FROM legacy_jarvis_admin_messages
WHERE chat_id = :chat_id
ORDER BY id DESC
LIMIT 50;
