"""Does: use files, SQLite connections, processes and locks as the operating system has them.

Reads: files that a caller names.
Writes: durable files, private copies and temporary folders.
"""
