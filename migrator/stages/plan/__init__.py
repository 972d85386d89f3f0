"""Does: decide what happens to every table, and report the reasons against it.

Reads: the inventory and the configuration.
Writes: nothing.
"""
