"""Does: serve the schema of a legacy database on the consolidated set, to code that was not rewritten.

Reads: the consolidated databases, and the schemas of the legacy files as they were at the cutover.
Writes: what the application writes, to the consolidated databases, with lineage and quarantine.
"""
