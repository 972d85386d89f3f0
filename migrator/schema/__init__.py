"""Does: know the three targets and every legacy database, and read declarations.

Reads: specification/, amendments/ and legacy/, and the schema of a database.
Writes: nothing.
"""
