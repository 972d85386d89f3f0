"""Opens connections with a legacy schema: finds the plan of the consolidated database, or compiles it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from functools import lru_cache
from typing import Any

from migrator.application.compat import stored
from migrator.application.compat.connection import POOL, Connection
from migrator.application.compat.mirror import Served
from migrator.application.compat.plan import Plan
from migrator.application.compat.statements import Statements
from migrator.errors import Refused, UsageError
from migrator.switch.state import Name, Switch
from migrator.system import connections, permissions
from migrator.system.connections import folded


def connect(switch: Switch, name: Name, *, query: str, synchronous: str, **options: Any) -> sqlite3.Connection:
    """Open the legacy database *name* on the consolidated set of *switch*; *options* as :func:`sqlite3.connect` has them.

    Raises:
        UsageError: The factory is no class of connections.
        sqlite3.Error: The consolidated database cannot be opened.
    """
    served = _served(str(switch.data_dir), _Stamped(switch), name.database, query, synchronous)
    factory: Any = options["factory"]
    is_ours = isinstance(factory, type) and issubclass(factory, Connection)
    if not is_ours:
        raise UsageError(
            f"factory={factory!r}: expected a class of connections, whose legacy schema migrator can serve"
        )
    own = _class_for(factory, served)
    return connections.without_file(":memory:", **options | {"factory": own})


def plan_of(switch: Switch, target: str) -> Plan:
    """Return the plan of *target*, as it was written at the cutover, else compiled now.

    Raises:
        Refused: This user may read neither what was written at the cutover nor the backup.
        sqlite3.Error: A legacy file of the backup is damaged.
        MigratorError: A mapping is wrong.
    """
    plan = stored.load(switch, target)
    if plan is not None:
        return plan
    from migrator.application.compat import compiler  # noqa: PLC0415 - it imports sqlglot

    try:
        plan = compiler.compile_plan(switch, target)
    except (PermissionError, sqlite3.OperationalError) as error:
        if isinstance(error, sqlite3.Error) and error.sqlite_errorname != "SQLITE_CANTOPEN":
            raise
        raise Refused(
            f"the legacy schemas are not written down, and user {permissions.user(os.geteuid())} may not read the backup",
            where=switch.snapshot,
            hint="let the owner of the folder open one of the legacy names by migrator.connect once",
        ) from error
    if os.access(switch.root, os.W_OK):
        with contextlib.suppress(OSError):
            stored.save(switch, plan)
    return plan


def write_plans(switch: Switch) -> None:
    """Compile the plan of each consolidated database of *switch*, and write it.

    Raises:
        sqlite3.Error: A legacy file of the backup cannot be read.
        OSError: It cannot be written.
    """
    from migrator.application.compat import compiler  # noqa: PLC0415 - it imports sqlglot

    for target in switch.targets:
        stored.save(switch, compiler.compile_plan(switch, target))


def forget() -> None:
    """Close every connection that is kept for the next caller."""
    POOL.clear()


@lru_cache(maxsize=64)
def _class_for(factory: Any, served: Served) -> type:
    """Return the class *factory* for connections to the legacy database *served*."""
    return type(factory.__name__, (factory,), {"served": served})


class _Stamped:
    """A switch as a key of a cache: its record is read once for as long as it is the same."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Stamped) and self.switch is other.switch

    def __hash__(self) -> int:
        return id(self.switch)


@lru_cache(maxsize=8)
def _plan(_data_dir: str, stamped: _Stamped, target: str) -> Plan:
    return plan_of(stamped.switch, target)


@lru_cache(maxsize=64)
def _served(data_dir: str, stamped: _Stamped, database: str, query: str, synchronous: str) -> Served:
    switch = stamped.switch
    target = next(name.target for name in switch.names if name.database == database)
    plan = _plan(data_dir, stamped, target)
    legacy = plan.databases[database]
    names = {folded(entry) for _, entry, _, _ in legacy.schema}
    consolidated = {str(switch.installed(one)) for one in switch.targets} | {str(name.path) for name in switch.names}
    path = next(name.path for name in switch.names if name.database == database)
    statements = Statements(names, consolidated)
    return Served(plan, legacy, switch.installed(target), path, query, synchronous, statements)
