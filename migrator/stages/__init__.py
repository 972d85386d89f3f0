"""Does: run the eight stages; no stage imports another.

Reads: the result of the stage before.
Writes: its result, for the stage after.
"""
