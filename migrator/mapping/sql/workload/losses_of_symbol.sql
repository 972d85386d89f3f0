-- query:  losses_of_symbol
-- legacy: tax.sales
-- target: core.legacy_tax_sales
-- asked:  warm: every purchase, to find wash sales
-- takes:  SELECT DISTINCT symbol FROM tax.sales ORDER BY symbol LIMIT 20
SELECT id, symbol, quantity, gain_loss, sale_date
FROM sales
WHERE symbol = :symbol AND gain_loss < 0;

-- consolidated:
SELECT id, symbol, quantity, gain_loss, sale_date
FROM legacy_tax_sales
WHERE symbol = :symbol AND gain_loss < 0;
