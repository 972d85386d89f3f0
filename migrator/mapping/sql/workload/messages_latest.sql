-- query:  messages_latest
-- legacy: telegram_memory.messages
-- target: analytics.telegram_messages
-- asked:  warm: the newest messages of all users
-- times:  timestamp
SELECT username, content, timestamp
FROM messages
ORDER BY id DESC
LIMIT 50;

-- consolidated:
SELECT username, message, timestamp
FROM telegram_messages
ORDER BY id DESC
LIMIT 50;
