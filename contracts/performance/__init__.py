"""Does: measure the tool and the bot's questions, and report what the specified design costs.

Reads: workload/*.sql and specimens.
Writes: docs/performance.json and docs/performance.md.
"""
