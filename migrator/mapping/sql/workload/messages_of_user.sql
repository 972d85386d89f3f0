-- query:  messages_of_user
-- legacy: telegram_memory.messages
-- target: analytics.telegram_messages
-- asked:  hot: the context of every answer
-- takes:  SELECT user_id FROM telegram_memory.messages GROUP BY user_id ORDER BY count(*), user_id LIMIT 20
-- times:  timestamp
SELECT content, timestamp
FROM messages
WHERE user_id = :user_id
ORDER BY id DESC
LIMIT 20;

-- consolidated:
SELECT message, timestamp
FROM telegram_messages
WHERE user_id = :user_id
ORDER BY id DESC
LIMIT 20;
