-- legacy:  engagement
-- file:    bots/twitter/engagement.db
-- variant: found
-- fate:    standalone
-- home:    -
-- about:   How the bot's own posts on X fare; specified to stay a file of its own.

PRAGMA journal_mode = DELETE;

CREATE TABLE audience_snapshots (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp       TEXT,
    follower_count  INTEGER,
    following_count INTEGER,
    data_json       TEXT
);

CREATE TABLE metrics_history (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tweet_id    TEXT,
    timestamp   TEXT,
    likes       INTEGER,
    retweets    INTEGER,
    replies     INTEGER,
    impressions INTEGER,
    FOREIGN KEY (tweet_id) REFERENCES tweet_metrics(tweet_id)
);
CREATE INDEX idx_history_tweet ON metrics_history(tweet_id);

CREATE TABLE threads (
    thread_id   TEXT    PRIMARY KEY,
    tweet_count INTEGER,
    created_at  TEXT,
    topic       TEXT,
    type        TEXT
);

CREATE TABLE tweet_metrics (
    tweet_id        TEXT    PRIMARY KEY,
    created_at      TEXT,
    text_preview    TEXT,
    likes           INTEGER DEFAULT 0,
    retweets        INTEGER DEFAULT 0,
    replies         INTEGER DEFAULT 0,
    quotes          INTEGER DEFAULT 0,
    impressions     INTEGER DEFAULT 0,
    profile_clicks  INTEGER DEFAULT 0,
    url_clicks      INTEGER DEFAULT 0,
    hashtag_clicks  INTEGER DEFAULT 0,
    detail_expands  INTEGER DEFAULT 0,
    engagement_rate REAL    DEFAULT 0.0,
    last_updated    TEXT,
    thread_id       TEXT
);
CREATE INDEX idx_metrics_thread ON tweet_metrics(thread_id);
CREATE INDEX idx_metrics_created ON tweet_metrics(created_at);
