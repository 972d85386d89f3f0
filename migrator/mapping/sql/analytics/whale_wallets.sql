-- target: analytics.whale_wallets
-- source: whales.whale_wallets
-- key:    address
-- rest:   category total_value_usd sol_balance win_rate avg_trade_size notes tags_json
-- why:    A balance is no flow, so the total moved is NULL.  For what else was known there are no columns and no JSON.
SELECT
    s.address AS legacy_key,
    s.address AS address,
    s.label AS label,
    NULL AS total_sol_moved,
    utc(CAST(s.first_seen AS BLOB)) AS first_seen,
    utc(CAST(s.last_activity AS BLOB)) AS last_active,
    s.is_active AS is_active
FROM whales.whale_wallets AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS address,
    coalesce(t.label, '') AS label,
    'unknown' AS category,
    0.0 AS total_value_usd,
    0.0 AS sol_balance,
    t.is_active AS is_active,
    replace(t.first_seen, ' ', 'T') || '+00:00' AS first_seen,
    replace(t.last_active, ' ', 'T') || '+00:00' AS last_activity,
    0.0 AS win_rate,
    0.0 AS avg_trade_size,
    NULL AS notes,
    NULL AS tags_json
FROM analytics.lineage AS l
JOIN analytics.whale_wallets AS t ON t.address = l.target_id
WHERE l.source = 'whales.whale_wallets' AND l.target = 'whale_wallets';
