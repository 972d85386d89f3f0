"""Does: plant rows that are wrong in one known way.

Reads: the rows of a specimen.
Writes: rows of a specimen.
"""
