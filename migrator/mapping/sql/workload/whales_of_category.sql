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
FROM lineage AS l
CROSS JOIN whale_wallets AS t ON t.address = l.target_id
WHERE l.target = 'whale_wallets' AND json_extract(l.rest, '$.category[0]') = :category AND t.is_active = 1
-- Lineage names no category where it is the default, nor for a wallet that was added after the cutover.
UNION ALL
SELECT t.address, t.label
FROM whale_wallets AS t
WHERE :category = 'unknown' AND t.is_active = 1 AND NOT EXISTS (
    SELECT 1
    FROM lineage AS l
    WHERE l.target = 'whale_wallets' AND l.target_id = t.address AND json_extract(l.rest, '$.category[0]') IS NOT NULL
);
