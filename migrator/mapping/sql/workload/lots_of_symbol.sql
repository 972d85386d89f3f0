-- query:  lots_of_symbol
-- legacy: tax.tax_lots
-- target: core.tax_lots core.lineage
-- asked:  warm: every sale, to choose the lots it uses
-- takes:  SELECT DISTINCT symbol FROM tax.tax_lots ORDER BY symbol LIMIT 20
-- times:  purchase_date
-- costs:  tax_lots has no index on the symbol and no column for what remains of a lot, which is kept in lineage
-- mends:  CREATE INDEX core.idx_tax_lots_symbol ON tax_lots(symbol)
-- stays:  1.8: what remains of a lot is read from lineage, one look-up for each lot
SELECT symbol, quantity, remaining_quantity, total_cost, purchase_date
FROM tax_lots
WHERE symbol = :symbol AND remaining_quantity > 0
ORDER BY purchase_date;

-- consolidated:
SELECT t.symbol, t.quantity,
    coalesce(json_extract(l.rest, '$.remaining_quantity[0]'), iif(t.disposal_date IS NULL, t.quantity, 0.0)) AS remaining,
    t.cost_basis_usd, t.acquisition_date
FROM tax_lots AS t
LEFT JOIN lineage AS l ON l.target = 'tax_lots' AND l.target_id = +t.id
WHERE t.symbol = :symbol AND remaining > 0
ORDER BY t.acquisition_date;
