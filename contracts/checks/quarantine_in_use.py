"""Judges what became of the quarantine after a cutover: accepted row by row before it, and left only with a lineage since.

It reads the record and the databases itself, and shares no code with ``migrator quarantine``.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from contracts.oracle import cells
from contracts.oracle.cells import Row
from migrator.switch.state import Switch
from migrator.system import connections, private_copy

#: The record of the accepted rows, as a cutover keeps it beside the baseline.
KEPT = "accepted.json"
#: A quarantined row as both sides name it: legacy table, key, constraint, digest of the content.
_Known = tuple[str, str, str, str]


def unaccepted(made: Switch, scratch: Path) -> Iterator[str]:
    """Yield each row that was in quarantine at the cutover and not accepted as it was, and each accepted row that was not there."""
    record = made.baseline / KEPT
    accepted: Counter[_Known] = Counter()
    try:
        # Owners accept nothing where no quarantined row is left open.
        if record.is_file():
            rows = json.loads(record.read_text(encoding="utf-8"))["rows"]
            accepted.update((row["source"], row["key"], row["broken"], row["content"]) for row in rows)
    except (ValueError, KeyError, TypeError) as error:
        yield f"{KEPT}: is no record of accepted rows ({type(error).__name__})"
        return
    there = Counter(known for target in made.targets for known in _open_rows(made, target, scratch, accepted))
    if there and not record.is_file():
        yield f"{KEPT}: is missing, so no quarantined row was accepted"
    for source, key, broken, _ in (there - accepted).elements():
        yield f"{source} {key!r}: was in quarantine by {broken} and not accepted with this content"
    for source, key, broken, _ in (accepted - there).elements():
        yield f"{source} {key!r}: was accepted with other content or by another constraint than {broken}"


def _open_rows(made: Switch, target: str, scratch: Path, accepted: Counter[_Known]) -> Iterator[_Known]:
    """Yield the rows that were in quarantine at the cutover, but for those that a decision leaves there.

    A decision that names no cell of its row accepts no money at stake in it: such rows, and those that are *accepted*, are
    among the rows.
    """
    name = made.installed(target).name
    copy = private_copy.private_copy(made.baseline / name, scratch / f"accepted-{name}")
    with closing(connections.read(copy)) as connection:
        connection.text_factory = lambda octets: octets.decode("utf-8", "surrogateescape")
        decided: dict[tuple[object, ...], bool] = {}
        if _has(connection, "decisions"):
            asked = "SELECT source, legacy_key, cells FROM decisions WHERE decision = 'drop'"
            decided.update(((source, key), was != "{}") for source, key, was in connection.execute(asked))
        asked = "SELECT source, legacy_key, target, broken, row FROM quarantine"
        for source, key, table, broken, row in connection.execute(asked):
            content = hashlib.sha256(
                json.dumps([source, json.loads(row)], sort_keys=True, separators=(",", ":")).encode("ascii")
            ).hexdigest()
            known = (source, _name(key, content), broken, content)
            has_was = decided.get((source, key))
            if (
                has_was is None
                or known in accepted
                or (not has_was and _has_money_at_stake(table, cells.kept_row(row)))
            ):
                yield known
    copy.unlink()


def _has_money_at_stake(table: str, row: Row) -> bool:
    """Return whether the legacy *row* is an open position, an active order or an unsold lot, as far as its cells show."""
    if table == "positions":
        state = str(row.get("status")).lower()
        return state not in ("closed", "failed") and not state.startswith("closed_")
    if table == "treasury_orders":
        stored = cells.member_values(row.get("order_json")) or {} if "order_json" in row else row
        over = ("completed", "filled", "failed", "cancelled", "canceled", "expired")
        return str(stored.get("status")).lower() not in over
    if table == "tax_lots" and "remaining_quantity" in row:
        left = row["remaining_quantity"]
        return not isinstance(left, int | float) or left > 0
    return table == "tax_lots" and row.get("disposal_date") is None


def _name(key: object, content: str) -> str:
    """Return how the record names a row."""
    if key is None:
        return f"#{content[:8]}"
    text = key.hex() if isinstance(key, bytes) else str(key)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


#: Rows that were in quarantine at the cutover, are not any more, and to which no lineage leads.  A row that was written through
#: its legacy schema is listed in compat_rows; it may be deleted.
_LEFT = """
SELECT b.source, quote(b.legacy_key)
FROM baseline.quarantine AS b
WHERE NOT EXISTS (
    SELECT 1 FROM main.quarantine AS q
    WHERE q.source = b.source AND q.target = b.target AND q.legacy_key IS b.legacy_key
        AND (b.legacy_key IS NOT NULL OR q.row = b.row)
)
AND NOT EXISTS (
    SELECT 1 FROM main.lineage AS l WHERE l.source = b.source AND l.target = b.target AND l.legacy_key = b.legacy_key
)
AND NOT EXISTS (SELECT 1 FROM ({written}) AS w WHERE w.source = b.source AND w.legacy_key IS b.legacy_key)
ORDER BY 1, 2
"""
#: Rows that are in quarantine and in their table.
_TWICE = """
SELECT q.source, quote(q.legacy_key)
FROM main.quarantine AS q
JOIN main.lineage AS l ON l.source = q.source AND l.target = q.target AND l.legacy_key = q.legacy_key
WHERE l.target_id IS NOT NULL
ORDER BY 1, 2
"""


def strayed(made: Switch, target: str, scratch: Path) -> Iterator[str]:
    """Yield each quarantined row of *target* that left the quarantine without a lineage, or is in its table too."""
    name = made.installed(target).name
    now = private_copy.private_copy(made.installed(target), scratch / f"in-use-{name}")
    was = private_copy.private_copy(made.baseline / name, scratch / f"was-{name}")
    try:
        with closing(connections.lenient(connections.read(now))) as connection:
            connections.attach(connection, was, "baseline")
            # A key may be any bytes.
            connection.text_factory = lambda octets: octets.decode("utf-8", "backslashreplace")
            rows = "SELECT source, legacy_key FROM compat_rows"
            written = rows if _has(connection, "compat_rows") else "SELECT NULL AS source, NULL AS legacy_key WHERE 0"
            for source, key in connection.execute(_LEFT.format(written=written)).fetchall():
                yield f"{source} {key}: left the quarantine, and no lineage leads to it"
            for source, key in connection.execute(_TWICE).fetchall():
                yield f"{source} {key}: is in quarantine and in its table"
    finally:
        now.unlink()
        was.unlink()


def _has(connection: sqlite3.Connection, table: str) -> bool:
    asked = "SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND name = ?"
    return connection.execute(asked, (table,)).fetchone() is not None
