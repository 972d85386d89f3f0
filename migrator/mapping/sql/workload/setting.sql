-- query:  setting
-- legacy: jarvis_memory.settings
-- target: analytics.legacy_jarvis_memory_settings
-- asked:  warm: a setting is looked up
-- takes:  SELECT 'theme' AS key
SELECT value
FROM settings
WHERE key = :key;

-- consolidated:
SELECT value
FROM legacy_jarvis_memory_settings
WHERE key = :key;
