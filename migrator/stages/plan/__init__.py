"""Does: decide what happens to every table, and report what speaks against it.

Reads: the inventory and the configuration.
Writes: nothing.
"""
