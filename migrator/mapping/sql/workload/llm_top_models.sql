-- query:  llm_top_models
-- legacy: llm_costs.llm_usage
-- target: analytics.llm_costs
-- asked:  warm: the report of costs
-- takes:  SELECT strftime('%Y-%m-%dT%H:%M:%S', max(timestamp), '-7 days') AS since FROM llm_costs.llm_usage
-- costs:  success and the provider's name are in the JSON, which is read for each call of the week
SELECT model, provider, count(*), sum(input_tokens + output_tokens), round(sum(cost_usd), 6)
FROM llm_usage
WHERE timestamp >= :since AND success = 1
GROUP BY model, provider
ORDER BY sum(cost_usd) DESC
LIMIT 10;

-- consolidated:
SELECT model, coalesce(CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.provider') END, provider) AS provider, count(*),
    sum(input_tokens + output_tokens), round(sum(cost_usd), 6)
FROM llm_costs
WHERE timestamp >= replace(substr(:since, 1, 19), 'T', ' ') AND coalesce(CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.success') END, 1) = 1
GROUP BY 1, 2
ORDER BY sum(cost_usd) DESC
LIMIT 10;
