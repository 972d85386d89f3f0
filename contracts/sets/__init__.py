"""Does: open the sets under judgement: legacy, consolidated, and the pair of them.

Reads: database files, through private copies.
Writes: scratch folders.
"""
