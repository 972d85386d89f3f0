-- Beside the specified tables each consolidated database has these three, so that nothing is lost and all can be undone.

-- Which legacy row became which row.  Keys are untyped: a legacy key is kept as it was stored.
-- One legacy row that becomes several, or several that become one, has several rows here, rest on the first.
-- target_id is NULL where a legacy row yields no row; source is 'stub:<reason>' where a row has no legacy row.
CREATE TABLE lineage (
    source     TEXT NOT NULL, -- legacy database and table: jarvis.trades
    legacy_key,               -- the legacy row's key
    target     TEXT NOT NULL, -- the table here: trades
    target_id,                -- the row's key here
    rest       TEXT           -- JSON {column: [legacy cell, what back says]}, where they differ
);

-- Legacy rows that a constraint of the specification refuses, whole.
CREATE TABLE quarantine (
    source     TEXT NOT NULL, -- legacy database and table
    legacy_key,               -- the legacy row's key
    target     TEXT NOT NULL, -- the table here that refuses it
    broken     TEXT NOT NULL, -- the constraint it breaks
    row        TEXT NOT NULL  -- JSON {column: cell}, storage classes kept
);

-- What the owners decided about single rows; lineage.rest has the legacy cells that the mapping did not read.
CREATE TABLE decisions (
    source     TEXT NOT NULL, -- legacy database and table
    legacy_key,               -- the legacy row's key
    decision   TEXT NOT NULL, -- set (a cell is read as another), keep (of rivals), make (a parent) or drop (stays in quarantine)
    cells      TEXT NOT NULL, -- JSON {column: [legacy cell, cell that the mapping read]}
    why        TEXT NOT NULL  -- the owners' reason
);

CREATE INDEX idx_lineage_source ON lineage(source, legacy_key);
CREATE INDEX idx_lineage_target ON lineage(target, target_id);
CREATE INDEX idx_quarantine_source ON quarantine(source, legacy_key);
CREATE INDEX idx_decisions_source ON decisions(source, legacy_key);
