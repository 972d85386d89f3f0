-- target: core.tax_lots
-- source: tax.tax_lots
-- key:    id
-- reads:  core.trades ids.mints ids.lot_sales
-- rest:   cost_per_unit fee adjusted_cost_basis wash_sale_adjustment
-- follows: tx_id=jarvis.trades.tx_signature *=tax.sales
-- why:    Ids are kept.  The trade is the one that has the lot's transaction as its signature, the token the only
--         mint that goes by the symbol; a lot that lacks either is quarantined.  The basis is the total cost, not the
--         adjusted one.  A lot is disposed of only if nothing remains and exactly one sale used all of it; the proceeds
--         are its share of that sale.  Whether it was a wash sale is not known of a lot.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    t.id AS trade_id,
    m.mint AS token_address,
    s.symbol AS symbol,
    s.quantity AS quantity,
    s.total_cost AS cost_basis_usd,
    utc(CAST(s.purchase_date AS BLOB)) AS acquisition_date,
    utc(CAST(u.sold_at AS BLOB)) AS disposal_date,
    u.proceeds AS disposal_proceeds_usd,
    -- Long-term begins with the 366th whole day.  The sale's own flag is an average over all lots it used.
    utc(CAST(u.sold_at AS BLOB))
        < datetime(substr(utc(CAST(s.purchase_date AS BLOB)), 1, 19), '+366 days')
        || substr(utc(CAST(s.purchase_date AS BLOB)), 20) AS short_term,
    NULL AS wash_sale
FROM tax.tax_lots AS s
LEFT JOIN core.trades AS t ON t.signature = s.tx_id
LEFT JOIN ids.mints AS m ON m.symbol = lower(s.symbol) AND typeof(s.symbol) = 'text'
LEFT JOIN ids.lot_sales AS u
    ON u.lot = +s.id AND u.sales = 1 AND u.quantity = s.quantity AND s.remaining_quantity = 0;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS id,
    t.symbol AS symbol,
    t.quantity AS quantity,
    CASE
        WHEN coalesce(t.disposal_date, t.disposal_proceeds_usd) IS NULL THEN t.quantity
        ELSE 0.0
    END AS remaining_quantity,
    -- A REAL column has no negative zero.
    t.cost_basis_usd / t.quantity + 0.0 AS cost_per_unit,
    t.cost_basis_usd AS total_cost,
    0.0 AS fee,
    replace(t.acquisition_date, ' ', 'T') || '+00:00' AS purchase_date,
    r.signature AS tx_id,
    t.cost_basis_usd / t.quantity + 0.0 AS adjusted_cost_basis,
    0.0 AS wash_sale_adjustment
FROM core.lineage AS l
JOIN core.tax_lots AS t ON t.id = l.target_id
LEFT JOIN core.trades AS r ON r.id = t.trade_id
WHERE l.source = 'tax.tax_lots' AND l.target = 'tax_lots';
