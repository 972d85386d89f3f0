-- legacy:  distributions
-- file:    distributions.db
-- variant: found
-- fate:    source
-- home:    core
-- about:   Fees shared out between staking, operations and development, in lamports.

PRAGMA journal_mode = DELETE;

CREATE TABLE distributions (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp             TEXT    NOT NULL,
    total_amount          INTEGER NOT NULL,
    staking_amount        INTEGER NOT NULL,
    operations_amount     INTEGER NOT NULL,
    development_amount    INTEGER NOT NULL,
    staking_signature     TEXT,
    operations_signature  TEXT,
    development_signature TEXT,
    status                TEXT    DEFAULT 'pending',
    error_message         TEXT,
    created_at            TEXT    DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_distributions_timestamp ON distributions(timestamp);
CREATE INDEX idx_distributions_status ON distributions(status);
