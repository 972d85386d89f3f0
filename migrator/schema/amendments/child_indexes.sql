-- amendment: child_indexes
-- why:       SQLite looks for the children of each parent row that is deleted.  Without an index it reads the whole table of
--            children, once for each parent: tax_lots for a trade, wash_sales twice for a lot.
-- changes:   Three indexes are added, each on a column that refers to another table.
-- costs:     Each lot and each wash sale that is written updates one or two indexes more.
-- answers:   unindexed reference: core.tax_lots.trade_id, unindexed reference: core.wash_sales.sold_lot_id,
--            unindexed reference: core.wash_sales.replacement_lot_id

CREATE INDEX core.idx_tax_lots_trade ON tax_lots(trade_id);
CREATE INDEX core.idx_wash_sales_sold ON wash_sales(sold_lot_id);
CREATE INDEX core.idx_wash_sales_replacement ON wash_sales(replacement_lot_id);
