-- amendment: metric_uniqueness
-- why:       The legacy tables have one row for each time and component, and the bot writes a minute again with INSERT OR
--            REPLACE.  Here nothing is unique: each repetition adds rows, and sums and averages count a minute twice.
-- changes:   A metric has one value for each time and tags, by the unique index idx_metrics_once.
-- costs:     An insert has to be an upsert, ON CONFLICT(metric_name, timestamp, tags), or INSERT OR REPLACE; equal tags have
--            to be the same text, and a metric whose tags are NULL is not restricted.  The index is about as large as the table.
-- answers:   uniqueness lost: analytics.metrics

CREATE UNIQUE INDEX analytics.idx_metrics_once ON metrics(metric_name, timestamp, tags);
