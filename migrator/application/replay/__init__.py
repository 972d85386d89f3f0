"""Does: run statements on legacy files, bare links and the served legacy schema, and compare what they do.

Reads: private copies of the legacy set and of the consolidated set; files of statements.
Writes: nothing but these copies.
"""
