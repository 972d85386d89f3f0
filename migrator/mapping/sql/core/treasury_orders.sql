-- target: core.treasury_orders
-- source: jarvis.treasury_orders
-- key:    order_id
-- number: created_at
-- reads:  ids.order_links ids.positions ids.mints
-- follows: order_id=jarvis.positions.tp_order_id order_id=jarvis.positions.sl_order_id
-- why:    Orders are JSON, kept whole and letter by letter in metadata; what is no JSON object says nothing.  Symbol
--         and position are those of the position that names the order.  The amount in SOL is the JSON's, or the
--         position's if the configuration decides so, else the order is quarantined.  Types and states become lower
--         case, a failed order is a cancelled one.  Take-profit and stop-loss sell.  What was never kept is NULL.
WITH sound AS (
    SELECT
        o.order_id,
        CASE
            -- json_valid stops reading at a NUL; the whole has to be JSON too.
            WHEN typeof(o.order_json) <> 'text' OR NOT json_valid('{"order":' || o.order_json || '}') THEN NULL
            WHEN NOT plain_json(CAST(o.order_json AS BLOB)) THEN NULL
            WHEN iif(json_valid(o.order_json), json_type(o.order_json), '') = 'object' THEN o.order_json
        END AS order_json
    FROM jarvis.treasury_orders AS o
)
SELECT
    s.order_id AS legacy_key,
    lower(json_extract(s.order_json, '$.type')) AS order_type,
    CASE
        WHEN json_type(s.order_json, '$.side') = 'text' THEN lower(json_extract(s.order_json, '$.side'))
        WHEN lower(json_extract(s.order_json, '$.type')) IN ('market', 'limit') THEN NULL
        ELSE 'sell'
    END AS side,
    k.symbol AS symbol,
    coalesce(
        CASE json_type(s.order_json, '$.token_mint')
            WHEN 'text' THEN nullif(json_extract(s.order_json, '$.token_mint'), '')
        END,
        CASE typeof(k.mint) WHEN 'text' THEN nullif(k.mint, '') END,
        m.mint
    ) AS token_address,
    -- A real is read by Python: newer SQLites (3.51) miss the nearest double where it is very large or very small.
    CASE json_type(s.order_json, '$.amount_sol')
        WHEN 'real' THEN cell_of('{"n":' || (s.order_json -> '$.amount_sol') || '}', 'n')
        WHEN 'integer' THEN json_extract(s.order_json, '$.amount_sol')
        ELSE CASE :order_amount_sol WHEN 'position' THEN k.amount_sol END
    END AS amount_sol,
    NULL AS limit_price,
    CASE json_type(s.order_json, '$.target_price')
        WHEN 'real' THEN cell_of('{"n":' || (s.order_json -> '$.target_price') || '}', 'n')
        WHEN 'integer' THEN json_extract(s.order_json, '$.target_price')
    END AS trigger_price,
    CASE lower(json_extract(s.order_json, '$.status'))
        WHEN 'executing' THEN 'active'
        WHEN 'completed' THEN 'filled'
        WHEN 'failed' THEN 'cancelled'
        ELSE lower(json_extract(s.order_json, '$.status'))
    END AS status,
    p.id AS position_id,
    utc(CAST(json_extract(s.order_json, '$.created_at') AS BLOB)) AS created_at,
    NULL AS updated_at,
    CASE
        WHEN lower(json_extract(s.order_json, '$.status')) IN ('completed', 'filled')
        THEN utc(CAST(json_extract(s.order_json, '$.triggered_at') AS BLOB))
    END AS filled_at,
    CASE
        WHEN lower(json_extract(s.order_json, '$.status')) NOT IN ('completed', 'filled') THEN NULL
        WHEN json_type(s.order_json, '$.triggered_price') = 'real'
        THEN cell_of('{"n":' || (s.order_json -> '$.triggered_price') || '}', 'n')
        WHEN json_type(s.order_json, '$.triggered_price') = 'integer'
        THEN json_extract(s.order_json, '$.triggered_price')
    END AS filled_price,
    NULL AS filled_amount,
    NULL AS fills_count,
    -- The text itself, so that white space, twin keys and numbers of any length survive.
    '{"order":' || s.order_json || '}' AS metadata
FROM sound AS s
LEFT JOIN ids.order_links AS k ON k.order_id = +s.order_id
LEFT JOIN ids.positions AS p ON p.legacy_key = +k.position_id
LEFT JOIN ids.mints AS m ON m.symbol = lower(k.symbol) AND typeof(k.symbol) = 'text';

