"""Does: say how legacy rows become target rows, and how they are rebuilt.

Reads: sql/*/*.sql.
Writes: work tables of lookups, in the database being built.
"""
