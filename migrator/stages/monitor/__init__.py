"""Does: watch the application's error rate, and decide when to roll back.

Reads: .migrator/events.jsonl, or a log.
Writes: nothing.
"""
