-- legacy:  recycle_test
-- file:    recycle_test.db
-- variant: found
-- fate:    source
-- home:    core
-- about:   Left over from a demonstration of a connection pool: a database without a table.

PRAGMA journal_mode = DELETE;
