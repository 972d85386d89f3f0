-- legacy:  telegram_memory
-- file:    telegram_memory.db
-- variant: found
-- fate:    source
-- home:    analytics
-- about:   Conversations on Telegram and what was learnt from them.

PRAGMA journal_mode = DELETE;

CREATE TABLE instructions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    instruction TEXT,
    created_by  INTEGER,
    created_at  TEXT,
    active      INTEGER DEFAULT 1
);

CREATE TABLE learnings (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    topic       TEXT,
    content     TEXT,
    source_type TEXT,
    source_id   TEXT,
    created_at  TEXT,
    confidence  REAL    DEFAULT 0.5
);
CREATE INDEX idx_learnings_topic ON learnings(topic);

CREATE TABLE memories (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER,
    key        TEXT,
    value      TEXT,
    created_at TEXT,
    updated_at TEXT,
    UNIQUE (user_id, key)
);

CREATE TABLE messages (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id   INTEGER,
    username  TEXT,
    role      TEXT,
    content   TEXT,
    timestamp TEXT,
    chat_id   INTEGER
);
CREATE INDEX idx_messages_user_id ON messages(user_id);
