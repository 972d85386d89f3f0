-- A trade's metadata has the amounts of its treasury swap as the same whole numbers, in the smallest units.
-- clause: M10
-- variant: found
SELECT s.id
FROM jarvis.trades AS s
JOIN (
    -- Of several swaps with one signature the first counts: the other columns are those of the least id.
    SELECT signature, min(id), amount_in, amount_out
    FROM treasury_trades.treasury_trades
    WHERE typeof(signature) = 'text' AND signature <> ''
    GROUP BY signature
) AS w ON w.signature = s.tx_signature
JOIN core.lineage AS l ON l.source = 'jarvis.trades' AND l.target = 'trades' AND l.legacy_key = +s.id
JOIN core.trades AS t ON t.id = +l.target_id
WHERE typeof(w.amount_in) = 'integer' AND json_extract(t.metadata, '$.swap_amount_in') IS NOT w.amount_in
    OR typeof(w.amount_out) = 'integer' AND json_extract(t.metadata, '$.swap_amount_out') IS NOT w.amount_out;

-- broken by:
UPDATE core.trades
SET metadata = json_set(metadata, '$.swap_amount_in', json_extract(metadata, '$.swap_amount_in') * 10 + 1)
WHERE json_type(metadata, '$.swap_amount_in') = 'integer';
