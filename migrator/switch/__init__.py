"""Does: turn every database name from one set to the other, or finish a switch that was interrupted.

Reads: .migrator/ and the files it leads to.
Writes: .migrator/, links under the legacy names, the flag in .env.
"""
