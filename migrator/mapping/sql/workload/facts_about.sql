-- query:  facts_about
-- legacy: jarvis_memory.facts
-- target: analytics.ai_facts
-- asked:  hot: the context of an answer
-- takes:  SELECT DISTINCT lower(substr(fact, 1, instr(fact, ' ') - 1)) AS word FROM jarvis_memory.facts
--         WHERE substr(fact, 1, instr(fact, ' ') - 1) NOT GLOB '*[^a-zA-Z]*' AND instr(fact, ' ') > 1 ORDER BY word LIMIT 10
-- differs: the legacy index finds words by their stems, LIKE does not
-- costs:  no full-text index over facts is specified: a word is searched for in every fact, and only a full-text table, no index, would repair that
-- stays:  4: no index answers a search for a word: it would need a full-text table
SELECT f.id, f.fact
FROM facts AS f
JOIN facts_fts AS x ON f.id = x.rowid
WHERE facts_fts MATCH :word
ORDER BY f.id;

-- consolidated:
SELECT id, fact
FROM ai_facts
WHERE ' ' || replace(replace(fact, ',', ' '), '.', ' ') || ' ' LIKE '% ' || :word || ' %'
ORDER BY id;
