"""Operators on lineage, quarantine, decisions, carried tables, sequences, statistics and config."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from typing import Any

from contracts.mutants.statement import Mutation, Statement
from migrator.system.connections import quoted

#: A member of the JSON in rest, in an UPDATE.
_MEMBER = "(SELECT key FROM json_each(rest) ORDER BY key LIMIT 1)"
_SET_MEMBER = f"UPDATE lineage SET rest = json_set(rest, '$.' || {_MEMBER} || '[{{}}]', 'something')"
#: Kind, UPDATE of one row of lineage, and condition of the row; the first is applied to a stub's row too.
_LINEAGE = (
    ("lineage lost", "DELETE FROM lineage", "true"),
    ("lineage twice", "INSERT INTO lineage SELECT * FROM lineage", "true"),
    ("lineage of another source", "UPDATE lineage SET source = 'jarvis.missing'", "true"),
    ("lineage in another table", "UPDATE lineage SET target = 'nothing'", "true"),
    ("lineage without its row", "UPDATE lineage SET target_id = NULL", "target_id IS NOT NULL"),
    ("lineage to another row", "UPDATE lineage SET target_id = target_id + 1", "typeof(target_id) = 'integer'"),
    ("legacy key of a row that there is not", "UPDATE lineage SET legacy_key = 'missing'", "true"),
    (
        "legacy key of another storage class",
        "UPDATE lineage SET legacy_key = CAST(legacy_key AS TEXT)",
        "typeof(legacy_key) = 'integer'",
    ),
    ("legacy key as bytes", "UPDATE lineage SET legacy_key = CAST(legacy_key AS BLOB)", "typeof(legacy_key) = 'text'"),
    ("rest lost", "UPDATE lineage SET rest = NULL", "rest IS NOT NULL"),
    (
        "a column of rest lost",
        f"UPDATE lineage SET rest = json_remove(rest, '$.' || {_MEMBER})",
        "rest IS NOT NULL",
    ),
    ("rest of another value", _SET_MEMBER.format(0), "rest IS NOT NULL"),
    ("rest that would not apply", _SET_MEMBER.format(1), "rest IS NOT NULL"),
    ("rest that is no JSON", "UPDATE lineage SET rest = substr(rest, 2)", "rest IS NOT NULL"),
    ("rest invented", """UPDATE lineage SET rest = '{"id":["invented",1]}'""", "rest IS NULL"),
)
_OF_STUBS = 6
#: Kind, and statement on one row of the quarantine.
_CELL = "(SELECT key FROM json_each(row) WHERE type <> 'null' ORDER BY key DESC LIMIT 1)"
_QUARANTINE = (
    ("quarantined row lost", "DELETE FROM quarantine"),
    ("quarantined row twice", "INSERT INTO quarantine SELECT * FROM quarantine"),
    ("quarantined row under another key", "UPDATE quarantine SET legacy_key = 'missing'"),
    ("quarantined row of another source", "UPDATE quarantine SET source = 'jarvis.missing'"),
    ("quarantined row for another table", "UPDATE quarantine SET target = 'config'"),
    ("quarantined for a constraint that there is not", "UPDATE quarantine SET broken = 'NOT NULL nothing'"),
    ("a cell of a quarantined row lost", f"UPDATE quarantine SET row = json_remove(row, '$.' || {_CELL})"),
    ("a cell of a quarantined row changed", f"UPDATE quarantine SET row = json_set(row, '$.' || {_CELL}, 'other')"),
    ("quarantined row that is no JSON", "UPDATE quarantine SET row = substr(row, 2)"),
    (
        "quarantined row with a lineage beside it",
        "INSERT INTO lineage (source, legacy_key, target) SELECT source, legacy_key, target FROM quarantine",
    ),
)
#: Kind, and statement on one row of the owners' decisions.
_DECISIONS = (
    ("decision lost", "DELETE FROM decisions"),
    ("decision twice", "INSERT INTO decisions SELECT * FROM decisions"),
    ("decision about another row", "UPDATE decisions SET legacy_key = 'missing'"),
    ("decision about another table", "UPDATE decisions SET source = 'jarvis.missing'"),
    (
        "decision of another kind",
        "UPDATE decisions SET decision = CASE decision WHEN 'keep' THEN 'drop' ELSE 'keep' END",
    ),
    ("decision with another cell", """UPDATE decisions SET cells = json_set(cells, '$.invented', json('[null, 1]'))"""),
    ("decision with another reason", "UPDATE decisions SET why = why || '?'"),
    ("decision that is no JSON", "UPDATE decisions SET cells = substr(cells, 2)"),
)


def mutations(connection: sqlite3.Connection, target: str) -> Iterator[Mutation]:
    """Yield every mutation of the bookkeeping of the database *target*."""
    yield from _lineage(connection)
    yield from _quarantine(connection)
    yield from _decisions(connection)
    yield from _carried(connection)
    yield from _sequences(connection)
    yield from _statistics(connection)
    if target == "core":
        yield from _config(connection)
    for table in ("lineage", "quarantine"):
        yield f"{table} thrown away", table, (Statement(f"DROP TABLE {table}"),)


def _one(connection: sqlite3.Connection, question: str, *values: Any) -> Any:
    """Return one row of the result, always the same for the same query; None if there is none."""
    rows = connection.execute(question, values).fetchall()
    return rows[zlib.crc32(question.encode()) % len(rows)] if rows else None


def _lineage(connection: sqlite3.Connection) -> Iterator[Mutation]:
    sources = connection.execute("SELECT DISTINCT source, target FROM lineage ORDER BY 1, 2").fetchall()
    for source, table in sources:
        where = f"{table}.lineage of {source}"
        for kind, sql, chosen in _LINEAGE if not source.startswith("stub:") else _LINEAGE[:_OF_STUBS]:
            question = f"SELECT min(rowid) FROM lineage WHERE source = ? AND target = ? AND {chosen}"
            (rowid,) = connection.execute(question, (source, table)).fetchone()
            if rowid is not None:
                yield kind, where, (Statement(f"{sql} WHERE rowid = ?", (rowid,)),)
    pair = "SELECT a.rowid, b.rowid FROM lineage AS a JOIN lineage AS b ON b.source = a.source AND b.target = a.target"
    for source, table in sources:
        pair_of_rows = _one(connection, f"{pair} AND b.rowid > a.rowid WHERE a.source = ? AND a.target = ? AND"
                                 " a.target_id IS NOT b.target_id ORDER BY 1, 2 LIMIT 20", source, table)  # fmt: skip
        if pair_of_rows:
            first, other = pair_of_rows
            exchange = (
                "UPDATE lineage SET target_id = (SELECT target_id FROM lineage AS o WHERE o.rowid ="
                " CASE lineage.rowid WHEN ? THEN ? ELSE ? END) WHERE rowid IN (?, ?)"
            )
            yield (
                "lineage of two rows exchanged",
                f"{table}.lineage of {source}",
                (Statement(exchange, (first, other, first, first, other)),),
            )


def _quarantine(connection: sqlite3.Connection) -> Iterator[Mutation]:
    question = "SELECT source, target, min(rowid) FROM quarantine WHERE legacy_key IS NOT NULL GROUP BY source, target ORDER BY 1, 2"
    for source, table, rowid in connection.execute(question).fetchall():
        for kind, sql in _QUARANTINE:
            yield kind, f"{table}.quarantine of {source}", (Statement(f"{sql} WHERE rowid = ?", (rowid,)),)


def _decisions(connection: sqlite3.Connection) -> Iterator[Mutation]:
    question = "SELECT source, decision, min(rowid) FROM decisions GROUP BY source, decision ORDER BY 1, 2"
    for source, decision, rowid in connection.execute(question).fetchall():
        for kind, sql in _DECISIONS:
            yield kind, f"decisions.{decision} of {source}", (Statement(f"{sql} WHERE rowid = ?", (rowid,)),)


def _carried(connection: sqlite3.Connection) -> Iterator[Mutation]:
    named = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'legacy\\_%' ESCAPE '\\' ORDER BY name"
    for (name,) in connection.execute(named).fetchall():
        table = quoted(name)
        yield "carried table lost", f"carried.{name}", (Statement(f"DROP TABLE {table}"),)
        if not connection.execute(f"SELECT 1 FROM {table}").fetchone():
            continue
        last = f"rowid = (SELECT max(rowid) FROM {table})"
        yield "carried row lost", f"carried.{name}", (Statement(f"DELETE FROM {table} WHERE {last}"),)
        columns = connection.execute(
            "SELECT name FROM pragma_table_xinfo(?) WHERE NOT pk AND NOT hidden AND name NOT IN"
            " (SELECT i.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i)",
            (name, name),
        ).fetchall()
        for (column,) in columns:
            cell = quoted(column)
            text = f"{last} AND typeof({cell}) = 'text'"
            changes = (
                ("carried cell changed", f"{cell} = {cell} || ' '", text),
                ("carried cell as bytes", f"{cell} = CAST({cell} AS BLOB)", text),
                ("carried number changed", f"{cell} = {cell} + 1", f"{last} AND typeof({cell}) IN ('integer', 'real')"),
                ("carried cell lost", f"{cell} = NULL", f"{last} AND {cell} IS NOT NULL"),
            )
            for kind, change, chosen in changes:
                if connection.execute(f"SELECT 1 FROM {table} WHERE {chosen}").fetchone():
                    yield kind, f"carried.{name}.{column}", (Statement(f"UPDATE {table} SET {change} WHERE {chosen}"),)


def _sequences(connection: sqlite3.Connection) -> Iterator[Mutation]:
    for name, mark in connection.execute("SELECT name, seq FROM sqlite_sequence ORDER BY name").fetchall():
        if mark:
            lower = "UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = ?"
            yield "sequence lowered", f"sequences.{name}", (Statement(lower, (name,)),)
            yield "sequence lost", f"sequences.{name}", (
                Statement("DELETE FROM sqlite_sequence WHERE name = ?", (name,)),
            )  # fmt: skip


def _statistics(connection: sqlite3.Connection) -> Iterator[Mutation]:
    listed = "SELECT tbl, idx, stat FROM sqlite_stat1 WHERE tbl NOT LIKE 'legacy\\_%' ESCAPE '\\' AND idx IS NOT NULL ORDER BY 1, 2"
    for table, index, stat in connection.execute(listed).fetchall():
        if table in ("lineage", "quarantine"):
            continue
        where, given = f"{table}.statistics of {index}", (table, index)
        of = "WHERE tbl = ? AND idx = ?"
        yield "statistics of an index lost", where, (Statement(f"DELETE FROM sqlite_stat1 {of}", given),)
        numbers = " ".join(str(int(word) * 1000) for word in stat.split() if word.isdigit())
        other = Statement(f"UPDATE sqlite_stat1 SET stat = ? {of}", (numbers, *given))
        yield "statistics of another number of rows", where, (other,)


def _config(connection: sqlite3.Connection) -> Iterator[Mutation]:
    for (key,) in connection.execute("SELECT key FROM config ORDER BY key").fetchall():
        for column, new in (("key", "another key"), ("value", "0"), ("description", "another")):
            update = Statement(f"UPDATE config SET {column} = ? WHERE key = ?", (new, key))
            yield f"{column} of a config row changed", f"config.{key}", (update,)
        yield "config row lost", f"config.{key}", (Statement("DELETE FROM config WHERE key = ?", (key,)),)
    more = "INSERT INTO config (key, value, description) VALUES ('max_loss', '1', 'not ordered')"
    yield "config row added", "config.max_loss", (Statement(more),)
