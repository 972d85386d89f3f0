-- run by hand
UPDATE tax_lots SET fee = 0.0 WHERE fee IS NULL;

DELETE FROM raids;
SELECT 1;
