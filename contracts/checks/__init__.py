"""Does: compare legacy and consolidated sets for the contracts: rows, references, quarantine, searches, rollbacks.

Reads: the sets and the oracle.
Writes: nothing.
"""
