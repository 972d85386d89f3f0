"""Does: watch the application's error rate, and decide when to roll back.

Reads: .migrator/events.jsonl, or a log; .migrator/watch.json.
Writes: .migrator/watch.json, what a watch remembers.
"""
