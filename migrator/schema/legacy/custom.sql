-- legacy:  custom
-- file:    custom.db
-- variant: found
-- fate:    source
-- home:    core
-- about:   Left over from a demonstration of a connection pool.

PRAGMA journal_mode = DELETE;

CREATE TABLE products (
    id    INTEGER PRIMARY KEY,
    name  TEXT,
    price REAL
);
