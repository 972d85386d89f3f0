-- A message of the assistant is a response; a message of a user is a command or a query.
-- clause: M9
-- variant: found
SELECT s.id
FROM telegram_memory.messages AS s
JOIN analytics.lineage AS l
    ON l.source = 'telegram_memory.messages' AND l.target = 'telegram_messages' AND l.legacy_key = +s.id
JOIN analytics.telegram_messages AS t ON t.id = +l.target_id
WHERE t.message_type IS NOT CASE
    WHEN s.role = 'assistant' THEN 'response'
    WHEN s.role IS NOT 'user' THEN s.role
    WHEN typeof(s.content) = 'text' AND (
        substr(s.content, 1, 1) = '/' OR substr(s.content, 1, 4) = 'cli:' OR substr(s.content, 1, 5) IN ('code:', 'vibe:')
    ) THEN 'command'
    ELSE 'query'
END;

-- broken by:
UPDATE analytics.telegram_messages SET message_type = CASE message_type WHEN 'response' THEN 'query' ELSE 'response' END;
