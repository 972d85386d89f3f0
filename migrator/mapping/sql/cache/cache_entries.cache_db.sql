-- target: cache.cache_entries
-- source: cache_db.cache
-- key:    key
-- keep:   created_at DESC
-- rest:   accessed_at access_count size_bytes metadata
-- why:    Values keep their bytes, pickled or not.  Times without an offset are local, which the configuration has to
--         state; a row written since is spelled so too, or with its offset where the configuration states none.  No expiry is NULL: never.  Of two caches with one key the younger entry stays.
SELECT
    s.key AS legacy_key,
    s.key AS key,
    s.value AS value,
    utc(CAST(s.expires_at AS BLOB), :local_utc_offset) AS expires_at,
    utc(CAST(s.created_at AS BLOB), :local_utc_offset) AS created_at
FROM cache_db.cache AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS key,
    t.value AS value,
    coalesce(local_time(CAST(t.created_at AS BLOB), :local_utc_offset), t.created_at) AS created_at,
    coalesce(local_time(CAST(t.created_at AS BLOB), :local_utc_offset), t.created_at) AS accessed_at,
    coalesce(local_time(CAST(t.expires_at AS BLOB), :local_utc_offset), t.expires_at) AS expires_at,
    1 AS access_count,
    length(CAST(t.value AS BLOB)) AS size_bytes,
    NULL AS metadata
FROM cache.lineage AS l
JOIN cache.cache_entries AS t ON t.key = l.target_id
WHERE l.source = 'cache_db.cache' AND l.target = 'cache_entries';
