-- query:  llm_by_day
-- legacy: llm_costs.llm_daily_stats
-- target: analytics.legacy_llm_costs_llm_daily_stats
-- asked:  warm: the chart of the days
-- takes:  SELECT date(max(date), '-30 days') AS since FROM llm_costs.llm_daily_stats
SELECT date, sum(total_cost_usd), sum(total_requests)
FROM llm_daily_stats
WHERE date >= :since
GROUP BY date
ORDER BY date DESC;

-- consolidated:
SELECT date, sum(total_cost_usd), sum(total_requests)
FROM legacy_llm_costs_llm_daily_stats
WHERE date >= :since
GROUP BY date
ORDER BY date DESC;
