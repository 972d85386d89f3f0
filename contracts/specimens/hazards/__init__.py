"""Does: plant rows with one known fault each.

Reads: the rows of a specimen.
Writes: rows of a specimen.
"""
