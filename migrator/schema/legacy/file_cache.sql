-- legacy:  file_cache
-- file:    cache/file_cache.db
-- variant: found
-- fate:    source
-- home:    cache
-- about:   Pickled results with an expiry in epoch seconds.

PRAGMA journal_mode = DELETE;

CREATE TABLE cache_entries (
    key        TEXT PRIMARY KEY,
    value      BLOB NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    namespace  TEXT DEFAULT 'default',
    tags       TEXT
);
CREATE INDEX idx_namespace ON cache_entries(namespace);
CREATE INDEX idx_expires ON cache_entries(expires_at);
