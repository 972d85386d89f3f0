"""Lists what legacy code will not find on the consolidated set, before a cutover: tables and files that cannot be served."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from migrator.application.compat import compiler
from migrator.application.compat.plan import LegacyDatabase
from migrator.mapping import sql_functions
from migrator.switch.state import Switch
from migrator.system import connections
from migrator.system.escaping import escaped


def unserved(switch: Switch) -> tuple[str, ...]:
    """Return a sentence for each legacy database and table that ``migrator.connect`` will not serve after *switch*.

    Raises:
        sqlite3.Error: A legacy file of the backup cannot be read.
    """
    databases = [database for target in switch.targets for database in compiler.databases_of(switch, target).values()]
    return tuple(sentence for database in databases for sentence in _of(database))


def _of(database: LegacyDatabase) -> Iterator[str]:
    if error := _refusal(database):
        yield f"{escaped(database.name)}: its schema cannot be made in memory ({escaped(error)})"
        return
    for table in database.tables.values():
        if table.kind == "left":
            yield f"{escaped(database.name)}.{escaped(table.name)}: {table.why}"


def _refusal(database: LegacyDatabase) -> str:
    """Return the error with which SQLite refuses to make the schema of *database* in memory; '' if it makes it."""
    with closing(connections.memory()) as connection:
        sql_functions.register(connection)
        try:
            for _, _, _, sql in database.schema:
                connection.execute(sql)
        except sqlite3.Error as error:
            return str(error)
    return ""
