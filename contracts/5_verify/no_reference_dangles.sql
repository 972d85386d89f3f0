-- foreign_key_check finds nothing in the three databases (the specification's second validation query).
-- clause: V2
SELECT 'core', "table", rowid FROM pragma_foreign_key_check(NULL, 'core')
UNION ALL
SELECT 'analytics', "table", rowid FROM pragma_foreign_key_check(NULL, 'analytics')
UNION ALL
SELECT 'cache', "table", rowid FROM pragma_foreign_key_check(NULL, 'cache');

-- broken by:
INSERT INTO analytics.ai_facts (entity_id, fact) VALUES (-1, 'a fact about no entity');
