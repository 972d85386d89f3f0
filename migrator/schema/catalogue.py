"""The catalogue of known databases: the three targets, and every legacy database with its shapes.

Both are SQL files in this package.  ``specification/*.sql`` is the specification's DDL, word for word and the only copy.
``legacy/*.sql`` is one file per legacy database and variant, its shape as production has it.  The variant
``specified`` has no files: there a legacy database holds the target's own tables, as the specification describes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from migrator.schema import sql_header
from migrator.system import connections
from migrator.system.connections import folded

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

#: The consolidated databases: name under which they are attached, and file name.
TARGETS: Mapping[str, str] = MappingProxyType(
    {"core": "jarvis_core.db", "analytics": "jarvis_analytics.db", "cache": "jarvis_cache.db"}
)

#: Tables that a connection with a legacy schema adds to a consolidated database when it first writes there: the legacy
#: rows that it wrote, the largest ids that legacy tables gave which the set numbers otherwise, a counter of the changes of
#: each table, which triggers raise, and the rows that they last noted.
MIRRORED_ROWS, MIRRORED_SEQUENCE, MIRRORED_CHANGES = "compat_rows", "compat_sequence", "compat_changes"
MIRRORED_WRITTEN = "compat_written"
MIRROR_TABLES = (MIRRORED_ROWS, MIRRORED_SEQUENCE, MIRRORED_CHANGES, MIRRORED_WRITTEN)

#: Lineage's name of a row that the owners made, which no legacy row describes.
MADE = "stub:decided"

#: Folders that migrator makes directly below the data directory.
OUR_FOLDERS = ("backup", ".migrator")

#: Which target tables a legacy database holds in the variant ``specified``: legacy name -> target, tables.
#: From the specification's section comments ("from jarvis.db") and its table of data sources; ``config`` has no source.
SPECIFIED: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "jarvis": ("core", ("positions", "trades", "scorecard")),
        "treasury_trades": ("core", ("treasury_orders",)),
        "tax": ("core", ("tax_lots", "wash_sales")),
        "telegram_memory": ("analytics", ("telegram_messages",)),
        "jarvis_admin": ("analytics", ("telegram_users",)),
        "jarvis_x_memory": ("analytics", ("tweets",)),
        "jarvis_memory": ("analytics", ("ai_entities", "ai_facts", "ai_reflections")),
        "sentiment": ("analytics", ("sentiment_readings",)),
        "call_tracking": ("analytics", ("calls", "call_outcomes")),
        "whales": ("analytics", ("whale_wallets", "whale_movements")),
        "metrics": ("analytics", ("metrics",)),
        "llm_costs": ("analytics", ("llm_costs",)),
        "rate_limiter": ("cache", ("rate_limiter_logs",)),
        "cache_db": ("cache", ("cache_entries", "sessions")),
    }
)

#: The name of the variant in which sources already have the target's shape.
SPECIFIED_VARIANT = "specified"

_HEADER = dict.fromkeys(("legacy", "file", "variant", "fate", "home", "about"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A table as one variant of a legacy database has it.

    Attributes:
        variant: The variant's name, such as ``found``.
        table: The table's name.
        names: Its columns as declared, in order.
        columns: Name in lower case and declared type in upper case of each column, without order.
    """

    variant: str
    table: str
    names: tuple[str, ...]
    columns: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyDatabase:
    """One legacy database in one variant, from one file of ``legacy/``.

    Attributes:
        name: The name under which it is attached and carried.  The stem of its file name,
            but for two files that share a stem with another.
        place: Its path below the data directory.
        variant: Which shape this is: ``found``, or a name of its own where a file has several.
        standalone: True for the four files that the specification leaves alone.
        home: The consolidated database that takes its tables without a home in the specification; '' if standalone.
        about: One sentence about its content.
        ddl: The whole text of the file.
        shapes: Its tables.
    """

    name: str
    place: PurePosixPath
    variant: str
    standalone: bool
    home: str
    about: str
    ddl: str
    shapes: tuple[Shape, ...]


@cache
def target_ddl(target: str) -> str:
    """Return the specification's DDL of *target*: ``core``, ``analytics`` or ``cache``."""
    return (_folder("specification") / f"{target}.sql").read_text(encoding="utf-8")


@cache
def our_ddl() -> str:
    """Return the DDL of the tables that migrator adds to each consolidated database: lineage and quarantine."""
    return (_folder("amendments") / "lineage_and_quarantine.sql").read_text(encoding="utf-8")


@cache
def recommended_indexes() -> str:
    """Return the DDL of the indexes that the findings recommend; none is made unless the owners order it."""
    return (_folder("amendments") / "recommended_indexes.sql").read_text(encoding="utf-8")


@cache
def legacy_databases() -> tuple[LegacyDatabase, ...]:
    """Return every known legacy database and variant, in the order of their file names.

    Raises:
        MappingError: A file of ``legacy/`` lacks its header.
    """
    folder = _folder("legacy")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple(_read(name, (folder / name).read_text(encoding="utf-8")) for name in names)


@cache
def shapes_of(name: str) -> tuple[Shape, ...]:
    """Return each shape in which a table of the legacy database *name* is known, those of ``specified`` included."""
    legacy = tuple(shape for database in legacy_databases() if database.name == name for shape in database.shapes)
    if name not in SPECIFIED:
        return legacy
    target, tables = SPECIFIED[name]
    specified = _shapes(target_ddl(target), SPECIFIED_VARIANT)
    return legacy + tuple(shape for shape in specified if shape.table in tables)


def _folder(name: str) -> Traversable:
    """Return a folder of this package."""
    from importlib.resources import files  # noqa: PLC0415 - a connection of the application reads no DDL

    return files("migrator.schema") / name


def _read(file_name: str, ddl: str) -> LegacyDatabase:
    header, _ = sql_header.read(ddl, _HEADER, f"legacy/{file_name}")
    standalone = header["fate"] == "standalone"
    return LegacyDatabase(
        name=header["legacy"],
        place=PurePosixPath(header["file"]),
        variant=header["variant"],
        standalone=standalone,
        home="" if standalone else header["home"],
        about=header["about"],
        ddl=ddl,
        shapes=_shapes(ddl, header["variant"]),
    )


def _shapes(ddl: str, variant: str) -> tuple[Shape, ...]:
    """Return the tables of *ddl* as SQLite reads them, by applying it to an empty database."""
    connection = connections.memory()
    try:
        connection.executescript(ddl)
        tables = connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        ).fetchall()
        columns = {
            table: connection.execute(
                "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid", (table,)
            ).fetchall()
            for (table,) in tables
        }
    finally:
        connection.close()
    return tuple(
        Shape(
            variant=variant,
            table=table,
            names=tuple(name for name, _ in declared_columns),
            columns=frozenset((folded(name), declared.upper()) for name, declared in declared_columns),
        )
        for table, declared_columns in columns.items()
    )
