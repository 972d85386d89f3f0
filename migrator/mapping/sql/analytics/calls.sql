-- target: analytics.calls
-- source: call_tracking.calls
-- key:    id
-- number: timestamp
-- reads:  ids.mints
-- why:    Text ids become integers by time.  The three verdicts become types; any other word gives no type, and every
--         verdict stays in the metadata with all that was known at the time.  A price of 0 was an unknown price.  A
--         call without a contract gets the mint that its symbol names, or is quarantined.
SELECT
    s.id AS legacy_key,
    s.symbol AS symbol,
    coalesce(nullif(s.contract, ''), m.mint) AS token_address,
    CASE s.verdict
        WHEN 'BULLISH' THEN 'buy'
        WHEN 'BEARISH' THEN 'sell'
        WHEN 'NEUTRAL' THEN 'hold'
    END AS call_type,
    nullif(s.price_at_call, 0) AS entry_price,
    NULL AS target_price,
    NULL AS stop_loss_price,
    s.reasoning AS reasoning,
    utc(CAST(s.timestamp AS BLOB)) AS timestamp,
    s.source AS caller,
    nullif(json_patch('{}', json_object(
        'verdict', CASE typeof(s.verdict) WHEN 'text' THEN json(text_cell(CAST(s.verdict AS BLOB))) END,
        'score', CASE typeof(s.score) WHEN 'real' THEN json(cell(s.score)) END,
        'change_24h_at_call', CASE typeof(s.change_24h_at_call) WHEN 'real' THEN json(cell(s.change_24h_at_call)) END,
        'buy_sell_ratio', CASE typeof(s.buy_sell_ratio) WHEN 'real' THEN json(cell(s.buy_sell_ratio)) END,
        'volume_24h', CASE typeof(s.volume_24h) WHEN 'real' THEN json(cell(s.volume_24h)) END,
        'market_cap', CASE typeof(s.market_cap) WHEN 'real' THEN json(cell(s.market_cap)) END,
        'liquidity', CASE typeof(s.liquidity) WHEN 'real' THEN json(cell(s.liquidity)) END,
        'holders', CASE typeof(s.holders) WHEN 'integer' THEN s.holders END,
        'market_regime',
        CASE typeof(s.market_regime) WHEN 'text' THEN json(text_cell(CAST(s.market_regime AS BLOB))) END
    )), '{}') AS metadata
FROM call_tracking.calls AS s
LEFT JOIN ids.mints AS m ON m.symbol = lower(s.symbol) AND typeof(s.symbol) = 'text';

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    replace(t.timestamp, ' ', 'T') || '+00:00' AS timestamp,
    t.caller AS source,
    t.symbol AS symbol,
    t.token_address AS contract,
    CASE
        WHEN t.call_type = 'buy' THEN 'BULLISH'
        WHEN t.call_type = 'sell' THEN 'BEARISH'
        WHEN t.call_type = 'hold' THEN 'NEUTRAL'
        WHEN json_extract(t.metadata, '$.verdict') NOT IN ('BULLISH', 'BEARISH', 'NEUTRAL')
        THEN json_extract(t.metadata, '$.verdict')
        ELSE ''
    END AS verdict,
    json_extract(t.metadata, '$.score') AS score,
    coalesce(t.entry_price, 0.0) AS price_at_call,
    t.reasoning AS reasoning,
    json_extract(t.metadata, '$.change_24h_at_call') AS change_24h_at_call,
    json_extract(t.metadata, '$.buy_sell_ratio') AS buy_sell_ratio,
    json_extract(t.metadata, '$.volume_24h') AS volume_24h,
    json_extract(t.metadata, '$.market_cap') AS market_cap,
    json_extract(t.metadata, '$.liquidity') AS liquidity,
    json_extract(t.metadata, '$.holders') AS holders,
    json_extract(t.metadata, '$.market_regime') AS market_regime
FROM analytics.lineage AS l
JOIN (
    SELECT id, symbol, token_address, call_type, entry_price, reasoning, timestamp, caller,
        CASE WHEN json_valid(metadata) THEN metadata END AS metadata
    FROM analytics.calls
) AS t ON t.id = l.target_id
WHERE l.source = 'call_tracking.calls' AND l.target = 'calls';
