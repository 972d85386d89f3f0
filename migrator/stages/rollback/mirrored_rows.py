"""Writes back, as they are, the legacy rows that the application wrote through the legacy schema of the consolidated set.

Such rows are known exactly: lineage, rest and quarantine give every cell as it was written.  Nothing is merged or recognised.
The table ``compat_rows`` of the consolidated database lists them, :data:`MIRRORED` lists them in a session.
"""

from __future__ import annotations

import sqlite3

from migrator.mapping import reverse_sql
from migrator.mapping.model import TableMapping
from migrator.schema.catalogue import MIRRORED_ROWS, MIRRORED_SEQUENCE
from migrator.stages.rollback.session import Session
from migrator.system.connections import quoted
from migrator.system.rowids import rowid as rowid_of

#: Work table: source and legacy key of the rows that were written through the legacy schema.
MIRRORED = "temp.mirrored"


def is_mirrored(source: str, key: str) -> str:
    """Return SQL that is true if the legacy row *key* of *source* was written through the legacy schema."""
    return f"EXISTS (SELECT 1 FROM {MIRRORED} AS c WHERE c.source = {source} AND c.legacy_key IS {key})"


def list_rows(connection: sqlite3.Connection, target: str) -> None:
    """Make :data:`MIRRORED` from the consolidated database *target*."""
    connection.execute(f"CREATE TABLE {MIRRORED} (source, legacy_key)")
    connection.execute("CREATE INDEX temp.mirrored_key ON mirrored(source, legacy_key)")
    if _has(connection, target, MIRRORED_ROWS):
        connection.execute(f"INSERT INTO {MIRRORED} SELECT source, legacy_key FROM {target}.{MIRRORED_ROWS}")


def has_rows(connection: sqlite3.Connection, target: str) -> bool:
    """Return whether rows of the consolidated database *target* were written through a legacy schema."""
    return (
        _has(connection, target, MIRRORED_ROWS)
        and connection.execute(f"SELECT 1 FROM {target}.{MIRRORED_ROWS} LIMIT 1").fetchone() is not None
    )


def take_lineage(session: Session) -> None:
    """Replace the lineage by that of the build, but for rows that were written through the legacy schema."""
    lineage = f"{session.target}.lineage"
    mirrored = is_mirrored("l.source", "l.legacy_key")
    session.connection.execute(f"DELETE FROM {lineage} AS l WHERE NOT {mirrored}")
    session.connection.execute(f"INSERT INTO {lineage} SELECT * FROM baseline.lineage AS l WHERE NOT {mirrored}")


def write_back(session: Session, mapping: TableMapping) -> None:
    """Make the legacy rows of *mapping* that were written through the legacy schema what they are there.

    A row that another row of the legacy table keeps out stays in the consolidated database, and the owner gets a sentence about it.
    """
    connection = session.connection
    if not connection.execute(f"SELECT 1 FROM {MIRRORED} WHERE source = ?", (mapping.source,)).fetchone():
        return
    with session.beside(mapping.database):
        _make_now(session, mapping)
        source, key = f"{quoted(mapping.database)}.{quoted(mapping.source_table)}", quoted(mapping.key)
        columns = list(map(quoted, mapping.legacy_columns))
        of_source = reverse_sql.literal(mapping.source)
        of_mirrored = is_mirrored(of_source, f"s.{key}")
        same = f"o.{key} IS s.{key} COLLATE BINARY AND NOT {reverse_sql.differ_sql('s', 'o', mapping.legacy_columns)}"
        rowid = rowid_of(connection, mapping.database, mapping.source_table)
        rowids = [rowid] if rowid else []
        connection.execute("DROP TABLE IF EXISTS temp.replaced")
        connection.execute(
            f"CREATE TEMP TABLE replaced AS SELECT {', '.join([*(f's.{name} AS legacy_rowid' for name in rowids), f's.{key} AS legacy_key'])}"
            f" FROM {source} AS s WHERE ({of_mirrored}) AND (s.{key} IS NULL OR NOT EXISTS"
            f" (SELECT 1 FROM temp.mirrored_now AS o WHERE {same}))"
        )
        connection.execute(
            f"DELETE FROM {source} AS s WHERE ({of_mirrored}) AND (s.{key} IS NULL OR NOT EXISTS"
            f" (SELECT 1 FROM temp.mirrored_now AS o WHERE {same}))"
        )
        connection.execute(
            f"DELETE FROM temp.mirrored_now AS o WHERE EXISTS (SELECT 1 FROM {source} AS s WHERE o.{key} = s.{key} COLLATE BINARY)"
        )
        former = "(SELECT min(r.legacy_rowid) FROM temp.replaced AS r WHERE r.legacy_key = o.{key})".replace(
            "{key}", key
        )
        # Rows with a number first: a new number must not be that of a row which comes back.
        order = f" ORDER BY {former} IS NULL" if rowids else ""
        values = [*(former for _ in rowids), *(f"o.{name}" for name in columns)]
        insert = f"INSERT OR ABORT INTO {source} ({', '.join([*rowids, *columns])}) SELECT {', '.join(values)} FROM temp.mirrored_now AS o{{}}{order}"
        _count(session, mapping)
        if session.tried(insert.format(""), ()):
            for (row,) in connection.execute("SELECT rowid FROM temp.mirrored_now").fetchall():
                if why := session.tried(insert.format(" WHERE o.rowid = ?"), (row,)):
                    session.done.tell(
                        f"{mapping.source}: a row that was written through its legacy name is refused: {why}"
                    )
        _raise_sequence(session, mapping)


