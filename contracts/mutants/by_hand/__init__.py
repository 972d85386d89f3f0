"""Does: plant faults written by hand, each with the contract that must catch it.

Reads: a migrated set.
Writes: a copy of it.
"""
