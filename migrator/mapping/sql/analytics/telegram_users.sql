-- target: analytics.telegram_users
-- source: jarvis_admin.users
-- key:    user_id
-- why:    Who is an administrator was never stored: it came from the environment, and the default 0 would demote them
--         all.  Nor were first and last names.  Warnings, trust, spam score and notes have no column and go into the
--         preferences.
SELECT
    s.user_id AS legacy_key,
    s.user_id AS user_id,
    s.username AS username,
    NULL AS first_name,
    NULL AS last_name,
    NULL AS is_admin,
    s.is_banned AS is_banned,
    utc(CAST(s.first_seen AS BLOB)) AS first_seen,
    utc(CAST(s.last_message_at AS BLOB)) AS last_seen,
    s.message_count AS message_count,
    nullif(json_patch('{}', json_object(
        'warning_count', CASE typeof(s.warning_count) WHEN 'integer' THEN s.warning_count END,
        'is_trusted', CASE typeof(s.is_trusted) WHEN 'integer' THEN s.is_trusted END,
        'spam_score', CASE typeof(s.spam_score) WHEN 'real' THEN json(cell(s.spam_score)) END,
        'notes', CASE typeof(s.notes) WHEN 'text' THEN json(text_cell(CAST(s.notes AS BLOB))) END
    )), '{}') AS preferences
FROM jarvis_admin.users AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS user_id,
    t.username AS username,
    replace(t.first_seen, ' ', 'T') || '+00:00' AS first_seen,
    t.message_count AS message_count,
    coalesce(json_extract(t.preferences, '$.warning_count'), 0) AS warning_count,
    t.is_banned AS is_banned,
    coalesce(json_extract(t.preferences, '$.is_trusted'), 0) AS is_trusted,
    coalesce(json_extract(t.preferences, '$.spam_score'), 0.0) AS spam_score,
    replace(t.last_seen, ' ', 'T') || '+00:00' AS last_message_at,
    json_extract(t.preferences, '$.notes') AS notes
FROM analytics.lineage AS l
JOIN (
    SELECT user_id, username, is_banned, first_seen, last_seen, message_count,
        CASE WHEN json_valid(preferences) THEN preferences END AS preferences
    FROM analytics.telegram_users
) AS t ON t.user_id = l.target_id
WHERE l.source = 'jarvis_admin.users' AND l.target = 'telegram_users';