def _make_now(session: Session, mapping: TableMapping) -> None:
    """Make ``temp.mirrored_now``: the rows as they are, in the types of the legacy table."""
    connection = session.connection
    connection.execute("DROP TABLE IF EXISTS temp.mirrored_now")
    columns = ", ".join(map(quoted, mapping.legacy_columns))
    keys = f"SELECT legacy_key FROM {MIRRORED} WHERE source = '{mapping.source}'"
    kept = ", ".join(f"{reverse_sql.from_row_sql('q.row', name)} AS {quoted(name)}" for name in mapping.legacy_columns)
    of_source = f"q.source = '{mapping.source}' AND q.target = '{mapping.table}'"
    connection.execute(
        f"CREATE TEMP TABLE mirrored_now AS SELECT {columns} FROM ({reverse_sql.rebuilt_sql(mapping)})"
        f" WHERE legacy_key IN ({keys}) UNION ALL SELECT {kept} FROM {session.target}.quarantine AS q WHERE {of_source}"
        f" AND (q.legacy_key IN ({keys}) OR q.legacy_key IS NULL AND {reverse_sql.from_row_sql('q.row', mapping.key)} IS NULL"
        f" AND EXISTS (SELECT 1 FROM {MIRRORED} AS c WHERE c.source = '{mapping.source}' AND c.legacy_key IS NULL))",
        mapping.given(session.constants),
    )


def _count(session: Session, mapping: TableMapping) -> None:
    key = quoted(mapping.key)
    counts = session.connection.execute(
        f"SELECT (SELECT count(*) FROM temp.mirrored_now WHERE {key} IN (SELECT legacy_key FROM temp.replaced)),"
        " (SELECT count(*) FROM temp.mirrored_now), (SELECT count(*) FROM temp.replaced)"
    ).fetchone()
    updated, now, replaced = counts
    session.done.did(mapping.source, "updated", updated)
    session.done.did(mapping.source, "inserted", now - updated)
    session.done.did(mapping.source, "deleted", replaced - updated)


def added_parents(session: Session, table: str) -> frozenset[int]:
    """Return the numbers of parents in *table* that commits through a legacy schema added: no legacy table gave them."""
    return frozenset(
        key
        for (key,) in session.connection.execute(
            f"SELECT l.target_id FROM {session.target}.lineage AS l WHERE l.target = ? AND l.source LIKE 'stub:%'"
            f" AND typeof(l.target_id) = 'integer' AND {is_mirrored('l.source', 'l.legacy_key')}",
            (table,),
        )
    )


def _raise_sequence(session: Session, mapping: TableMapping) -> None:
    """Let the legacy table give ids above those that it gave through the legacy schema."""
    if not _has(session.connection, session.target, MIRRORED_SEQUENCE) or not _has(
        session.connection, mapping.database, "sqlite_sequence"
    ):
        return
    session.connection.execute(
        f"UPDATE {quoted(mapping.database)}.sqlite_sequence SET seq = max(seq, coalesce((SELECT seq FROM"
        f" {session.target}.{MIRRORED_SEQUENCE} WHERE source = ?), 0)) WHERE name = ? COLLATE NOCASE",
        (mapping.source, mapping.source_table),
    )


def _has(connection: sqlite3.Connection, schema: str, table: str) -> bool:
    asked = "SELECT 1 FROM pragma_table_list WHERE schema = ? AND name = ?"
    return connection.execute(asked, (schema, table)).fetchone() is not None
