"""Takes a trading bot's 29 SQLite files to three, proves it, switches over, watches, and can go back.

The pipeline, one word a stage, the same word as module, command and contract folder::

    inventory -> plan -> backup -> build -> verify -> cutover -> monitor -> rollback
"""

from __future__ import annotations

#: The stages in the order in which data flows through them.
PIPELINE = ("inventory", "plan", "backup", "build", "verify", "cutover", "monitor", "rollback")

__all__ = ["PIPELINE"]
