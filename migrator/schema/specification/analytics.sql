-- ==================================================
-- jarvis_analytics.db - Analytics & Memory Database
-- ==================================================

PRAGMA foreign_keys = ON;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;

-- --------------------------------------------------
-- Telegram Messages (from telegram_memory.db)
-- --------------------------------------------------
CREATE TABLE telegram_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    username TEXT,
    message TEXT NOT NULL,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    message_type TEXT CHECK(message_type IN ('command', 'query', 'response', 'notification')),
    context TEXT -- JSON blob for conversation context
);

CREATE INDEX idx_telegram_messages_user ON telegram_messages(user_id);
CREATE INDEX idx_telegram_messages_timestamp ON telegram_messages(timestamp DESC);

-- --------------------------------------------------
-- Telegram Users (from jarvis_admin.db)
-- --------------------------------------------------
CREATE TABLE telegram_users (
    user_id INTEGER PRIMARY KEY,
    username TEXT,
    first_name TEXT,
    last_name TEXT,
    is_admin INTEGER DEFAULT 0,
    is_banned INTEGER DEFAULT 0,
    first_seen TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    last_seen TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    message_count INTEGER DEFAULT 0,
    preferences TEXT -- JSON blob
);

CREATE INDEX idx_telegram_users_admin ON telegram_users(is_admin);
CREATE INDEX idx_telegram_users_last_seen ON telegram_users(last_seen DESC);

-- --------------------------------------------------
-- Twitter/X Tweets (from jarvis_x_memory.db)
-- --------------------------------------------------
CREATE TABLE tweets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tweet_id TEXT UNIQUE,
    content TEXT NOT NULL,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    likes INTEGER DEFAULT 0,
    retweets INTEGER DEFAULT 0,
    replies INTEGER DEFAULT 0,
    impressions INTEGER DEFAULT 0,
    url TEXT,
    metadata TEXT -- JSON blob
);

CREATE INDEX idx_tweets_timestamp ON tweets(timestamp DESC);
CREATE INDEX idx_tweets_tweet_id ON tweets(tweet_id);

-- --------------------------------------------------
-- AI Memory - Entities (from jarvis_memory.db)
-- --------------------------------------------------
CREATE TABLE ai_entities (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entity_type TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    last_referenced TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    reference_count INTEGER DEFAULT 1
);

CREATE INDEX idx_ai_entities_type ON ai_entities(entity_type);
CREATE INDEX idx_ai_entities_last_referenced ON ai_entities(last_referenced DESC);

-- --------------------------------------------------
-- AI Memory - Facts (from jarvis_memory.db)
-- --------------------------------------------------
CREATE TABLE ai_facts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entity_id INTEGER,
    fact TEXT NOT NULL,
    confidence REAL DEFAULT 1.0,
    source TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    is_active INTEGER DEFAULT 1,
    FOREIGN KEY (entity_id) REFERENCES ai_entities(id) ON DELETE CASCADE
);

CREATE INDEX idx_ai_facts_entity ON ai_facts(entity_id);
CREATE INDEX idx_ai_facts_active ON ai_facts(is_active);

-- --------------------------------------------------
-- AI Memory - Reflections (from jarvis_memory.db)
-- Virtual FTS5 table for semantic search
-- --------------------------------------------------
CREATE VIRTUAL TABLE ai_reflections USING fts5(
    content,
    timestamp,
    tags,
    tokenize = 'porter unicode61'
);

-- --------------------------------------------------
-- Sentiment Readings (from sentiment.db)
-- --------------------------------------------------
CREATE TABLE sentiment_readings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL,
    token_address TEXT NOT NULL,
    score REAL NOT NULL CHECK(score >= 0.0 AND score <= 100.0),
    sentiment TEXT CHECK(sentiment IN ('bullish', 'bearish', 'neutral')),
    confidence REAL,
    source TEXT,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    metadata TEXT -- JSON: grok response, twitter mentions, etc.
);

CREATE INDEX idx_sentiment_symbol ON sentiment_readings(symbol);
CREATE INDEX idx_sentiment_timestamp ON sentiment_readings(timestamp DESC);

-- --------------------------------------------------
-- Call Tracking (from call_tracking.db)
-- --------------------------------------------------
CREATE TABLE calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL,
    token_address TEXT NOT NULL,
    call_type TEXT CHECK(call_type IN ('buy', 'sell', 'hold')),
    entry_price REAL,
    target_price REAL,
    stop_loss_price REAL,
    reasoning TEXT,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    caller TEXT,
    metadata TEXT
);

CREATE TABLE call_outcomes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    call_id INTEGER NOT NULL,
    outcome TEXT CHECK(outcome IN ('win', 'loss', 'break_even', 'pending')),
    pnl_percent REAL,
    closed_at TIMESTAMP,
    notes TEXT,
    FOREIGN KEY (call_id) REFERENCES calls(id) ON DELETE CASCADE
);

CREATE INDEX idx_calls_timestamp ON calls(timestamp DESC);
CREATE INDEX idx_call_outcomes_call ON call_outcomes(call_id);

-- --------------------------------------------------
-- Whale Tracking (from whales.db)
-- --------------------------------------------------
CREATE TABLE whale_wallets (
    address TEXT PRIMARY KEY,
    label TEXT,
    total_sol_moved REAL DEFAULT 0.0,
    first_seen TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    last_active TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    is_active INTEGER DEFAULT 1
);

CREATE TABLE whale_movements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    wallet_address TEXT NOT NULL,
    token_address TEXT NOT NULL,
    token_symbol TEXT,
    amount_sol REAL NOT NULL,
    direction TEXT CHECK(direction IN ('in', 'out')),
    signature TEXT UNIQUE,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (wallet_address) REFERENCES whale_wallets(address) ON DELETE CASCADE
);

CREATE INDEX idx_whale_movements_wallet ON whale_movements(wallet_address);
CREATE INDEX idx_whale_movements_timestamp ON whale_movements(timestamp DESC);

-- --------------------------------------------------
-- Metrics (from metrics.db)
-- --------------------------------------------------
CREATE TABLE metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    metric_name TEXT NOT NULL,
    metric_value REAL NOT NULL,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    tags TEXT, -- JSON blob for flexible tagging
    metadata TEXT
);

CREATE INDEX idx_metrics_name ON metrics(metric_name);
CREATE INDEX idx_metrics_timestamp ON metrics(timestamp DESC);

-- --------------------------------------------------
-- LLM Costs (from llm_costs.db)
-- --------------------------------------------------
CREATE TABLE llm_costs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL CHECK(provider IN ('anthropic', 'xai', 'openai', 'other')),
    model TEXT NOT NULL,
    input_tokens INTEGER DEFAULT 0,
    output_tokens INTEGER DEFAULT 0,
    cost_usd REAL NOT NULL,
    purpose TEXT,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    metadata TEXT
);

CREATE INDEX idx_llm_costs_provider ON llm_costs(provider);
CREATE INDEX idx_llm_costs_timestamp ON llm_costs(timestamp DESC);
