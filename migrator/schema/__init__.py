"""Does: hold the schemas of the three targets and of every legacy database, and read declarations.

Reads: specification/, amendments/ and legacy/, and the schema of a database.
Writes: nothing.
"""
