-- amendment: llm_providers
-- why:       The bot calls groq, openrouter and ollama too, and the CHECK does not list them: their calls become 'other', and
--            sums by provider merge them.
-- changes:   The CHECK of llm_costs.provider lists them, and each of their calls keeps its provider.  A provider without a place
--            in the list is still 'other', with its name in the metadata.
-- costs:     A query that looks for these providers in the metadata, or under 'other', does not find their calls there.
-- answers:   values merged: analytics.llm_costs.provider

CREATE TABLE analytics.llm_costs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL CHECK(provider IN ('anthropic', 'xai', 'openai', 'groq', 'openrouter', 'ollama', 'other')),
    model TEXT NOT NULL,
    input_tokens INTEGER DEFAULT 0,
    output_tokens INTEGER DEFAULT 0,
    cost_usd REAL NOT NULL,
    purpose TEXT,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    metadata TEXT
);
