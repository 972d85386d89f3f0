"""Does: put stages together into workflows: migrate, status, switchover, rehearsal.

Reads: a workspace.
Writes: what its stages write, and report.html.
"""
