"""SQL that compares a consolidated row with the row that a new migration makes of its legacy row, cell by cell.

Three rows take part: ``w``, as it is written now; ``b``, as it was installed, which a new row lacks; and ``f``, as it comes
out of the new migration.  A cell is lost if ``w`` holds information that ``f`` does not.  These are not losses:

- NULL, the default of the specification and an empty time, if neither ``b`` nor ``f`` holds more.
- A time that is spelled differently and names the same instant.
- A clock column (``DEFAULT CURRENT_TIMESTAMP``) that repeats another time of the row, which comes back.
- A percentage or score that the header of a mapping lists as rounded, within :data:`ROUNDED`.
- A member of JSON that was not changed, in a row that was: another column has its information now.
- White space and order in JSON, and members that only ``f`` has.
- Line breaks at the end of a text in a full-text table, which its index does not read.

This module only makes SQL text and executes none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from migrator.mapping import reader as mapping_reader
from migrator.mapping import reverse_sql
from migrator.schema import reader as schema_reader
from migrator.schema.model import Column, Schema, Table
from migrator.system.connections import quoted

#: Columns that hold JSON, in tables that are not virtual.
_JSON = frozenset({"metadata", "context", "preferences", "tags"})
#: Tolerance for recomputed doubles: 1e-9 of a percent or of a score's point, below any meaningful difference.
ROUNDED = "1e-9"
#: A default that is a literal, so that it can be compared.
LITERAL = re.compile(r"[-+]?\d+(?:\.\d+)?|'(?:[^']|'')*'|NULL", re.IGNORECASE)
_CLOCK = "CURRENT_TIMESTAMP"


class Comparison:
    """The comparison of the rows of one target table.

    Attributes:
        target: The consolidated database.
        table: The table.
        key: The column that identifies a row.
        columns: The columns that a row fills, without ``rowid``.
        references: Column -> the table that it refers to.
    """

    def __init__(self, target: str, table: str) -> None:
        schema = schema_reader.target(target)
        self.target = target
        self.table = table
        self.key = mapping_reader.target_key(schema, table)
        self.columns = [name for name in mapping_reader.target_columns(schema, table) if name != "rowid"]
        self._shape = _shape(schema, table)
        self._declared = {column.name: column for column in self._shape.columns} if self._shape else {}
        self.references = {
            reference.columns[0]: reference.parent for reference in (self._shape.foreign_keys if self._shape else ())
        }
        self._rounded = {
            name for mapping in mapping_reader.mappings() if mapping.table == table for name in mapping.rounds
        }

    @property
    def numbered(self) -> bool:
        """Whether SQLite numbers its rows, so that a key does not show what a row is about."""
        return self._shape is None or self._shape.autoincrement

    @property
    def judged(self) -> list[str]:
        """The columns whose cells are compared: an assigned number may come out as another one."""
        return [column for column in self.columns if column != self.key or not self.numbered]

    def is_json(self, column: str) -> bool:
        """Return whether *column* holds JSON."""
        return self._shape is not None and column in _JSON

    def times(self) -> list[str]:
        """Return the columns that hold a time."""
        return [name for name in self.columns if name == "timestamp" or self._type(name) == "TIMESTAMP"]

    def same_row(self, row: str, other: str) -> str:
        """Return SQL that is true if two rows with one number are the same row, perhaps edited.

        A full-text table reuses the number of a deleted last row.  Rows that agree in no cell that carries
        information (not NULL, not the default) share only their number.  Of other keys, the key says which row it is.
        """
        if not self.numbered:
            return "1"
        agree = [
            f"(NOT {self._nothing(other, column)} AND {_same(row, other, column)})"
            for column in self.columns
            if column != self.key
        ]
        empty = [self._nothing(other, column) for column in self.columns if column != self.key]
        return f"({' OR '.join(agree)} OR ({' AND '.join(empty)}))"

    def lost(self, column: str, *, new: str, touched: str) -> str:
        """Return SQL that is true if the cell of ``w`` in *column* is lost in ``f``.

        *new* and *touched* are SQL: whether ``b`` is missing, and whether ``w`` differs from it.
        """
        same = _same("w", "f", column)
        no_more = f"({new} OR {self._nothing('f', column)})"
        if column in self.references:
            same = _same_parent(self.target, column, self.references[column])
            # A row without a parent may get one that came out of quarantine.
            no_more = f"({no_more} OR b.{quoted(column)} IS NULL)"
        elif self.is_json(column):
            return f"(NOT {same} AND {_lost_json(column, touched)})"
        elif column in self.times():
            same = f"({same} OR {_moment('w', column)} IS {_moment('f', column)})"
        elif self._shape is None:
            same = f"({same} OR rtrim(w.{quoted(column)}, char(10)) IS rtrim(f.{quoted(column)}, char(10)))"
        elif column in self._rounded:
            same = f"({same} OR abs(w.{quoted(column)} - f.{quoted(column)}) <= {ROUNDED})"
        return f"(NOT {same} AND NOT ({self._nothing('w', column)} AND {no_more}))"

    def lost_names(self, columns: Sequence[str], *, new: str, touched: str) -> str:
        """Return SQL for the names of the lost *columns*, each followed by a blank."""
        return " || ".join(
            f"CASE WHEN {self.lost(column, new=new, touched=touched)} THEN '{column} ' ELSE '' END"
            for column in columns
        )

    def kept(self, *, new: str, touched: str) -> str:
        """Return SQL that is true if no cell of ``w`` is lost in ``f``."""
        return " AND ".join(f"NOT {self.lost(column, new=new, touched=touched)}" for column in self.judged)

    def _type(self, column: str) -> str:
        declared = self._declared.get(column)
        return declared.type.upper() if declared else ""

    def _nothing(self, row: str, column: str) -> str:
        """Return SQL that is true if the cell carries no information."""
        name = f"{row}.{quoted(column)}"
        declared: Column | None = self._declared.get(column)
        default = declared.default if declared else None
        conditions = [f"{name} IS NULL"]
        if default and LITERAL.fullmatch(default):
            conditions.append(f"{name} IS {default}")
        if column in self.times() or row == "f":
            # A legacy column that is NOT NULL holds an empty text instead of NULL.
            conditions.append(f"{name} = ''")
        if default == _CLOCK and row == "w":
            conditions += [
                f"({_moment('w', column)} IS {_moment('w', other)} AND {_moment('w', other)} IS {_moment('f', other)})"
                for other in self.times()
                if other != column
            ]
        return f"({' OR '.join(conditions)})"


def _shape(schema: Schema, table: str) -> Table | None:
    """Return the declaration of *table*; None if it is virtual."""
    return next((shape for shape in schema.tables if shape.name == table), None)


def _same(row: str, other: str, column: str) -> str:
    return f"(NOT {reverse_sql.differ_sql(row, other, [column])})"


def _moment(row: str, column: str) -> str:
    """Return SQL for the instant in a cell; the cell itself if it is not a time."""
    name = f"{row}.{quoted(column)}"
    return f"coalesce(utc(CAST({name} AS BLOB)), nullif({name}, ''))"


def _same_parent(target: str, column: str, parent: str) -> str:
    """Return SQL that is true if both rows refer to rows of the same legacy row."""
    # The plus removes the column's affinity, so that SQLite can use the index of the untyped target_id.
    ours, theirs = f"+w.{quoted(column)}", f"+f.{quoted(column)}"
    return (
        f"(({ours} IS NULL AND {theirs} IS NULL) OR EXISTS (SELECT 1 FROM {target}.lineage AS x JOIN again.lineage AS y"
        f" ON y.source = x.source AND y.legacy_key IS x.legacy_key AND y.target = x.target"
        f" WHERE x.target = '{parent}' AND x.target_id = {ours} AND y.target_id = {theirs}))"
    )


def _lost_json(column: str, touched: str) -> str:
    """Return SQL that is true if a JSON member of ``w`` is missing in ``f``, or ``f`` has one that was deleted."""
    ours, written, theirs = (f"{row}.{quoted(column)}" for row in "wbf")
    ours_only = (
        f"EXISTS ({_leaves(ours)} EXCEPT {_leaves(theirs)} EXCEPT {_leaves(f'CASE WHEN {touched} THEN {written} END')})"
    )
    back_again = (
        f"({touched} AND EXISTS (SELECT 1 FROM ({_leaves(written)} INTERSECT {_leaves(theirs)}) AS k"
        f" WHERE k.fullkey NOT IN (SELECT fullkey FROM ({_leaves(ours)}))))"
    )
    return f"CASE WHEN {ours} IS NOT NULL AND {_sound(ours)} IS NULL THEN 1 ELSE {ours_only} OR {back_again} END"


def _sound(text: str) -> str:
    """Return SQL for *text* if all of it is valid JSON, else NULL."""
    # SQLite parses JSON only up to a NUL.
    return f"CASE WHEN instr(CAST({text} AS BLOB), x'00') = 0 AND json_valid({text}) THEN {text} END"


def _leaves(text: str) -> str:
    """Return a SELECT of path and value of each number, text and boolean in the JSON *text*."""
    return f"SELECT fullkey, atom FROM json_tree({_sound(text)}) WHERE type NOT IN ('object', 'array', 'null')"


def pair_up(comparison: Comparison) -> Sequence[str]:
    """Return statements that make ``temp.pairs``: rowid and key of each row in use, whether it is new, and changed."""
    target, table, key = comparison.target, quoted(comparison.table), comparison.key
    return (
        "DROP TABLE IF EXISTS temp.pairs",
        (
            f"CREATE TEMP TABLE pairs AS SELECT w.rowid AS handle, b.{key} IS NULL AS new,"
            f" b.{key} IS NULL OR {reverse_sql.differ_sql('w', 'b', comparison.columns)} AS touched"
            f" FROM {target}.{table} AS w LEFT JOIN baseline.{table} AS b ON b.{key} = w.{key}"
            f" AND {comparison.same_row('w', 'b')}"
        ),
    )


def rows_sql(comparison: Comparison) -> str:
    """Return the FROM clause that joins ``w`` and ``b`` with ``p``, their entry in ``temp.pairs``."""
    target, table, key = comparison.target, quoted(comparison.table), comparison.key
    return (
        f"FROM temp.pairs AS p CROSS JOIN {target}.{table} AS w ON w.rowid = p.handle"
        f" LEFT JOIN baseline.{table} AS b ON b.{key} = w.{key} AND NOT p.new"
    )


def again_sql(comparison: Comparison) -> str:
    """Return the FROM clause of the rows that a new migration makes of the legacy rows of ``w``: ``l``, ``m`` and ``f``."""
    return (
        f"FROM {comparison.target}.lineage AS l JOIN again.lineage AS m ON m.source = l.source"
        f" AND m.legacy_key IS l.legacy_key AND m.target = l.target"
        f" JOIN again.{quoted(comparison.table)} AS f ON f.{comparison.key} = m.target_id"
        # The plus removes the column's affinity, so that SQLite can use the index of lineage, whose ids have none.
        f" WHERE l.target = '{comparison.table}' AND l.target_id = +w.{comparison.key}"
    )
