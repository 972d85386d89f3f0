-- Every reference in jarvis_core.db names a row that exists (the specification's second validation query).
-- clause: S4
SELECT "table", rowid, parent
FROM pragma_foreign_key_check(NULL, 'core');

-- broken by:
INSERT INTO core.trades (position_id, direction, symbol, token_address, amount, amount_sol, price, status)
VALUES (-1, 'buy', 'BONK', 'mint', 1.0, 1.0, 1.0, 'confirmed');
