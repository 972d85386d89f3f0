-- amendment: fts_unindexed_columns
-- why:       A search in ai_reflections reads every column: a number such as 2026 finds each reflection by its date.  The legacy
--            index holds the words of a reflection alone.
-- changes:   timestamp and tags are stored and not indexed; a search finds words of the content.
-- costs:     MATCH finds no tag any more: code that looks for one has to use LIKE on the column, which reads every row.
-- answers:   indexed by accident: analytics.ai_reflections.timestamp

CREATE VIRTUAL TABLE analytics.ai_reflections USING fts5(
    content,
    timestamp UNINDEXED,
    tags UNINDEXED,
    tokenize = 'porter unicode61'
);
