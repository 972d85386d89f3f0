-- target: cache.cache_entries
-- source: file_cache.cache_entries
-- key:    key
-- keep:   created_at DESC
-- rest:   namespace tags
-- why:    Values keep their bytes, pickled or not.  Epoch seconds become UTC, else an expiry would compare below any
--         text.  Expired entries are carried, not judged.  Of two caches with one key the younger entry stays.
SELECT
    s.key AS legacy_key,
    s.key AS key,
    s.value AS value,
    CASE WHEN typeof(s.expires_at) = 'real' THEN utc_of_epoch(s.expires_at) END AS expires_at,
    CASE WHEN typeof(s.created_at) = 'real' THEN utc_of_epoch(s.created_at) END AS created_at
FROM file_cache.cache_entries AS s;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    l.rest AS rest,
    l.legacy_key AS key,
    t.value AS value,
    epoch_of_utc(CAST(t.created_at AS BLOB)) AS created_at,
    -- An entry that never expires does so after every finite time.
    iif(t.expires_at IS NULL, 9e999, epoch_of_utc(CAST(t.expires_at AS BLOB))) AS expires_at,
    'default' AS namespace,
    '' AS tags
FROM cache.lineage AS l
JOIN cache.cache_entries AS t ON t.key = l.target_id
WHERE l.source = 'file_cache.cache_entries' AND l.target = 'cache_entries';
