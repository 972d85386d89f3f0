"""Writes carried tables back: makes each legacy table equal to its carried copy, and compares the two.

Method: rows are identified by their rowid, which the carried copy keeps, or by the primary key of a table without
rowids.  Rows that differ are deleted and inserted as they are now, all by one statement.  If the legacy table refuses
some, the others are inserted without them: a changed row that is refused stays as it was, and its new content goes to the
residue.  In a table without either (its columns are called rowid, _rowid_ and oid, or a set from an older version did not
keep the rowids) rows are compared by content, and as many of each are inserted as there are now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

from migrator.errors import MigratorError
from migrator.mapping import reverse_sql
from migrator.schema.declaration import is_without_rowid, stored_columns
from migrator.stages.rollback.session import BASELINE, LEGACY, Session, handle_sql
from migrator.system import content_digest, rowids
from migrator.system.connections import quoted
from migrator.system.escaping import escaped
from migrator.system.rowids import rowid_name

#: Rounds in which a refused row keeps another out; after these each row is tried by itself, since a long chain takes
#: as many rounds as it has rows.
_ROUNDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A legacy table and its carried copy.

    Attributes:
        source: The legacy table, as :class:`PlannedTable` names it.
        name: The legacy table's own name.
        table: The carried table's name.
        target: The consolidated database of the carried table.
        columns: The columns that a row fills, the same in both.
        key: Names, as SQL, of the columns that identify a row: the rowid or the primary key; empty if only the content does.
    """

    source: str
    name: str
    table: str
    target: str
    columns: Sequence[str]
    key: Sequence[str]

    @property
    def legacy(self) -> str:
        """The legacy table as SQL."""
        return f"{LEGACY}.{quoted(self.name)}"

    @property
    def carried(self) -> str:
        """The carried table as SQL."""
        return f"{self.target}.{quoted(self.table)}"

    @property
    def filled(self) -> Sequence[str]:
        """The columns of an INSERT, as SQL, with the rowid if it is not a column and there is room for it."""
        listed = [quoted(column) for column in self.columns]
        return listed if self.renumbered else [*(column for column in self.key if column not in listed), *listed]

    @property
    def renumbered(self) -> bool:
        """Whether a row gets its rowid after the INSERT, which can name no column more."""
        apart = len(self.key) == 1 and self.key[0] not in map(quoted, self.columns)
        return apart and len(self.columns) >= rowids.MOST_COLUMNS

    def same_key(self, row: str, other: str) -> str:
        """Return SQL that is true if two rows have the same key."""
        return " AND ".join(f"{row}.{column} = {other}.{column}" for column in self.key)


def write_back(session: Session, source: str, table: str) -> None:
    """Make the legacy table *source* equal to its carried copy *table*; record the rows that it refuses.

    Raises:
        sqlite3.Error: The legacy table cannot be written at all; it is as it was.
        MigratorError: The result would differ from the copy; the legacy table is as it was.
    """
    database, _, name = source.partition(".")
    with session.beside(database, under=LEGACY):
        pair = _pair(session, source, name, table)
        if pair.key:
            _by_key(session, pair)
        else:
            _by_content(session, pair)
        raise_mark(session, name, table)
        if f"{session.target}.{table}" not in session.done.left:
            # Rows that only their content identifies get new rowids.
            digest = partial(content_digest.table_digest, session.connection, numbered=bool(pair.key))
            if digest(LEGACY, name) != digest(session.target, table, like=(LEGACY, name)):
                raise _unlike(source, f"{session.target}.{table}")


