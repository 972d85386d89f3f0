-- lookup: swaps(signature, amount_in, amount_out)
-- why:    The treasury recorded executed swaps in the smallest units of each mint; where the signature is that of a
--         trade, the trade gets the exact integers.  Of several with one signature the earliest id speaks.

-- from: treasury_trades.treasury_trades found
SELECT s.signature, s.amount_in, s.amount_out, s.id FROM treasury_trades.treasury_trades AS s;

-- gives:
SELECT signature, amount_in, amount_out
FROM (
    SELECT signature, amount_in, amount_out,
        row_number() OVER (PARTITION BY signature ORDER BY id, amount_in, amount_out) AS place
    FROM (SELECT column1 AS signature, column2 AS amount_in, column3 AS amount_out, column4 AS id FROM temp.evidence)
    WHERE typeof(signature) = 'text' AND signature <> ''
)
WHERE place = 1;
