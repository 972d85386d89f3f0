-- lookup: lot_sales(lot, sales, sale_tx_id, part, parts, quantity, share, sold_at, proceeds)
-- why:    A sale lists the lots it used as [[lot, quantity], ...]: one row for each lot of a sale, in the order of the
--         list, with its share of the sale and of the proceeds, and in how many sales the lot was used.  A list that is
--         anything else is no evidence, not even of the lots that it does name.

-- from: tax.sales found
SELECT
    CASE json_type(s.used, e.fullkey || '[0]') WHEN 'integer' THEN json_extract(s.used, e.fullkey || '[0]') END,
    -- A real is read by Python: newer SQLites (3.51) miss the nearest double where it is very large or very small.
    CASE
        WHEN json_array_length(s.used, e.fullkey) <> 2 THEN NULL
        WHEN json_type(s.used, e.fullkey || '[1]') = 'real'
        THEN cell_of('{"n":' || (s.used -> (e.fullkey || '[1]')) || '}', 'n')
        WHEN json_type(s.used, e.fullkey || '[1]') = 'integer'
        THEN CAST(json_extract(s.used, e.fullkey || '[1]') AS REAL)
    END,
    s.id,
    s.tx_id,
    s.sale_date,
    s.proceeds,
    s.quantity
FROM (
    SELECT
        sales.id,
        CASE
            WHEN sales.tx_id IN (SELECT one.tx_id FROM tax.sales AS one GROUP BY one.tx_id HAVING count(*) = 1)
            THEN sales.tx_id
        END AS tx_id,
        sales.sale_date,
        sales.proceeds,
        sales.quantity,
        CASE
            -- json_valid stops reading at a NUL.
            WHEN typeof(sales.lots_used_json) = 'text' AND instr(sales.lots_used_json, char(0)) = 0
            THEN iif(json_valid(sales.lots_used_json), sales.lots_used_json, 'null')
            ELSE 'null'
        END AS used
    FROM tax.sales AS sales
    -- The lots of sales that share an id, or a transaction, are ambiguous: a table may have lost its
    -- constraints.
    WHERE sales.id IN (SELECT one.id FROM tax.sales AS one GROUP BY one.id HAVING count(*) = 1)
) AS s
JOIN json_each(iif(json_type(s.used) = 'array', s.used, '[]')) AS e
ORDER BY s.id, e.key;

-- gives:
SELECT
    lot,
    count(*) OVER (PARTITION BY lot),
    tx_id,
    row_number() OVER (PARTITION BY sale ORDER BY place),
    count(*) OVER (PARTITION BY sale),
    quantity,
    quantity / sum(quantity) OVER (PARTITION BY sale),
    sold_at,
    CASE WHEN typeof(proceeds) = 'real' AND typeof(sold) = 'real' THEN proceeds * (quantity / sold) END
FROM (
    SELECT
        column1 AS lot,
        sum(column2) AS quantity,
        column3 AS sale,
        nullif(column4, '') AS tx_id,
        column5 AS sold_at,
        column6 AS proceeds,
        column7 AS sold,
        min(rowid) AS place
    FROM temp.evidence
    WHERE column3 NOT IN (SELECT column3 FROM temp.evidence WHERE column1 IS NULL OR column2 IS NULL)
    GROUP BY column3, column1
);
