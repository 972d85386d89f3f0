"""Does: open databases for the application, in whichever set is in use, and count its statements.

Reads: the set in use and .migrator/switch.json.
Writes: what the application writes, and .migrator/events.jsonl.
"""
