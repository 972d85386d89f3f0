-- query:  orders_at_start
-- legacy: jarvis.treasury_orders
-- target: core.treasury_orders
-- asked:  hot: the trader starts
-- json:   order_json
-- longer: the order has no column: it is cut out of the JSON of the metadata, which is parsed for each order
-- stays:  1.4: every order is read, as before; an index would only hold each order a second time
SELECT order_json
FROM treasury_orders;

-- consolidated:
SELECT metadata -> '$.order' AS order_json
FROM treasury_orders;
