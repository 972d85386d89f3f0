-- Every page, index entry, CHECK and NOT NULL of jarvis_core.db passes SQLite's integrity_check.
-- clause: S8
SELECT integrity_check
FROM pragma_integrity_check(NULL, 'core')
WHERE integrity_check <> 'ok';

-- broken by:
PRAGMA core.ignore_check_constraints = ON;
INSERT INTO core.scorecard (period) VALUES ('hourly');
