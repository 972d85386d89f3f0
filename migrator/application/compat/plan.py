"""The plan of a mirror: everything a connection with the legacy schema needs, compiled once for each consolidated database.

It holds SQL and names only, so that a process of the application reads one JSON file, and parses neither mappings nor DDL.
Its records are equal only to themselves: SQL that is made from them is found again by them (:mod:`.put_sql`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LegacyTable:
    """A table of a legacy database, as the mirror makes it in memory.

    Attributes:
        name: Its name.
        kind: ``mapped``, ``carried``, ``index`` (full text over another table), or ``left``: its rows are not in the set.
        into: The table of the consolidated database that has its rows; '' for an index and where there is none.
        columns: The columns that a row fills, in order.
        types: The declared type of each.
        identity: The columns by which the mirror names a row: its rowid, or the primary key of a table without rowids.
        uniques: The columns of each UNIQUE constraint, primary key and unique index.
        opaque: Whether a unique index is over an expression, so that *uniques* does not list all of them.
        rowid: For a carried table, the name of the rowid that both tables have; '' if a column is the rowid.
        autoincrement: Whether it is declared AUTOINCREMENT.
        references: Its foreign keys: columns, parent table, parent's columns, action on delete, action on update.
        content: For an index, the table that it indexes; '' if it has no such table.
        why: For ``left``, the reason.
    """

    name: str
    kind: str
    into: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    identity: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...]
    opaque: bool
    rowid: str
    autoincrement: bool
    references: tuple[tuple[tuple[str, ...], str, tuple[str, ...], str, str], ...]
    content: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LegacyDatabase:
    """A legacy database.

    Attributes:
        name: Its name in mappings and lineage: ``jarvis``.
        place: Its path below the data directory, or below ``included``.
        schema: The statements that make its tables, indexes, views and triggers, with the kind, name and table of each.
        marks: Its user_version and application_id.
        sequence: Table -> largest id that it had given at the cutover, of AUTOINCREMENT tables.
        tables: Its tables by folded name.
    """

    name: str
    place: str
    schema: tuple[tuple[str, str, str, str], ...]
    marks: tuple[int, ...]
    sequence: Mapping[str, int]
    tables: Mapping[str, LegacyTable]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """A mapping, from the rows of one legacy table to those of a target table, with its constants as SQL literals.

    Attributes:
        source: Lineage's name of it: ``jarvis.trades``, or ``stub:<reason>``.
        database: The legacy database.
        table: The legacy table.
        target: The target table.
        key: The legacy column that names a row.
        number: The target column that orders assigned ids; '' if ids are kept.
        keep: ORDER BY terms over target columns that choose among rows with one UNIQUE value.
        parts: Whether one legacy row may become several.
        stub: Whether it adds rows that no legacy row describes.
        takes: SQL that is true for the new rows that it takes, if several make one legacy row.
        together: Target columns that agree in the new rows that make one legacy row.
        forward: The SELECT from legacy to target.
        back: The SELECT from target to legacy.
        given: The target's columns in the order of *forward*.
        columns: The legacy columns in the order of *back*.
        uses: Legacy column -> target columns that are computed from it.
        follows: Legacy column -> ``database.table.column`` of another legacy table whose values it repeats.
        lookups: The lookups that *forward* joins.
        required: The legacy columns of text, but for times, that may not be NULL and have no default.
        last_resorts: Those of the lookups that feed only columns which may not be NULL: without them a row is refused.
        parents: Other target tables that *forward* or *back* read -> those of their columns.
        names: The target tables whose legacy keys *back* gives in columns.
        decided: The legacy columns of which the owners decided cells.
    """

    source: str
    database: str
    table: str
    target: str
    key: str
    number: str
    keep: str
    parts: bool
    stub: bool
    takes: str
    together: tuple[str, ...]
    forward: str
    back: str
    given: tuple[str, ...]
    columns: tuple[str, ...]
    uses: Mapping[str, tuple[str, ...]]
    follows: Mapping[str, tuple[str, ...]]
    lookups: tuple[str, ...]
    required: tuple[str, ...]
    last_resorts: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A target table.

    Attributes:
        name: Its name.
        key: Its primary key; ``rowid`` for a virtual table.
        columns: The columns that a row fills.
        types: The declared type of each.
        virtual: Whether it is a virtual table.
        autoincrement: Whether it is declared AUTOINCREMENT.
        references: Child column, parent table and action on delete of each foreign key.
        uniques: Columns and name in the quarantine of each constraint that lets one row of several in, and SQL that is true
            for the rows among which it does; '' for all.
        refusals: Name in the quarantine, predicate, and whether it chooses among rows, of each constraint.
        sources: The mappings of rows into it, in the order of the plan.
        made: Whether the owners had rows made in it.
    """

    name: str
    key: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    virtual: bool
    autoincrement: bool
    references: tuple[tuple[str, str, str], ...]
    uniques: tuple[tuple[tuple[str, ...], str, str], ...]
    refusals: tuple[tuple[str, str, bool], ...]
    sources: tuple[Source, ...]
    made: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lookup:
    """A work table that forward SELECTs join as ``ids.<name>``.

    Attributes:
        name: Its name.
        columns: Its columns.
        evidence: ``database.table`` and SELECT of each source of evidence within the consolidated database.
        gives: The SELECT that makes the table from ``temp.evidence``.
        width: The number of columns of the evidence.
    """

    name: str
    columns: tuple[str, ...]
    evidence: tuple[tuple[str, str], ...]
    gives: str
    width: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """The plan of one consolidated database.

    Attributes:
        target: ``core``, ``analytics`` or ``cache``.
        databases: The legacy databases whose tables it has, by name.
        targets: Its tables with mappings, parents before children.
        stubs: The mappings that add parents which no legacy row describes.
        lookups: By name.
    """

    target: str
    databases: Mapping[str, LegacyDatabase]
    targets: tuple[Target, ...]
    stubs: tuple[Source, ...]
    lookups: Mapping[str, Lookup]

    def source_of(self, database: str, table: str) -> Source | None:
        """Return the mapping of a legacy *table*, None if it is not mapped."""
        wanted = f"{database}.{table}"
        return next((one for target in self.targets for one in target.sources if one.source == wanted), None)

    def source(self, database: str, table: str) -> Source:
        """Return the mapping of a legacy *table* that is mapped."""
        source = self.source_of(database, table)
        if source is None:
            raise KeyError(f"{database}.{table}")
        return source

    def counts_apart(self, source: Source) -> bool:
        """Return whether the legacy ids of *source* are other numbers than those that its target table gives."""
        return bool(source.number) or any(stub.target == source.target for stub in self.stubs)

    def target_table(self, name: str) -> Target:
        """Return the target table called *name*."""
        return next(target for target in self.targets if target.name == name)
