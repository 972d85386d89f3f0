-- target: analytics.metrics
-- source: metrics.metrics_1m
-- key:    id
-- number: timestamp
-- takes:  metadata IS NULL AND metric_name IN ('total_requests', 'failed_requests', 'error_rate', 'latency_p50',
--         'latency_p95', 'latency_p99', 'latency_min', 'latency_max', 'latency_mean')
--         AND iif(json_valid(tags), json_extract(tags, '$.resolution'), NULL) = '1m'
-- together: timestamp tags
-- why:    A row per component and minute with nine measures becomes a row for each measure that is there; one without
--         any becomes none.  Ids are numbered by time over minutes and hours together; the tags say which it was.
WITH measures AS (
    SELECT 1 AS part, 'total_requests' AS name
    UNION ALL SELECT 2, 'failed_requests'
    UNION ALL SELECT 3, 'error_rate'
    UNION ALL SELECT 4, 'latency_p50'
    UNION ALL SELECT 5, 'latency_p95'
    UNION ALL SELECT 6, 'latency_p99'
    UNION ALL SELECT 7, 'latency_min'
    UNION ALL SELECT 8, 'latency_max'
    UNION ALL SELECT 9, 'latency_mean'
),
-- Materialised, so that time and component are read once for nine rows.
s AS MATERIALIZED (
    SELECT s.id AS id, utc(CAST(s.timestamp AS BLOB)) AS timestamp,
        CASE typeof(s.component) WHEN 'text' THEN text_cell(CAST(s.component AS BLOB)) ELSE 'null' END AS component,
        s.total_requests AS total_requests, s.failed_requests AS failed_requests, s.error_rate AS error_rate,
        s.latency_p50 AS latency_p50, s.latency_p95 AS latency_p95, s.latency_p99 AS latency_p99,
        s.latency_min AS latency_min, s.latency_max AS latency_max, s.latency_mean AS latency_mean
    FROM metrics.metrics_1m AS s
)
SELECT
    s.id AS legacy_key,
    m.part AS part,
    m.name AS metric_name,
    CASE m.part
        WHEN 1 THEN s.total_requests
        WHEN 2 THEN s.failed_requests
        WHEN 3 THEN s.error_rate
        WHEN 4 THEN s.latency_p50
        WHEN 5 THEN s.latency_p95
        WHEN 6 THEN s.latency_p99
        WHEN 7 THEN s.latency_min
        WHEN 8 THEN s.latency_max
        WHEN 9 THEN s.latency_mean
    END AS metric_value,
    s.timestamp AS timestamp,
    '{"component":' || s.component || ',"resolution":"1m"}' AS tags,
    NULL AS metadata
FROM s
CROSS JOIN measures AS m
WHERE metric_value IS NOT NULL;

-- back:
SELECT
    l.legacy_key AS legacy_key,
    max(l.rest) AS rest,
    l.legacy_key AS id,
    max(replace(t.timestamp, ' ', 'T') || '+00:00') AS timestamp,
    max(json_extract(CASE WHEN json_valid(t.tags) THEN t.tags END, '$.component')) AS component,
    -- A count became REAL, like every measure.
    max(CASE
        WHEN t.metric_name <> 'total_requests' THEN NULL
        WHEN t.metric_value = CAST(t.metric_value AS INTEGER) THEN CAST(t.metric_value AS INTEGER)
        ELSE t.metric_value
    END) AS total_requests,
    max(CASE
        WHEN t.metric_name <> 'failed_requests' THEN NULL
        WHEN t.metric_value = CAST(t.metric_value AS INTEGER) THEN CAST(t.metric_value AS INTEGER)
        ELSE t.metric_value
    END) AS failed_requests,
    max(CASE t.metric_name WHEN 'error_rate' THEN t.metric_value END) AS error_rate,
    max(CASE t.metric_name WHEN 'latency_p50' THEN t.metric_value END) AS latency_p50,
    max(CASE t.metric_name WHEN 'latency_p95' THEN t.metric_value END) AS latency_p95,
    max(CASE t.metric_name WHEN 'latency_p99' THEN t.metric_value END) AS latency_p99,
    max(CASE t.metric_name WHEN 'latency_min' THEN t.metric_value END) AS latency_min,
    max(CASE t.metric_name WHEN 'latency_max' THEN t.metric_value END) AS latency_max,
    max(CASE t.metric_name WHEN 'latency_mean' THEN t.metric_value END) AS latency_mean
FROM analytics.lineage AS l
LEFT JOIN analytics.metrics AS t ON t.id = l.target_id
WHERE l.source = 'metrics.metrics_1m' AND l.target = 'metrics'
GROUP BY l.legacy_key;
