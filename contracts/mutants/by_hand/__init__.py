"""Does: plant faults that were thought of, each with the contract that has to catch it.

Reads: a migrated set.
Writes: a copy of it.
"""
