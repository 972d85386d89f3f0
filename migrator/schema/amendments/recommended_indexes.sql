-- The indexes of [decisions] extra_indexes = "recommended": none is made unless the owners order it.
--
-- Each has a header:
--   answers: the queries whose finding it answers (docs/reference/findings.md)
--   costs:   its size, and what one more row takes, in steps of SQLite's virtual machine; at 100,000 legacy rows, SQLite 3.40.1
--
-- A query uses an index on an expression only if it has the same expression, letter for letter.  With such an index, SQLite up
-- to 3.40 at least refuses to open the database on a connection with PRAGMA trusted_schema = OFF.
-- The expressions on metadata return NULL for text that is not JSON, so that no index refuses a row.

-- answers: lots_of_symbol
-- costs:   4 KiB for 31 lots; 72 steps for a new lot instead of 67
CREATE INDEX core.idx_tax_lots_symbol ON tax_lots(symbol);

-- answers: tweets_by_category tweets_learnt_from
-- costs:   312 KiB for 6,585 posts; 85 steps for a new post instead of 73
CREATE INDEX analytics.idx_tweets_category ON tweets(
    CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.category') END, timestamp
);

-- answers: llm_by_provider llm_top_models
-- costs:   28 KiB for 578 calls; 100 steps for a new call instead of 75
CREATE INDEX analytics.idx_llm_costs_succeeded ON llm_costs(
    timestamp, coalesce(CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.provider') END, provider)
) WHERE coalesce(CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.success') END, 1) = 1;

-- answers: reflections_to_apply
-- costs:   12 KiB for 608 reflections; 44 steps for a new row of lineage about one instead of 28: only a build adds these
CREATE INDEX analytics.idx_lineage_reflections_applied ON lineage(
    coalesce(json_extract(rest, '$.applied[0]'), 0), target_id
) WHERE source = 'jarvis_memory.reflections' AND target = 'ai_reflections';

-- answers: whales_of_category
-- costs:   32 KiB for 425 wallets; 40 steps for a new row of lineage about one instead of 28: only a build adds these
CREATE INDEX analytics.idx_lineage_whales_category ON lineage(
    json_extract(rest, '$.category[0]'), target_id
) WHERE target = 'whale_wallets';
