-- ==================================================
-- jarvis_cache.db - Temporary/Ephemeral Database
-- ==================================================

PRAGMA foreign_keys = ON;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;

-- --------------------------------------------------
-- Cache Entries (generic key-value cache)
-- --------------------------------------------------
CREATE TABLE cache_entries (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    expires_at TIMESTAMP,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX idx_cache_expires ON cache_entries(expires_at);

-- --------------------------------------------------
-- Rate Limiter Logs (from rate_limiter.db)
-- --------------------------------------------------
CREATE TABLE rate_limiter_logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    allowed INTEGER DEFAULT 1
);

CREATE INDEX idx_rate_limiter_user ON rate_limiter_logs(user_id);
CREATE INDEX idx_rate_limiter_timestamp ON rate_limiter_logs(timestamp DESC);

-- --------------------------------------------------
-- Sessions (for stateful operations)
-- --------------------------------------------------
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL,
    data TEXT, -- JSON blob
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    last_accessed TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    expires_at TIMESTAMP
);

CREATE INDEX idx_sessions_user ON sessions(user_id);
CREATE INDEX idx_sessions_expires ON sessions(expires_at);