def raise_mark(session: Session, name: str, table: str, added: Collection[int] = ()) -> None:
    """Raise the AUTOINCREMENT counter of the legacy table *name* to that of *table*, less ids *added* at its end."""
    connection = session.connection
    marked = "SELECT count(*) FROM pragma_table_info('sqlite_sequence', ?)"
    schemas = {LEGACY: name, session.target: table, BASELINE: table}
    if not all(connection.execute(marked, (schema,)).fetchone()[0] for schema in schemas):
        return
    before, now, installed = (
        connection.execute(
            # The application may write to it, also a number as text.
            f"SELECT coalesce(max(CAST(seq AS INTEGER)), 0) FROM {schema}.sqlite_sequence WHERE name = ? COLLATE NOCASE",
            (own,),
        ).fetchone()[0]
        for schema, own in schemas.items()
    )
    while now in added:
        now -= 1
    if now <= max(before, installed):
        return
    sequence = f"{LEGACY}.sqlite_sequence"
    moved = connection.execute(f"UPDATE {sequence} SET seq = ? WHERE name = ? COLLATE NOCASE", (now, name)).rowcount
    if not moved:
        connection.execute(
            f"INSERT INTO {sequence} (name, seq) SELECT name, ? FROM {LEGACY}.sqlite_schema"
            " WHERE type = 'table' AND name = ? COLLATE NOCASE AND sql LIKE '%AUTOINCREMENT%'",
            (now, name),
        )


def _pair(session: Session, source: str, name: str, table: str) -> _Pair:
    connection = session.connection
    columns = stored_columns(connection, LEGACY, name)
    rowid = rowid_name(connection, LEGACY, name)
    if is_without_rowid(connection, LEGACY, name):
        asked = "SELECT name FROM pragma_table_info(?, ?) WHERE pk ORDER BY pk"
        key = [quoted(column) for (column,) in connection.execute(asked, (name, LEGACY))]
    else:
        key = [rowid] if rowid else []
    pair = _Pair(source=source, name=name, table=table, target=session.target, columns=columns, key=key)
    if key == [rowid] and not _kept_rowids(connection, pair):
        return _Pair(source=source, name=name, table=table, target=session.target, columns=columns, key=[])
    return pair


def _kept_rowids(connection: sqlite3.Connection, pair: _Pair) -> bool:
    """Return whether the carried table was installed with the rowids of the legacy one."""
    baseline = f"{BASELINE}.{quoted(pair.table)}"
    (as_many,) = connection.execute(
        f"SELECT (SELECT count(*) FROM {baseline}) = (SELECT count(*) FROM {pair.legacy})"
    ).fetchone()
    (other,) = connection.execute(
        f"SELECT EXISTS (SELECT 1 FROM {pair.legacy} AS l LEFT JOIN {baseline} AS b ON {pair.same_key('b', 'l')}"
        f" WHERE b.{pair.key[0]} IS NULL OR {reverse_sql.differ_sql('l', 'b', pair.columns)})"
    ).fetchone()
    return bool(as_many) and not other


def _by_key(session: Session, pair: _Pair) -> None:
    connection = session.connection
    gone, new = _find(connection, pair)
    # Within a transaction that made a table, SQLite reads every schema again after each rollback to a savepoint.
    connection.execute("COMMIT")
    connection.execute("BEGIN")
    changed = connection.execute("SELECT count(*) FROM temp.differing").fetchone()[0] - new
    refused = _exchange(session, pair) if gone or new or changed else {}
    kept = {row: old for row, old in connection.execute("SELECT rowid, old FROM temp.differing") if row in refused}
    session.done.did(pair.source, "deleted", gone)
    session.done.did(pair.source, "updated", changed - sum(kept.values()))
    session.done.did(pair.source, "inserted", new - len(kept) + sum(kept.values()))
    if refused:
        handle = handle_sql(connection, pair.target, pair.table)
        select = f"SELECT {handle} FROM temp.differing AS d CROSS JOIN {pair.carried} AS t ON {_is(pair, 't', 'd')}"
        for row, why in refused.items():
            (left,) = connection.execute(f"{select} WHERE d.rowid = ?", (row,)).fetchone()
            session.done.leave(f"{pair.target}.{pair.table}", left, f"{pair.source} refuses it: {why}")
        _find(connection, pair)
        (still,) = connection.execute("SELECT count(*) FROM temp.differing").fetchone()
        (more,) = connection.execute("SELECT count(*) FROM temp.gone").fetchone()
        # Without refused rows, :func:`write_back` compares the digests.
        if (still, more) != (len(refused), 0):
            raise _unlike(pair.source, f"{pair.target}.{pair.table}")
    _forget(connection)


