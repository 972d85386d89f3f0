-- Every page, index entry, CHECK and NOT NULL of jarvis_analytics.db passes SQLite's integrity_check.
-- clause: S8
SELECT integrity_check
FROM pragma_integrity_check(NULL, 'analytics')
WHERE integrity_check <> 'ok';

-- broken by:
PRAGMA analytics.ignore_check_constraints = ON;
INSERT INTO analytics.calls (symbol, token_address, call_type) VALUES ('BONK', 'mint', 'BULLISH');
