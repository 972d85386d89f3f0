-- target: cache.rate_limiter_logs
-- source: rate_limiter.request_log
-- key:    request_id
-- number: timestamp
-- rest:   wait_time_ms limit_name
-- why:    Text ids become integers by time.  A scope 'user:<integer>' names the user; any other scope (a wallet, an
--         address, an endpoint) names no user, and the row is quarantined.
SELECT
    s.request_id AS legacy_key,
    CASE
        -- No leading zero, nothing behind, nothing beyond 64 bits.
        WHEN s.scope_key = 'user:' || CAST(substr(s.scope_key, 6) AS INTEGER)
        THEN CAST(substr(s.scope_key, 6) AS INTEGER)
    END AS user_id,
    s.endpoint AS endpoint,
    utc(CAST(s.timestamp AS BLOB)) AS timestamp,
    s.allowed AS allowed
FROM rate_limiter.request_log AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS request_id,
    t.endpoint AS endpoint,
    'user:' || t.user_id AS scope_key,
    replace(t.timestamp, ' ', 'T') || '+00:00' AS timestamp,
    t.allowed AS allowed,
    0.0 AS wait_time_ms,
    NULL AS limit_name
FROM cache.lineage AS l
JOIN cache.rate_limiter_logs AS t ON t.id = l.target_id
WHERE l.source = 'rate_limiter.request_log' AND l.target = 'rate_limiter_logs';
