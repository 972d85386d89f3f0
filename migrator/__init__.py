"""Takes a trading bot's 29 SQLite files to three, proves it, switches over, watches, and can go back.

The pipeline, one word a stage, the same word as module, command and contract folder::

    inventory -> plan -> backup -> build -> verify -> cutover -> monitor -> rollback

The application opens its databases by ``migrator.connect``, which follows the switch (:mod:`migrator.application.connection`).
"""

from __future__ import annotations

from importlib import import_module

#: As for type checkers; typing itself takes longer to import than sqlite3, and a program that is served imports this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from migrator.application.connection import connect

#: The stages in the order in which data flows through them.
PIPELINE = ("inventory", "plan", "backup", "build", "verify", "cutover", "monitor", "rollback")

__all__ = ["PIPELINE", "connect"]


def __getattr__(name: str) -> object:
    """Import ``connect`` when it is first used: the command line does not need it."""
    if name == "connect":
        return import_module("migrator.application.connection").connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
