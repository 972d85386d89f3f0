-- query:  orders_at_start
-- legacy: jarvis.treasury_orders
-- target: core.treasury_orders
-- asked:  hot: the trader starts
-- json:   order_json
SELECT order_json
FROM treasury_orders;

-- consolidated:
SELECT metadata -> '$.order' AS order_json
FROM treasury_orders;
