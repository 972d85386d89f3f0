-- target:  analytics.whale_wallets
-- source:  whales.whale_movements
-- variant: found specified
-- key:     wallet_address
-- reads:   temp.forward
-- stub:    unknown wallet
-- why:     The legacy schema did not enforce that the wallet of a movement exists.  One that only movements name gets a row that claims
--          nothing.  '' names none.
SELECT
    s.wallet_address AS legacy_key,
    s.wallet_address AS address,
    NULL AS label,
    NULL AS total_sol_moved,
    NULL AS first_seen,
    NULL AS last_active,
    NULL AS is_active
FROM whales.whale_movements AS s
WHERE s.wallet_address <> '' AND s.wallet_address COLLATE BINARY NOT IN (
    SELECT w.address FROM temp.forward AS w WHERE w.broken IS NULL AND w.address IS NOT NULL
)
GROUP BY s.wallet_address COLLATE BINARY;
