"""Does: serve whole programs that nothing was changed in, by the ``connect`` of sqlite3, and programs in other languages.

Reads: the record of the switch, and the databases in the set that is in use.
Writes: a file in the site-packages of the owners' environment, records of statements, exported legacy files.
"""
