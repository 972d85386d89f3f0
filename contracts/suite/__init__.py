"""Does: run the contracts under pytest: options, session, results, evidence.

Reads: options, waivers, clauses.toml.
Writes: reports and evidence, if the caller orders them.
"""
