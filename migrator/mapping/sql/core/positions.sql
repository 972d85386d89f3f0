-- target: core.positions
-- source: jarvis.positions
-- key:    id
-- number: entry_time
-- keep:   status <> 'open', entry_time DESC, legacy_key DESC
-- reads:  ids.mints
-- rounds: take_profit_percent stop_loss_percent
-- why:    Text ids become integers by time.  UNIQUE(token_address) lets one row of a token's history in: the open one,
--         of two the later, else the latest.  Closed states become 'closed', the exact one stays in metadata.  What was
--         never stored is NULL, not the default that looks like a fact.  Percentages are of the entry price.
SELECT
    s.id AS legacy_key,
    s.symbol AS symbol,
    coalesce(nullif(s.token_mint, ''), m.mint) AS token_address,
    s.entry_price AS entry_price,
    NULL AS current_price,
    s.entry_amount_tokens AS amount,
    s.entry_amount_sol AS amount_sol,
    CASE
        WHEN typeof(s.status) = 'text' AND (s.status GLOB 'closed_*' OR s.status = 'failed') THEN 'closed'
        ELSE s.status
    END AS status,
    utc(CAST(s.opened_at AS BLOB)) AS entry_time,
    utc(CAST(s.closed_at AS BLOB)) AS exit_time,
    NULL AS pnl_usd,
    s.pnl_pct AS pnl_percent,
    CASE
        WHEN typeof(s.take_profit_price) = 'real' AND s.take_profit_price <> 0
            AND typeof(s.entry_price) = 'real' AND s.entry_price > 0
        THEN (s.take_profit_price / s.entry_price - 1) * 100
    END AS take_profit_percent,
    CASE
        WHEN typeof(s.stop_loss_price) = 'real' AND s.stop_loss_price <> 0
            AND typeof(s.entry_price) = 'real' AND s.entry_price > 0
        THEN (1 - s.stop_loss_price / s.entry_price) * 100
    END AS stop_loss_percent,
    NULL AS trailing_stop_enabled,
    NULL AS trailing_stop_activation,
    NULL AS trailing_stop_distance,
    NULL AS highest_price,
    :wallet_address AS wallet_address,
    nullif(s.user_id, 0) AS user_id,
    NULL AS notes,
    json_patch('{}', json_object(
        'legacy_status',
        CASE WHEN typeof(s.status) = 'text' AND (s.status GLOB 'closed_*' OR s.status = 'failed')
            THEN json(text_cell(CAST(s.status AS BLOB))) END,
        'take_profit_price', CASE typeof(s.take_profit_price) WHEN 'real' THEN json(cell(s.take_profit_price)) END,
        'stop_loss_price', CASE typeof(s.stop_loss_price) WHEN 'real' THEN json(cell(s.stop_loss_price)) END,
        'tp_order_id',
        CASE WHEN typeof(s.tp_order_id) = 'text' AND s.tp_order_id <> ''
            THEN json(text_cell(CAST(s.tp_order_id AS BLOB))) END,
        'sl_order_id',
        CASE WHEN typeof(s.sl_order_id) = 'text' AND s.sl_order_id <> ''
            THEN json(text_cell(CAST(s.sl_order_id AS BLOB))) END,
        'exit_price', CASE WHEN typeof(s.exit_price) = 'real' AND s.exit_price <> 0 THEN json(cell(s.exit_price)) END,
        'exit_amount_sol',
        CASE WHEN typeof(s.exit_amount_sol) = 'real' AND s.exit_amount_sol <> 0 THEN json(cell(s.exit_amount_sol)) END,
        'pnl_sol', CASE WHEN typeof(s.pnl_sol) = 'real' AND s.pnl_sol <> 0 THEN json(cell(s.pnl_sol)) END,
        'tx_signature_entry',
        CASE WHEN typeof(s.tx_signature_entry) = 'text' AND s.tx_signature_entry <> ''
            THEN json(text_cell(CAST(s.tx_signature_entry AS BLOB))) END,
        'tx_signature_exit',
        CASE WHEN typeof(s.tx_signature_exit) = 'text' AND s.tx_signature_exit <> ''
            THEN json(text_cell(CAST(s.tx_signature_exit AS BLOB))) END
    )) AS metadata
FROM jarvis.positions AS s
LEFT JOIN ids.mints AS m ON m.symbol = lower(s.symbol) AND typeof(s.symbol) = 'text';

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    t.symbol AS symbol,
    t.token_address AS token_mint,
    t.entry_price AS entry_price,
    t.amount_sol AS entry_amount_sol,
    t.amount AS entry_amount_tokens,
    CASE
        WHEN t.take_profit_percent
            IS (nullif(json_extract(t.metadata, '$.take_profit_price'), 0) / iif(typeof(t.entry_price) = 'real', t.entry_price, NULL) - 1) * 100
        THEN json_extract(t.metadata, '$.take_profit_price')
        ELSE t.entry_price * (1 + t.take_profit_percent / 100) + 0.0
    END AS take_profit_price,
    CASE
        WHEN t.stop_loss_percent
            IS (1 - nullif(json_extract(t.metadata, '$.stop_loss_price'), 0) / iif(typeof(t.entry_price) = 'real', t.entry_price, NULL)) * 100
        THEN json_extract(t.metadata, '$.stop_loss_price')
        ELSE t.entry_price * (1 - t.stop_loss_percent / 100) + 0.0
    END AS stop_loss_price,
    coalesce(json_extract(t.metadata, '$.tp_order_id'), '') AS tp_order_id,
    coalesce(json_extract(t.metadata, '$.sl_order_id'), '') AS sl_order_id,
    CASE
        WHEN t.status = 'closed'
        THEN coalesce(json_extract(t.metadata, '$.legacy_status'), 'closed_manual')
        ELSE t.status
    END AS status,
    coalesce(json_extract(t.metadata, '$.exit_price'), 0.0) AS exit_price,
    coalesce(json_extract(t.metadata, '$.exit_amount_sol'), 0.0) AS exit_amount_sol,
    coalesce(json_extract(t.metadata, '$.pnl_sol'), 0.0) AS pnl_sol,
    t.pnl_percent AS pnl_pct,
    replace(t.entry_time, ' ', 'T') || '+00:00' AS opened_at,
    coalesce(replace(t.exit_time, ' ', 'T') || '+00:00', '') AS closed_at,
    coalesce(json_extract(t.metadata, '$.tx_signature_entry'), '') AS tx_signature_entry,
    coalesce(json_extract(t.metadata, '$.tx_signature_exit'), '') AS tx_signature_exit,
    coalesce(t.user_id, 0) AS user_id
FROM core.lineage AS l
JOIN (
    SELECT
        id, symbol, token_address, entry_price, amount, amount_sol, status, entry_time, exit_time, pnl_percent,
        take_profit_percent, stop_loss_percent, user_id,
        CASE WHEN json_valid(metadata) THEN metadata END AS metadata
    FROM core.positions
) AS t ON t.id = l.target_id
WHERE l.source = 'jarvis.positions' AND l.target = 'positions';
