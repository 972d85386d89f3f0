"""Rows that are new since the cutover get a lineage, with a key in the format of the legacy table that takes them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from hashlib import sha256

from migrator import ddl, mapping
from migrator.bench import Bench
from migrator.mapping import TableMapping
from migrator.sqlite import quoted

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LARGEST = 2**63 - 1


def name_newcomers(bench: Bench, table: str, sources: Sequence[TableMapping]) -> None:
    """Give every row of *table* without a lineage one, in the first of the legacy tables *sources* that takes such rows."""
    key = mapping.target_key(ddl.target(bench.target), table)
    name = f"{bench.target}.{table}"
    new = bench.connection.execute(
        f"SELECT t.rowid, t.{key} IS NULL FROM {bench.target}.{quoted(table)} AS t WHERE NOT EXISTS (SELECT 1 FROM"
        f" {bench.target}.lineage AS l WHERE l.target = ? AND l.target_id = +t.{key}) ORDER BY t.{key}, t.rowid",
        (table,),
    ).fetchall()
    takers = [one for one in sources if not one.parts]
    why = "one legacy row holds several of these" if sources else "no legacy table holds such rows"
    for rowid, nameless in new:
        if nameless or not takers:
            bench.done.leave(name, rowid, "its key is NULL" if nameless else why)
    if named := [rowid for rowid, nameless in new if not nameless and takers]:
        with bench.beside(takers[0].database):
            _name(bench, takers[0], name, key, named)


def _name(bench: Bench, taker: TableMapping, name: str, key: str, new: Sequence[int]) -> None:
    connection = bench.connection
    source = f"{quoted(taker.database)}.{quoted(taker.source_table)}"
    legacy_key = quoted(taker.key)
    used = {found for (found,) in connection.execute(f"SELECT CAST({legacy_key} AS BLOB) FROM {source}")}
    largest = connection.execute(
        f"SELECT coalesce(max({legacy_key}), 0) FROM {source} WHERE typeof({legacy_key}) = 'integer'"
    ).fetchone()[0]
    largest = max(largest, _high_water(bench, taker.database, taker.source_table))
    declared = connection.execute(
        "SELECT upper(type) FROM pragma_table_xinfo(?, ?) WHERE name = ? COLLATE NOCASE",
        (taker.source_table, taker.database, taker.key),
    ).fetchone()
    numbers = declared is None or declared[0].startswith("INT")
    named = (
        f"INSERT INTO {bench.target}.lineage (source, legacy_key, target, target_id)"
        f" SELECT ?, {{}}, ?, t.{key} FROM {name} AS t WHERE t.rowid = ?"
    )
    for number, rowid in enumerate(new, start=1):
        if not taker.number:
            (kept,) = connection.execute(f"SELECT CAST({key} AS BLOB) FROM {name} WHERE rowid = ?", (rowid,)).fetchone()
            if kept in used:
                bench.done.leave(name, rowid, f"{taker.source} has another row with its key")
                continue
            connection.execute(named.format(f"t.{key}"), (taker.source, taker.table, rowid))
        elif numbers and largest + number > _LARGEST:
            bench.done.leave(name, rowid, f"{taker.source} has no number left above its largest")
        else:
            given = largest + number if numbers else _text_key(f"{name}:{rowid}", used)
            connection.execute(named.format("?"), (taker.source, given, taker.table, rowid))


def _high_water(bench: Bench, database: str, table: str) -> int:
    has = f"SELECT 1 FROM {quoted(database)}.sqlite_schema WHERE name = 'sqlite_sequence'"
    if not bench.connection.execute(has).fetchone():
        return 0
    found = bench.connection.execute(
        f"SELECT seq FROM {quoted(database)}.sqlite_sequence WHERE name = ? COLLATE NOCASE", (table,)
    ).fetchone()
    return found[0] if found and isinstance(found[0], int) else 0


def _text_key(seed: str, used: set[bytes]) -> str:
    """Return a key that nobody has, in the form of the *used* ones: 8 hex digits or a UUID; the same for the same seed."""
    like_uuid = bool(used) and all(_UUID.fullmatch(key or b"") for key in used)
    for attempt in range(1_000_000):
        drawn = sha256(f"{seed}:{attempt}".encode()).digest()
        key = str(uuid.UUID(bytes=drawn[:16], version=4)) if like_uuid else drawn.hex()[:8]
        if key.encode() not in used:
            used.add(key.encode())
            return key
    raise RuntimeError("a million keys are taken")  # 8 hex digits make four thousand times as many
