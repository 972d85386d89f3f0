-- query:  whales_of_category
-- legacy: whales.whale_wallets
-- target: analytics.whale_wallets analytics.lineage
-- asked:  warm: signals of the smart money
-- takes:  SELECT DISTINCT category FROM whales.whale_wallets ORDER BY category
-- costs:  the category of a wallet has no column: it is read out of lineage for each wallet
SELECT address, label
FROM whale_wallets
WHERE is_active = 1 AND category = :category;

-- consolidated:
SELECT t.address, t.label
FROM whale_wallets AS t
LEFT JOIN lineage AS l ON l.target = 'whale_wallets' AND l.target_id = +t.address
WHERE t.is_active = 1 AND coalesce(json_extract(l.rest, '$.category[0]'), 'unknown') = :category;
