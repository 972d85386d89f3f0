-- query:  llm_by_provider
-- legacy: llm_costs.llm_usage
-- target: analytics.llm_costs
-- asked:  warm: the report of costs
-- takes:  SELECT strftime('%Y-%m-%dT%H:%M:%S', max(timestamp), '-7 days') AS since FROM llm_costs.llm_usage
-- costs:  the provider is one of four, its name is in the JSON: the rows are sorted by it
SELECT provider, count(*), sum(input_tokens), sum(output_tokens), round(sum(cost_usd), 6)
FROM llm_usage
WHERE timestamp >= :since AND success = 1
GROUP BY provider;

-- consolidated:
SELECT coalesce(CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.provider') END, provider) AS provider, count(*), sum(input_tokens),
    sum(output_tokens), round(sum(cost_usd), 6)
FROM llm_costs
WHERE timestamp >= replace(substr(:since, 1, 19), 'T', ' ') AND coalesce(CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.success') END, 1) = 1
GROUP BY 1;
