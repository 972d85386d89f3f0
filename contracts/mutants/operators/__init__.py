"""Does: derive faults from declarations, cells, indexes and SELECTs.

Reads: schemas and mappings.
Writes: nothing.
"""
