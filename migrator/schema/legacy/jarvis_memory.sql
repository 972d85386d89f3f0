-- legacy:  jarvis_memory
-- file:    jarvis_memory.db
-- variant: found
-- fate:    source
-- home:    analytics
-- about:   What the assistant knows: entities, facts, reflections, with full-text indexes over two of them.

PRAGMA journal_mode = WAL;

CREATE TABLE entities (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    entity_type TEXT    NOT NULL,
    attributes  TEXT    DEFAULT '{}',
    created_at  TEXT    DEFAULT CURRENT_TIMESTAMP,
    updated_at  TEXT    DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (name, entity_type)
);
CREATE INDEX idx_entities_type ON entities(entity_type);
CREATE INDEX idx_entities_name ON entities(name);

CREATE TABLE facts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    entity     TEXT    NOT NULL,
    entity_id  INTEGER,
    fact       TEXT    NOT NULL,
    confidence REAL    DEFAULT 0.8,
    source     TEXT    DEFAULT 'conversation',
    learned_at TEXT    DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (entity, fact),
    FOREIGN KEY (entity_id) REFERENCES entities(id)
);
CREATE INDEX idx_facts_entity_id ON facts(entity_id);
CREATE INDEX idx_facts_entity ON facts(entity);

CREATE TABLE interactions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    user_input      TEXT    NOT NULL,
    jarvis_response TEXT,
    feedback        TEXT,
    session_id      TEXT,
    timestamp       TEXT    DEFAULT CURRENT_TIMESTAMP,
    metadata        TEXT    DEFAULT '{}'
);
CREATE INDEX idx_interactions_timestamp ON interactions(timestamp);
CREATE INDEX idx_interactions_session ON interactions(session_id);
CREATE INDEX idx_interactions_feedback ON interactions(feedback);

CREATE TABLE predictions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    prediction  TEXT    NOT NULL,
    confidence  REAL    NOT NULL,
    domain      TEXT    DEFAULT 'general',
    deadline    TEXT,
    outcome     TEXT,
    was_correct INTEGER,
    created_at  TEXT    DEFAULT CURRENT_TIMESTAMP,
    resolved_at TEXT
);
CREATE INDEX idx_predictions_resolved ON predictions(was_correct);
CREATE INDEX idx_predictions_domain ON predictions(domain);

CREATE TABLE reflections (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    "trigger"     TEXT    NOT NULL,
    what_happened TEXT,
    why_failed    TEXT,
    lesson        TEXT    NOT NULL,
    new_approach  TEXT,
    applied       INTEGER DEFAULT 0,
    applied_count INTEGER DEFAULT 0,
    created_at    TEXT    DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_reflections_created ON reflections(created_at);
CREATE INDEX idx_reflections_applied ON reflections(applied);

CREATE TABLE schema_version (
    version    INTEGER PRIMARY KEY,
    applied_at TEXT    DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE settings (
    key        TEXT PRIMARY KEY,
    value      TEXT,
    updated_at TEXT DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE trust (
    domain       TEXT    PRIMARY KEY,
    level        INTEGER DEFAULT 0,
    successes    INTEGER DEFAULT 0,
    failures     INTEGER DEFAULT 0,
    last_success TEXT,
    last_failure TEXT,
    updated_at   TEXT    DEFAULT CURRENT_TIMESTAMP
);

CREATE VIRTUAL TABLE facts_fts USING fts5(
    entity,
    fact,
    content='facts',
    content_rowid='id'
);
CREATE TRIGGER facts_ai AFTER INSERT ON facts BEGIN
    INSERT INTO facts_fts(rowid, entity, fact) VALUES (new.id, new.entity, new.fact);
END;
CREATE TRIGGER facts_ad AFTER DELETE ON facts BEGIN
    INSERT INTO facts_fts(facts_fts, rowid, entity, fact) VALUES ('delete', old.id, old.entity, old.fact);
END;
CREATE TRIGGER facts_au AFTER UPDATE ON facts BEGIN
    INSERT INTO facts_fts(facts_fts, rowid, entity, fact) VALUES ('delete', old.id, old.entity, old.fact);
    INSERT INTO facts_fts(rowid, entity, fact) VALUES (new.id, new.entity, new.fact);
END;

-- There is no trigger for updates of reflections: an edited reflection leaves its index stale.
CREATE VIRTUAL TABLE reflections_fts USING fts5(
    "trigger",
    lesson,
    new_approach,
    content='reflections',
    content_rowid='id'
);
CREATE TRIGGER reflections_ai AFTER INSERT ON reflections BEGIN
    INSERT INTO reflections_fts(rowid, "trigger", lesson, new_approach)
    VALUES (new.id, new."trigger", new.lesson, new.new_approach);
END;
CREATE TRIGGER reflections_ad AFTER DELETE ON reflections BEGIN
    INSERT INTO reflections_fts(reflections_fts, rowid, "trigger", lesson, new_approach)
    VALUES ('delete', old.id, old."trigger", old.lesson, old.new_approach);
END;
