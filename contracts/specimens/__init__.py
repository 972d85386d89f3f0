"""Does: make legacy sets like production's, from a seed.

Reads: the legacy DDL.
Writes: 29 databases, specimen.json and migrator.toml in a new folder.
"""
