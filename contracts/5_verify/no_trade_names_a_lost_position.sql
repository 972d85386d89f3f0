-- No trade names a position that is not there (the specification's first validation query).
-- clause: V1
SELECT id
FROM core.trades
-- NULL is asked for first: NOT IN of an empty table would call every NULL a lost link.
WHERE position_id IS NOT NULL AND position_id NOT IN (SELECT id FROM core.positions);

-- broken by:
INSERT INTO core.trades (position_id, direction, symbol, token_address, amount, amount_sol, price, status)
VALUES (-1, 'buy', 'BONK', 'mint', 1.0, 1.0, 1.0, 'confirmed');
