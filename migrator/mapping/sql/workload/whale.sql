-- query:  whale
-- legacy: whales.whale_wallets
-- target: analytics.whale_wallets
-- asked:  hot: every movement
-- takes:  SELECT address FROM whales.whale_wallets ORDER BY address LIMIT 20
-- times:  first_seen
SELECT address, label, is_active, first_seen
FROM whale_wallets
WHERE address = :address;

-- consolidated:
SELECT address, label, is_active, first_seen
FROM whale_wallets
WHERE address = :address;
