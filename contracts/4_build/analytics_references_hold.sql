-- Every reference in jarvis_analytics.db names a row that exists (the specification's second validation query).
-- clause: S4
SELECT "table", rowid, parent
FROM pragma_foreign_key_check(NULL, 'analytics');

-- broken by:
INSERT INTO analytics.whale_movements (wallet_address, token_address, amount_sol)
VALUES ('missing', 'mint', 1.0);
