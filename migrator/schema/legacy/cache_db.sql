-- legacy:  cache_db
-- file:    cache.db
-- variant: found
-- fate:    source
-- home:    cache
-- about:   Pickled results with an expiry, tagged. Known here as cache_db, because cache is the name of the consolidated database.

PRAGMA journal_mode = DELETE;

CREATE TABLE cache (
    key          TEXT    PRIMARY KEY,
    value        BLOB    NOT NULL,
    created_at   TEXT    NOT NULL,
    accessed_at  TEXT    NOT NULL,
    expires_at   TEXT,
    access_count INTEGER DEFAULT 1,
    size_bytes   INTEGER DEFAULT 0,
    metadata     TEXT
);
CREATE INDEX idx_cache_accessed ON cache(accessed_at);
CREATE INDEX idx_cache_expires ON cache(expires_at);

CREATE TABLE cache_tags (
    key TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (key, tag),
    FOREIGN KEY (key) REFERENCES cache(key)
);
CREATE INDEX idx_tags_tag ON cache_tags(tag);