def _find(connection: sqlite3.Connection, pair: _Pair) -> tuple[int, int]:
    """Fill temp.differing with the keys of rows that differ, temp.gone with those of deleted rows; count deleted and new rows."""
    _forget(connection)
    keys = [f"+{{}}.{column} AS k{number}" for number, column in enumerate(pair.key)]
    of = {row: ", ".join(selected.format(row) for selected in keys) for row in ("c", "l")}
    connection.execute(
        f"CREATE TEMP TABLE differing AS SELECT {of['c']}, l.{pair.key[0]} IS NOT NULL AS old, 0 AS refused FROM {pair.carried} AS c"
        f" LEFT JOIN {pair.legacy} AS l ON {pair.same_key('l', 'c')}"
        f" WHERE l.{pair.key[0]} IS NULL OR {reverse_sql.differ_sql('l', 'c', pair.columns)}"
    )
    connection.execute(
        f"CREATE TEMP TABLE gone AS SELECT {of['l']} FROM {pair.legacy} AS l"
        f" WHERE NOT EXISTS (SELECT 1 FROM {pair.carried} AS c WHERE {pair.same_key('c', 'l')})"
    )
    (gone,) = connection.execute("SELECT count(*) FROM temp.gone").fetchone()
    (new,) = connection.execute("SELECT count(*) FROM temp.differing WHERE NOT old").fetchone()
    return gone, new


