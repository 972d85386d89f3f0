-- No trade names a missing position (the specification's first validation query).
-- clause: V1
SELECT id
FROM core.trades
-- NULL is excluded first: NOT IN an empty table would make every NULL a counterexample.
WHERE position_id IS NOT NULL AND position_id NOT IN (SELECT id FROM core.positions);

-- broken by:
INSERT INTO core.trades (position_id, direction, symbol, token_address, amount, amount_sol, price, status)
VALUES (-1, 'buy', 'BONK', 'mint', 1.0, 1.0, 1.0, 'confirmed');