-- back:
WITH kept AS (
    SELECT
        o.id,
        CASE
            WHEN o.metadata GLOB '{"order":*}' AND json_valid(substr(o.metadata, 10, length(o.metadata) - 10))
            THEN substr(o.metadata, 10, length(o.metadata) - 10)
            WHEN json_valid(o.metadata) THEN coalesce(o.metadata -> '$.order', '{}')
            ELSE '{}'
        END AS body
    FROM core.treasury_orders AS o
),
-- What the columns say, spelled as members of the JSON; of what the JSON never had, what it has: 'null'.
said AS (
    SELECT
        o.id,
        k.body,
        json_quote(upper(o.order_type)) AS type,
        CASE
            WHEN json_type(k.body, '$.side') = 'text' AND lower(json_extract(k.body, '$.side')) = o.side
            THEN k.body -> '$.side'
            WHEN coalesce(json_type(k.body, '$.side'), '') <> 'text'
                AND o.side = 'sell' AND o.order_type IN ('stop_loss', 'take_profit')
            THEN coalesce(k.body -> '$.side', 'null')
            ELSE json_quote(upper(o.side))
        END AS side,
        -- What the JSON leaves to the position stays there as long as the position says it.
        CASE
            WHEN k.body <> '{}' AND coalesce(json_type(k.body, '$.token_mint'), '') <> 'text'
                AND o.token_address IS p.token_address
            THEN coalesce(k.body -> '$.token_mint', 'null')
            ELSE json_quote(CAST(o.token_address AS TEXT))
        END AS token_mint,
        CASE
            WHEN k.body <> '{}' AND json_type(k.body, '$.amount_sol') IS NULL AND o.amount_sol IS p.amount_sol
            THEN 'null'
            WHEN typeof(o.amount_sol) = 'real' THEN cell(o.amount_sol)
            ELSE 'null'
        END AS amount_sol,
        CASE typeof(o.trigger_price) WHEN 'real' THEN cell(o.trigger_price) ELSE 'null' END AS target_price,
        json_quote(replace(o.created_at, ' ', 'T')) AS created_at,
        CASE
            WHEN lower(json_extract(k.body, '$.status')) IN (
                o.status,
                CASE o.status WHEN 'active' THEN 'executing' WHEN 'filled' THEN 'completed' ELSE 'failed' END
            )
            THEN k.body -> '$.status'
            ELSE json_quote(CASE o.status WHEN 'filled' THEN 'COMPLETED' ELSE upper(o.status) END)
        END AS status,
        CASE o.status
            WHEN 'filled' THEN json_quote(replace(o.filled_at, ' ', 'T'))
            ELSE coalesce(k.body -> '$.triggered_at', 'null')
        END AS triggered_at,
        CASE
            WHEN o.status <> 'filled' THEN coalesce(k.body -> '$.triggered_price', 'null')
            WHEN typeof(o.filled_price) = 'real' THEN cell(o.filled_price)
            ELSE 'null'
        END AS triggered_price
    FROM core.treasury_orders AS o
    JOIN kept AS k ON k.id = o.id
    LEFT JOIN core.positions AS p ON p.id = o.position_id
),
changed AS (
    SELECT
        s.id,
        s.body,
        iif(coalesce(s.body -> '$.type', 'null') = s.type, '', ',"type":' || s.type)
        || iif(coalesce(s.body -> '$.side', 'null') = s.side, '', ',"side":' || s.side)
        || iif(coalesce(s.body -> '$.token_mint', 'null') = s.token_mint, '', ',"token_mint":' || s.token_mint)
        || iif(coalesce(s.body -> '$.amount_sol', 'null') = s.amount_sol, '', ',"amount_sol":' || s.amount_sol)
        || iif(coalesce(s.body -> '$.target_price', 'null') = s.target_price, '', ',"target_price":' || s.target_price)
        || iif(coalesce(s.body -> '$.created_at', 'null') = s.created_at, '', ',"created_at":' || s.created_at)
        || iif(coalesce(s.body -> '$.status', 'null') = s.status, '', ',"status":' || s.status)
        || iif(coalesce(s.body -> '$.triggered_at', 'null') = s.triggered_at, '', ',"triggered_at":' || s.triggered_at)
        || iif(
            coalesce(s.body -> '$.triggered_price', 'null') = s.triggered_price,
            '', ',"triggered_price":' || s.triggered_price
        ) AS members
    FROM said AS s
)
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS order_id,
    -- The text as it was, but for members that no longer say what their column says.
    CASE t.members WHEN '' THEN t.body ELSE json_patch(t.body, '{' || substr(t.members, 2) || '}') END AS order_json
FROM core.lineage AS l
JOIN changed AS t ON t.id = l.target_id
WHERE l.source = 'jarvis.treasury_orders' AND l.target = 'treasury_orders';
