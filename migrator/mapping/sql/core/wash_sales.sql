-- target: core.wash_sales
-- source: tax.wash_sales
-- key:    id
-- number: wash_sale_date
-- reads:  ids.lot_sales
-- rest:   symbol replacement_date replacement_tx_id
-- follows: replacement_lot_id=tax.tax_lots.id *=tax.sales
-- why:    One row for each lot that the sale used; the loss is split by quantity, the last lot takes the remainder.
--         Lot ids are kept, so a lot that is not there breaks the reference, and a sale without lots breaks NOT NULL:
--         either way the whole wash sale is quarantined.  One loss written down for several replacements stays so.
SELECT
    s.id AS legacy_key,
    coalesce(u.part, 1) AS part,
    u.lot AS sold_lot_id,
    s.replacement_lot_id AS replacement_lot_id,
    -- Adding the loss and taking it away again rounds a share to a multiple of the loss's last bit.  Sums of such
    -- shares are exact in any order, so the parts add up to the very loss.
    CASE
        WHEN coalesce(u.parts, 1) = 1 THEN s.disallowed_loss
        WHEN typeof(s.disallowed_loss) <> 'real' THEN NULL
        WHEN u.part < u.parts THEN s.disallowed_loss + s.disallowed_loss * u.share - s.disallowed_loss
        ELSE s.disallowed_loss - sum(s.disallowed_loss + s.disallowed_loss * u.share - s.disallowed_loss) OVER earlier
    END AS disallowed_loss_usd,
    utc(CAST(s.sale_date AS BLOB)) AS wash_sale_date
FROM tax.wash_sales AS s
LEFT JOIN ids.lot_sales AS u ON u.sale_tx_id = +s.sale_tx_id
WINDOW earlier AS (PARTITION BY s.id ORDER BY u.part ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);

-- back:
SELECT
    l.legacy_key AS legacy_key,
    max(l.rest) AS rest,
    l.legacy_key AS id,
    min(sold.symbol) AS symbol,
    coalesce(replace(min(t.wash_sale_date), ' ', 'T') || '+00:00', '') AS sale_date,
    NULL AS sale_tx_id,
    replace(min(bought.acquisition_date), ' ', 'T') || '+00:00' AS replacement_date,
    min(r.signature) AS replacement_tx_id,
    CASE WHEN count(t.id) = 1 THEN max(t.disallowed_loss_usd) ELSE sum(t.disallowed_loss_usd) END AS disallowed_loss,
    min(t.replacement_lot_id) AS replacement_lot_id
FROM core.lineage AS l
LEFT JOIN core.wash_sales AS t ON t.id = l.target_id
LEFT JOIN core.tax_lots AS sold ON sold.id = t.sold_lot_id
LEFT JOIN core.tax_lots AS bought ON bought.id = t.replacement_lot_id
LEFT JOIN core.trades AS r ON r.id = bought.trade_id
WHERE l.source = 'tax.wash_sales' AND l.target = 'wash_sales'
GROUP BY l.legacy_key;
