-- query:  cached
-- legacy: file_cache.cache_entries
-- target: cache.cache_entries
-- asked:  hot: every look into the file cache
-- takes:  SELECT key FROM file_cache.cache_entries ORDER BY key LIMIT 20
-- times:  expires_at
SELECT value, expires_at
FROM cache_entries
WHERE key = :key;

-- consolidated:
SELECT value, expires_at
FROM cache_entries
WHERE key = :key;
