-- legacy:  jarvis_x_memory
-- file:    jarvis_x_memory.db
-- variant: found
-- fate:    source
-- home:    analytics
-- about:   Posts on X, replies already given, tokens mentioned, fingerprints against repetition.

PRAGMA journal_mode = WAL;

CREATE TABLE content_fingerprints (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint   TEXT    UNIQUE,
    tokens        TEXT,
    prices        TEXT,
    topic_hash    TEXT,
    semantic_hash TEXT,
    created_at    TEXT,
    tweet_id      TEXT
);
CREATE INDEX idx_topic_hash ON content_fingerprints(topic_hash);
CREATE INDEX idx_semantic_hash ON content_fingerprints(semantic_hash, created_at);
CREATE INDEX idx_fingerprint ON content_fingerprints(fingerprint);

CREATE TABLE content_queue (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    content       TEXT,
    category      TEXT,
    cashtags      TEXT,
    scheduled_for TEXT,
    status        TEXT    DEFAULT 'pending',
    created_at    TEXT
);

CREATE TABLE external_replies (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    original_tweet_id TEXT    UNIQUE,
    author_handle     TEXT,
    original_content  TEXT,
    our_reply         TEXT,
    our_tweet_id      TEXT,
    reply_type        TEXT,
    sentiment         TEXT,
    replied_at        TEXT
);
CREATE INDEX idx_external_reply_author ON external_replies(author_handle);

CREATE TABLE interactions (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    tweet_id         TEXT,
    user_handle      TEXT,
    user_id          TEXT,
    interaction_type TEXT,
    our_response     TEXT,
    timestamp        TEXT
);

CREATE TABLE mention_replies (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    tweet_id      TEXT    UNIQUE,
    author_handle TEXT,
    our_reply     TEXT,
    replied_at    TEXT
);

CREATE TABLE token_mentions (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol              TEXT,
    contract_address    TEXT,
    sentiment           TEXT,
    first_mentioned     TEXT,
    last_mentioned      TEXT,
    mention_count       INTEGER DEFAULT 1,
    avg_sentiment_score REAL    DEFAULT 0.0
);

CREATE TABLE tweets (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    tweet_id            TEXT    UNIQUE,
    content             TEXT,
    category            TEXT,
    cashtags            TEXT,
    posted_at           TEXT,
    engagement_likes    INTEGER DEFAULT 0,
    engagement_retweets INTEGER DEFAULT 0,
    engagement_replies  INTEGER DEFAULT 0
);
CREATE INDEX idx_tweets_category ON tweets(category, posted_at);

CREATE TABLE users (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    handle            TEXT    UNIQUE,
    user_id           TEXT,
    first_seen        TEXT,
    interaction_count INTEGER DEFAULT 0,
    sentiment         TEXT    DEFAULT 'neutral',
    notes             TEXT
);
