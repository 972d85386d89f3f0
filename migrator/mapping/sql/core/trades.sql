-- target: core.trades
-- source: jarvis.trades
-- key:    id
-- number: timestamp
-- keep:   timestamp NULLS LAST, legacy_key
-- reads:  ids.positions ids.mints ids.swaps
-- follows: position_id=jarvis.positions.id
-- why:    Text ids become integers by time.  A position that is gone is NULL, the link stays in lineage.  A trade was
--         recorded only after it succeeded, so it is confirmed.  Of two with one signature the earlier stays.  Where
--         the treasury recorded the same swap its exact integers join the metadata.  Route, slippage and fees are
--         unknown.
SELECT
    s.id AS legacy_key,
    p.id AS position_id,
    iif(typeof(s.side) = 'text', lower(s.side), s.side) AS direction,
    s.symbol AS symbol,
    coalesce(nullif(s.token_mint, ''), m.mint) AS token_address,
    s.amount_tokens AS amount,
    s.amount_sol AS amount_sol,
    s.price AS price,
    NULL AS slippage_bps,
    nullif(s.tx_signature, '') AS signature,
    'confirmed' AS status,
    NULL AS via,
    NULL AS fee_sol,
    NULL AS partner_fee_sol,
    utc(CAST(s.timestamp AS BLOB)) AS timestamp,
    NULL AS confirmation_time,
    NULL AS error_message,
    nullif(json_patch('{}', json_object(
        'user_id', CASE WHEN typeof(s.user_id) = 'integer' AND s.user_id <> 0 THEN s.user_id END,
        'swap_amount_in', CASE typeof(w.amount_in) WHEN 'integer' THEN w.amount_in END,
        'swap_amount_out', CASE typeof(w.amount_out) WHEN 'integer' THEN w.amount_out END
    )), '{}') AS metadata
FROM jarvis.trades AS s
LEFT JOIN ids.positions AS p ON p.legacy_key = +s.position_id
LEFT JOIN ids.mints AS m ON m.symbol = lower(s.symbol) AND typeof(s.symbol) = 'text'
LEFT JOIN ids.swaps AS w ON w.signature = nullif(s.tx_signature, '');

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    t.symbol AS symbol,
    t.token_address AS token_mint,
    t.direction AS side,
    t.amount_sol AS amount_sol,
    t.amount AS amount_tokens,
    t.price AS price,
    replace(t.timestamp, ' ', 'T') || '+00:00' AS timestamp,
    coalesce(t.signature, '') AS tx_signature,
    coalesce(p.legacy_key, '') AS position_id,
    coalesce(json_extract(t.metadata, '$.user_id'), 0) AS user_id
FROM core.lineage AS l
JOIN (
    SELECT
        id, position_id, symbol, token_address, direction, amount, amount_sol, price, signature, timestamp,
        CASE WHEN json_valid(metadata) THEN metadata END AS metadata
    FROM core.trades
) AS t ON t.id = l.target_id
LEFT JOIN core.lineage AS p ON p.target = 'positions' AND p.target_id = +t.position_id
WHERE l.source = 'jarvis.trades' AND l.target = 'trades';
