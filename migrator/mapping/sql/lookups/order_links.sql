-- lookup: order_links(order_id, position_id, symbol, mint, amount_sol)
-- why:    An order does not say whose it is; a position names its orders.  Of several positions that name one order
--         each answer counts only if it is the same in all of them, and the position and its amount count not at all.

-- from: jarvis.positions found
SELECT
    CASE side.column1 WHEN 'tp' THEN s.tp_order_id ELSE s.sl_order_id END,
    s.number, s.id, s.symbol, s.token_mint, s.entry_amount_sol
FROM (
    -- A number of our own: a key may be NULL or there twice, and a table may have no rowid.
    SELECT
        row_number() OVER () AS number,
        p.id, p.symbol, p.token_mint, p.entry_amount_sol, p.tp_order_id, p.sl_order_id
    FROM jarvis.positions AS p
) AS s
CROSS JOIN (VALUES ('tp'), ('sl')) AS side;

-- gives:
SELECT
    column1,
    CASE WHEN min(column2) = max(column2) THEN min(column3) END,
    CASE WHEN count(DISTINCT column4) = 1 THEN min(column4) END,
    CASE WHEN count(DISTINCT column5) = 1 THEN min(column5) END,
    CASE WHEN min(column2) = max(column2) THEN min(column6) END
FROM temp.evidence
WHERE column1 <> ''
GROUP BY column1;
