"""Does: compare sets for the contracts: rows, references, quarantine, searches, rollbacks.

Reads: the sets and the oracle.
Writes: nothing.
"""
