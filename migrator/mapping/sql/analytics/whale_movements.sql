-- target: analytics.whale_movements
-- source: whales.whale_movements
-- key:    id
-- keep:   timestamp NULLS LAST, id
-- reads:  ids.mints
-- rest:   wallet_label movement_type value_usd counterparty is_significant
-- follows: wallet_address=whales.whale_wallets.address
-- why:    An amount is in units of its token, so it is an amount of SOL only where the token is wrapped SOL; any other
--         movement is quarantined.  Bought is in and sold is out; '' is no direction and no signature.  There is no
--         column for what else was known, nor for the direction as it was: rest has it where it was IN or OUT.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    nullif(s.wallet_address, '') AS wallet_address,
    coalesce(nullif(s.token_mint, ''), m.mint) AS token_address,
    s.token_symbol AS token_symbol,
    CASE
        WHEN coalesce(nullif(s.token_mint, ''), m.mint) = 'So11111111111111111111111111111111111111112' THEN s.amount
    END AS amount_sol,
    CASE
        WHEN s.direction IN ('BUY', 'IN') THEN 'in'
        WHEN s.direction IN ('SELL', 'OUT') THEN 'out'
        ELSE nullif(s.direction, '')
    END AS direction,
    nullif(s.tx_signature, '') AS signature,
    utc(CAST(s.timestamp AS BLOB)) AS timestamp
FROM whales.whale_movements AS s
LEFT JOIN ids.mints AS m ON m.symbol = lower(s.token_symbol) AND typeof(s.token_symbol) = 'text';

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    t.wallet_address AS wallet_address,
    '' AS wallet_label,
    replace(t.timestamp, ' ', 'T') || '+00:00' AS timestamp,
    NULL AS movement_type,
    t.token_symbol AS token_symbol,
    t.token_address AS token_mint,
    t.amount_sol AS amount,
    NULL AS value_usd,
    CASE t.direction WHEN 'in' THEN 'BUY' WHEN 'out' THEN 'SELL' ELSE '' END AS direction,
    coalesce(t.signature, '') AS tx_signature,
    '' AS counterparty,
    0 AS is_significant
FROM analytics.lineage AS l
JOIN analytics.whale_movements AS t ON t.id = l.target_id
WHERE l.source = 'whales.whale_movements' AND l.target = 'whale_movements';
