"""Does: run the eight stages; no stage imports another.

Reads: what the stage before left.
Writes: what the stage after reads.
"""
