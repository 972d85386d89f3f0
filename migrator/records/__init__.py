"""Does: hold what one stage hands to the next, as frozen records.

Reads: nothing.
Writes: nothing.
"""
