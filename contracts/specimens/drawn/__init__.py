"""Does: draw legacy sets with Hypothesis, from the DDL.

Reads: the legacy DDL and the mappings.
Writes: databases in a folder that a test names.
"""
