"""Does: compare what a contract compares: rows, references, quarantine, searches, a rollback.

Reads: the sets and the oracle.
Writes: nothing.
"""
