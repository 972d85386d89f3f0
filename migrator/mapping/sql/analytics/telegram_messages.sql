-- target: analytics.telegram_messages
-- source: telegram_memory.messages
-- key:    id
-- why:    Ids are kept, so that reading by id stays reading by time.  What the assistant said is a response, under the
--         id of the human as before; what a human said is a command if it begins like one, else a query.  The role that
--         was translated and the chat stay in the context.  A message without user or content is quarantined.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    s.user_id AS user_id,
    s.username AS username,
    s.content AS message,
    utc(CAST(s.timestamp AS BLOB)) AS timestamp,
    CASE s.role
        WHEN 'assistant' THEN 'response'
        WHEN 'user'
        THEN CASE
            WHEN substr(s.content, 1, 1) = '/'
                OR substr(s.content, 1, 4) = 'cli:'
                OR substr(s.content, 1, 5) IN ('code:', 'vibe:')
            THEN 'command'
            ELSE 'query'
        END
        ELSE s.role
    END AS message_type,
    json_object(
        'role', CAST(s.role AS TEXT),
        'chat_id', CASE typeof(s.chat_id) WHEN 'integer' THEN s.chat_id END
    ) AS context
FROM telegram_memory.messages AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    t.user_id AS user_id,
    t.username AS username,
    CASE
        WHEN t.message_type = json_extract(t.context, '$.role') THEN t.message_type
        WHEN t.message_type = 'response' THEN 'assistant'
        WHEN t.message_type IN ('command', 'query') THEN 'user'
        ELSE t.message_type
    END AS role,
    t.message AS content,
    replace(t.timestamp, ' ', 'T') || '+00:00' AS timestamp,
    coalesce(json_extract(t.context, '$.chat_id'), 0) AS chat_id
FROM analytics.lineage AS l
JOIN (
    SELECT id, user_id, username, message, timestamp, message_type,
        CASE WHEN json_valid(context) THEN context END AS context
    FROM analytics.telegram_messages
) AS t ON t.id = l.target_id
WHERE l.source = 'telegram_memory.messages' AND l.target = 'telegram_messages';
