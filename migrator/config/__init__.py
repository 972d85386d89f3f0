"""Does: check what the owners configure: constants, decisions, waivers, indexes.

Reads: migrator.toml.
Writes: nothing.
"""
