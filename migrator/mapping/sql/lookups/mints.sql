-- lookup: mints(symbol, mint)
-- why:    A reference that a row leaves empty is looked up where the legacy set answers with one mint for the symbol,
--         letter case ignored.  '' and what is not text are no evidence; rows that are quarantined later are.

-- from: jarvis.positions found
SELECT iif(typeof(s.symbol) = 'text', lower(s.symbol), NULL), s.token_mint FROM jarvis.positions AS s;

-- from: jarvis.positions specified
SELECT iif(typeof(s.symbol) = 'text', lower(s.symbol), NULL), s.token_address FROM jarvis.positions AS s;

-- from: jarvis.trades found
SELECT iif(typeof(s.symbol) = 'text', lower(s.symbol), NULL), s.token_mint FROM jarvis.trades AS s;

-- from: jarvis.trades specified
SELECT iif(typeof(s.symbol) = 'text', lower(s.symbol), NULL), s.token_address FROM jarvis.trades AS s;

-- from: call_tracking.calls found
SELECT iif(typeof(s.symbol) = 'text', lower(s.symbol), NULL), s.contract FROM call_tracking.calls AS s;

-- from: call_tracking.calls specified
SELECT iif(typeof(s.symbol) = 'text', lower(s.symbol), NULL), s.token_address FROM call_tracking.calls AS s;

-- from: jarvis_x_memory.token_mentions found
SELECT iif(typeof(s.symbol) = 'text', lower(s.symbol), NULL), s.contract_address FROM jarvis_x_memory.token_mentions AS s;

-- gives:
SELECT column1, min(column2)
FROM temp.evidence
WHERE typeof(column1) = 'text' AND column1 <> '' AND typeof(column2) = 'text' AND column2 <> ''
GROUP BY column1
HAVING count(DISTINCT column2) = 1;