def _forget(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE IF EXISTS temp.differing")
    connection.execute("DROP TABLE IF EXISTS temp.gone")


def _is(pair: _Pair, row: str, noted: str) -> str:
    """Return SQL that is true if the row has the key of a row of temp.differing or temp.gone."""
    return " AND ".join(f"{row}.{column} = {noted}.k{number}" for number, column in enumerate(pair.key))


def _exchange(session: Session, pair: _Pair) -> dict[int, str]:
    """Delete rows that are gone or differ, insert rows as they are now; return the rows of temp.differing that are refused.

    All deletions come first: unique values may have moved from row to row.  OR ABORT overrides
    a constraint's own ON CONFLICT clause, by which SQLite would delete other rows.
    """
    connection = session.connection
    key, kept = ", ".join(pair.key), ", ".join(f"k{number}" for number in range(len(pair.key)))
    delete = f"DELETE FROM {pair.legacy} WHERE ({key}) IN (SELECT {kept} FROM"
    filled = ", ".join(pair.filled)
    insert = (
        f"INSERT OR ABORT INTO {pair.legacy} ({filled}) SELECT {', '.join(f'c.{column}' for column in pair.filled)}"
        f" FROM temp.differing AS d CROSS JOIN {pair.carried} AS c ON {_is(pair, 'c', 'd')}"
    )
    connection.execute(f"{delete} temp.gone)")
    refused: dict[int, str] = {}
    connection.execute("SAVEPOINT exchange")
    connection.execute(f"{delete} temp.differing WHERE old)")
    if pair.renumbered or session.tried(insert, ()):
        rows = [row for (row,) in connection.execute("SELECT rowid FROM temp.differing ORDER BY rowid")]
        for rounds in count(1):
            connection.execute("ROLLBACK TO exchange")
            if rounds > _ROUNDS:
                refused = {row: why for row in rows if (why := _alone(session, pair, insert, row))}
                break
            connection.executemany("UPDATE temp.differing SET refused = 1 WHERE rowid = ?", [(row,) for row in refused])
            connection.execute(f"{delete} temp.differing WHERE old AND NOT refused)")
            # A refused row keeps its old content, which may keep another row out: repeat until no more are refused.
            newly = {row: why for row in rows if row not in refused and (why := _inserted(session, pair, insert, row))}
            if not newly:
                break
            refused |= newly
    connection.execute("RELEASE exchange")
    return refused


def _inserted(session: Session, pair: _Pair, insert: str, row: int) -> str:
    """Insert one row of temp.differing; return why it is refused, '' if it is not."""
    why = session.tried(f"{insert} WHERE d.rowid = ?", (row,))
    if pair.renumbered and not why:
        session.connection.execute(
            f"UPDATE {pair.legacy} SET {pair.key[0]} = (SELECT k0 FROM temp.differing WHERE rowid = ?)"
            f" WHERE {pair.key[0]} = last_insert_rowid()",
            (row,),
        )
    return why


def _alone(session: Session, pair: _Pair, insert: str, row: int) -> str:
    """Exchange one row of temp.differing; return why it is refused and stays as it was, '' if it is not."""
    session.connection.execute("SAVEPOINT alone")
    key, kept = ", ".join(pair.key), ", ".join(f"k{number}" for number in range(len(pair.key)))
    # "=" to one row instead of IN: SQLite would scan the table for each.
    old = f"({key}) = (SELECT {kept} FROM temp.differing WHERE old AND rowid = ?)"
    session.connection.execute(f"DELETE FROM {pair.legacy} WHERE {old}", (row,))
    why = _inserted(session, pair, insert, row)
    if why:
        session.connection.execute("ROLLBACK TO alone")
    session.connection.execute("RELEASE alone")
    return why


def _by_content(session: Session, pair: _Pair) -> None:
    connection = session.connection
    content = content_sql("t", pair.columns)
    connection.execute(
        "CREATE TEMP TABLE counted AS SELECT content, sum(n) AS n FROM"
        f" (SELECT {content} AS content, 1 AS n FROM {pair.legacy} AS t UNION ALL"
        f" SELECT {content}, -1 FROM {pair.carried} AS t) GROUP BY content HAVING sum(n) <> 0"
    )
    fewer, more = connection.execute("SELECT total(max(n, 0)), total(max(-n, 0)) FROM temp.counted").fetchone()
    listed = ", ".join(quoted(column) for column in pair.columns)
    differs = f"WHERE {content} IN (SELECT content FROM temp.counted)"
    if fewer or more:
        connection.execute("SAVEPOINT exchange")
        connection.execute(f"DELETE FROM {pair.legacy} AS t {differs}")
        insert = f"INSERT OR ABORT INTO {pair.legacy} ({listed}) SELECT {listed} FROM {pair.carried} AS t {differs}"
        if why := session.tried(insert, ()):
            connection.execute("ROLLBACK TO exchange")
            handle = handle_sql(connection, pair.target, pair.table)
            for (left,) in connection.execute(f"SELECT {handle} FROM {pair.carried} AS t {differs}").fetchall():
                session.done.leave(
                    f"{pair.target}.{pair.table}", left, f"{pair.source} is as it was, since it refuses: {why}"
                )
            session.done.tell(f"{pair.source}: {fewer:,.0f} rows that were changed or deleted are as they were")
        else:
            session.done.did(pair.source, "deleted", int(fewer))
            session.done.did(pair.source, "inserted", int(more))
        connection.execute("RELEASE exchange")
    connection.execute("DROP TABLE temp.counted")


def content_sql(row: str, columns: Sequence[str]) -> str:
    """Return SQL for a text that is equal only for rows with the same storage class and bits in every cell."""
    cells = [f"{row}.{quoted(column)}" for column in columns]
    texts = [
        f"CASE typeof({cell}) WHEN 'text' THEN hex({cell}) || 't,' ELSE quote({cell}) || ',' END" for cell in cells
    ]
    return reverse_sql.balanced(texts, "||")


def _unlike(source: str, into: str) -> MigratorError:
    return MigratorError(
        f"does not hold what {escaped(into)} holds",
        where=escaped(source),
        hint="nothing was switched; please report this as a bug",
    )
