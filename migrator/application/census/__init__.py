"""Does: find where a code base names legacy databases, tables and columns, and say what has to change.

Reads: the code base, as text; the mappings.
Writes: nothing.
"""
