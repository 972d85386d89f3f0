"""Does: build the three databases, and prove that every legacy row can be rebuilt.

Reads: a snapshot.
Writes: .migrator/stage/.
"""
