-- query:  reflections_about
-- legacy: jarvis_memory.reflections
-- target: analytics.ai_reflections
-- asked:  hot: the context of an answer
-- takes:  SELECT DISTINCT lower(substr(lesson, 1, instr(lesson, ' ') - 1)) AS word FROM jarvis_memory.reflections
--         WHERE substr(lesson, 1, instr(lesson, ' ') - 1) NOT GLOB '*[^a-zA-Z]*' AND instr(lesson, ' ') > 1 ORDER BY word LIMIT 10
SELECT r.id
FROM reflections AS r
JOIN reflections_fts AS x ON r.id = x.rowid
WHERE reflections_fts MATCH :word
ORDER BY rank, r.applied_count DESC
LIMIT 500;

-- consolidated:
SELECT rowid
FROM ai_reflections
WHERE ai_reflections MATCH :word
ORDER BY rank
LIMIT 500;
