-- legacy:  ai_memory
-- file:    ai_memory.db
-- variant: found
-- fate:    source
-- home:    analytics
-- about:   Keyed notes that the assistant keeps between sessions.

PRAGMA journal_mode = DELETE;

CREATE TABLE memories (
    id           INTEGER   PRIMARY KEY AUTOINCREMENT,
    namespace    TEXT      NOT NULL,
    key          TEXT      NOT NULL,
    value        TEXT      NOT NULL,
    created_at   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    accessed_at  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    access_count INTEGER   DEFAULT 0,
    UNIQUE (namespace, key)
);
CREATE INDEX idx_created ON memories(created_at);
CREATE INDEX idx_namespace ON memories(namespace);
