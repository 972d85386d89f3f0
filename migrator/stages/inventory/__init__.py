"""Does: find every database file and give each one verdict.

Reads: the data directory, each database through a private copy.
Writes: nothing.
"""
