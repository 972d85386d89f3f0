-- lookup: order_links(order_id, position_id, symbol, mint, amount_sol)
-- why:    An order does not say whose it is; a position names its orders.  Of several positions that name one order
--         each answer counts only if it is the same in all of them, and the position and its amount count not at all.

-- from: jarvis.positions found
SELECT s.tp_order_id, s.rowid, s.id, s.symbol, s.token_mint, s.entry_amount_sol FROM jarvis.positions AS s
UNION ALL
SELECT s.sl_order_id, s.rowid, s.id, s.symbol, s.token_mint, s.entry_amount_sol FROM jarvis.positions AS s;

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
