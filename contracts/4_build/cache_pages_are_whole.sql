-- Every page, index entry and NOT NULL of jarvis_cache.db passes SQLite's integrity_check.
-- clause: S8
SELECT integrity_check
FROM pragma_integrity_check(NULL, 'cache')
WHERE integrity_check <> 'ok';

-- broken by:
INSERT INTO cache.cache_entries (key, value) VALUES ('a', 'b');
PRAGMA cache.writable_schema = ON;
UPDATE cache.sqlite_schema
SET sql = replace(sql, 'expires_at TIMESTAMP', 'expires_at TIMESTAMP NOT NULL')
WHERE name = 'cache_entries';
