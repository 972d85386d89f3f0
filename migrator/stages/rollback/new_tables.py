"""Writes rows of tables created since the cutover to the legacy table of the same name.

Code that is not ready for the cutover creates its table again, by ``CREATE TABLE IF NOT EXISTS`` through a legacy path.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.schema.catalogue import MIRROR_TABLES
from migrator.schema.declaration import stored_columns
from migrator.stages.rollback.session import LEGACY, Session, found_sql, handle_sql
from migrator.system.connections import folded, quoted


def take_in(session: Session, sources: Sequence[str]) -> None:
    """Write the rows of each new table to the one of the legacy tables *sources* that has its name."""
    listed = "SELECT name FROM pragma_table_list WHERE schema = ? AND type IN ('table', 'virtual')"
    before = {folded(name) for (name,) in session.connection.execute(listed, ("baseline",))}
    now = session.connection.execute(
        listed + " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", (session.target,)
    ).fetchall()
    for (table,) in now:
        if folded(table) in before or table in MIRROR_TABLES:
            continue
        takers = [source for source in sources if folded(source.partition(".")[2]) == folded(table)]
        if len(takers) != 1 or not _take_in(session, table, takers[0]):
            session.done.kept_whole.setdefault(f"{session.target}.{table}", "no legacy table takes it")


def _take_in(session: Session, table: str, source: str) -> bool:
    """Insert the rows of *table* into the legacy table *source*; return whether its columns allow it."""
    connection = session.connection
    database, _, name = source.partition(".")
    with session.beside(database, under=LEGACY):
        legacy_columns = {folded(column) for column in stored_columns(connection, LEGACY, name)}
        columns = stored_columns(connection, session.target, table)
        if not {folded(column) for column in columns} <= legacy_columns:
            return False
        legacy, new_table = f"{LEGACY}.{quoted(name)}", f"{session.target}.{quoted(table)}"
        handle = handle_sql(connection, session.target, table)
        is_it = found_sql(connection, session.target, table)
        key, declared = _key(session, LEGACY, name)
        lists = [", ".join(quoted(column) for column in columns)]
        if declared == "integer" and key in (folded(column) for column in columns) and len(columns) > 1:
            # Ids of the new table start again; the legacy table assigns its next ones.
            lists.append(", ".join(quoted(column) for column in columns if folded(column) != key))
        inserts = [
            f"INSERT OR ABORT INTO {legacy} ({some}) SELECT {some} FROM {new_table} AS t WHERE {is_it}"
            for some in lists
        ]
        # A deleted row must not come back under its key.
        deleted = set()
        if key in (folded(column) for column in columns):
            deleted = {
                handle_of_row
                for (handle_of_row,) in connection.execute(
                    f"SELECT {handle} FROM {new_table} AS t JOIN baseline.lineage AS l"
                    f" ON l.source = ? AND l.legacy_key = +t.{quoted(key)}",
                    (source,),
                )
            }
        for (handle_of_row,) in connection.execute(f"SELECT {handle} FROM {new_table} AS t ORDER BY 1").fetchall():
            refusal = "another row had its key"
            for number, insert in enumerate(inserts):
                if refusal and not (number == 0 and handle_of_row in deleted):
                    refusal = session.tried(insert, {"handle": handle_of_row})
            if refusal:
                session.done.leave(f"{session.target}.{table}", handle_of_row, f"{source} refuses it: {refusal}")
            else:
                session.done.did(source, "inserted")
    return True


def _key(session: Session, schema: str, table: str) -> tuple[str, str]:
    """Return name and declared type, in lower case, of a legacy table's primary key; '' without one of one column."""
    keys = session.connection.execute(
        "SELECT lower(name), lower(type) FROM pragma_table_xinfo(?, ?) WHERE pk", (table, schema)
    ).fetchall()
    return keys[0] if len(keys) == 1 else ("", "")
