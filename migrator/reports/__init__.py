"""Does: show records: on a terminal, as a page, as Markdown.

Reads: records and evidence.
Writes: nothing.
"""
