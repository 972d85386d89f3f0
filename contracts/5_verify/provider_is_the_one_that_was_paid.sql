-- A cost names the provider that was paid, or may be 'other' for a provider that the specification does not list.
-- clause: M9
-- variant: found
SELECT s.id
FROM llm_costs.llm_usage AS s
JOIN analytics.lineage AS l ON l.source = 'llm_costs.llm_usage' AND l.target = 'llm_costs' AND l.legacy_key = +s.id
JOIN analytics.llm_costs AS t ON t.id = +l.target_id
WHERE t.provider IS NOT s.provider
    AND NOT (t.provider = 'other' AND s.provider NOT IN ('anthropic', 'xai', 'openai', 'other'));

-- broken by:
UPDATE analytics.llm_costs SET provider = CASE provider WHEN 'xai' THEN 'openai' ELSE 'xai' END;
