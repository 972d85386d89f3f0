"""Does: measure migrator and the bot's queries, and report design findings.

Reads: the workload of migrator.mapping, and specimens.
Writes: performance.json, performance.md and findings.md in docs/reference.
"""
