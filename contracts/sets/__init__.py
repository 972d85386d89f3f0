"""Does: open the sets that contracts judge: legacy, consolidated, and the pair of both.

Reads: private copies of database files.
Writes: scratch folders.
"""
