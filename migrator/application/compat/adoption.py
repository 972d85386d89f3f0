"""Gives rows that new code made the legacy keys by which legacy code sees them.

The key is the one that a rollback would give.  It is recorded in lineage, so that the row keeps it.  Rows that no legacy table takes
stay unseen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from migrator.application.compat import changes, legacy_rows, work_tables
from migrator.application.compat.plan import LegacyTable, Plan, Source, Target
from migrator.application.compat.work_tables import Run
from migrator.mapping import reverse_sql
from migrator.mapping.new_keys import text_key
from migrator.quarantine import recognition
from migrator.schema.catalogue import MIRRORED_ROWS, MIRRORED_SEQUENCE
from migrator.system.connections import quoted

#: The largest integer that SQLite stores.
_LARGEST = 2**63 - 1


def is_due(run: Run, plan: Plan, source: Source, *, since: int | None = None) -> bool:
    """Return whether the target table of *source* has rows without a lineage that *source* takes.

    Args:
        run: Runs a statement.
        plan: The plan of the consolidated database.
        source: The mapping.
        since: The counter of the table when it had none; None if that is not known.
    """
    target = plan.target_table(source.target)
    if not _takes(target, source):
        return False
    written = (
        ""
        if since is None
        else f" AND t.{quoted(target.key)} IN ({changes.keys_since(plan.target, target.name, since)})"
    )
    return run(f"SELECT 1 {_new_rows(plan, target, source)}{written} LIMIT 1").fetchone() is not None


def adopt(run: Run, plan: Plan, source: Source) -> None:
    """Give the rows of the target table of *source* without a lineage one, in the caller's transaction."""
    target = plan.target_table(source.target)
    table = plan.databases[source.database].tables[source.table.lower()]
    if source.parts:
        _adopt_together(run, plan, target, source, table)
    else:
        _adopt_each(run, plan, target, source, table)


def _takes(target: Target, source: Source) -> bool:
    """Return whether *source* takes new rows of *target*: as in a rollback, the first mapping with a row for each."""
    whole = [one for one in target.sources if not one.parts]
    return source is whole[0] if whole else bool(source.takes)


def _new_rows(plan: Plan, target: Target, source: Source) -> str:
    """Return FROM and WHERE of the rows ``t`` that *source* takes."""
    key = quoted(target.key)
    takes = f" AND ({source.takes})" if source.parts else ""
    # A row that has a quarantined row's kept key is another row, or that row corrected: a rollback decides.
    taken = (
        ""
        if source.number
        else f" AND NOT EXISTS (SELECT 1 FROM {plan.target}.quarantine AS q WHERE q.source = '{source.source}'"
        f" AND q.legacy_key = +t.{key})"
    )
    return (
        f"FROM {plan.target}.{quoted(target.name)} AS t WHERE t.{key} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM"
        f" {plan.target}.lineage AS l WHERE l.target = '{target.name}' AND l.target_id = +t.{key}){takes}{taken}"
    )


def _adopt_each(run: Run, plan: Plan, target: Target, source: Source, table: LegacyTable) -> None:
    key = quoted(target.key)
    ids = [identity for (identity,) in run(f"SELECT t.{key} {_new_rows(plan, target, source)} ORDER BY 1").fetchall()]
    if not source.number:
        for identity in ids:
            _record(run, plan, source, identity, identity)
        _fill_required(run, plan, source, ids)
        return
    declared = dict(zip(table.columns, table.types, strict=True))[source.key].upper()
    if declared.startswith("INT"):
        largest = _largest(run, plan, source, table)
        numbers = range(largest + 1, min(largest + len(ids), _LARGEST) + 1)
        for number, identity in zip(numbers, ids, strict=False):
            _record(run, plan, source, number, identity)
        _take_quarantined(run, plan, source, numbers)
        _fill_required(run, plan, source, numbers)
        return
    used = {
        known
        for (known,) in run(
            f"SELECT CAST(legacy_key AS BLOB) FROM {plan.target}.lineage WHERE source = ? UNION"
            f" SELECT CAST(legacy_key AS BLOB) FROM {plan.target}.quarantine WHERE source = ?",
            (source.source, source.source),
        )
    }
    names = []
    for identity in ids:
        names.append(text_key(f"{plan.target}.{target.name}:{identity}", used))
        used.add(names[-1].encode())
        _record(run, plan, source, names[-1], identity)
    _take_quarantined(run, plan, source, names)
    _fill_required(run, plan, source, names)


def _take_quarantined(run: Run, plan: Plan, source: Source, keys: Sequence[object]) -> None:
    """Give those of the adopted rows *keys* that are corrected rows in quarantine the keys of these, and take these out.

    Cells that a new row lacks are those of the quarantined row, as in a rollback.
    """
    of_source = "source = ? AND target = ?"
    quarantine, lineage = f"{plan.target}.quarantine", f"{plan.target}.lineage"
    names = (source.source, source.target)
    if not keys or not run(f"SELECT 1 FROM {quarantine} WHERE {of_source} LIMIT 1", names).fetchone():
        return
    run(f"DELETE FROM {work_tables.RIVAL}")
    for key in keys:
        work_tables.insert_key(run, key)
    back = legacy_rows.back_sql(source, f" AND l.legacy_key IN (SELECT key FROM {work_tables.RIVAL})")
    cells = ", ".join(f"{reverse_sql.from_row_sql('q.row', name)} AS {quoted(name)}" for name in source.columns)
    run(f"CREATE TEMP TABLE back_now AS SELECT * FROM ({back})")
    run(
        f"CREATE TEMP TABLE set_aside AS SELECT q.rowid AS quarantined, q.legacy_key AS legacy_key, 0 AS dropped, {cells}"
        f" FROM {quarantine} AS q WHERE q.{of_source}"
        # Several legacy rows have the key of a row that has one and is not named by it: a rollback would not find the row.
        f" AND (q.legacy_key IS NOT NULL OR {reverse_sql.from_row_sql('q.row', source.key)} IS NULL)",
        names,
    )
    for new, old in recognition.pairs(run, source.columns, source.uses, source.key, source.number).same:
        adopted = f"{of_source} AND legacy_key = (SELECT legacy_key FROM {recognition.NEW} WHERE rowid = ?)"
        run(f"UPDATE {lineage} SET rest = ({_kept_sql(source)}) WHERE {adopted}", (new, old, *names, new))
        taken = f"(SELECT coalesce(q.legacy_key, n.legacy_key) FROM {recognition.NEW} AS n, {recognition.SET_ASIDE} AS q WHERE n.rowid = ? AND q.rowid = ?)"
        run(
            f"INSERT OR IGNORE INTO {plan.target}.{MIRRORED_ROWS} SELECT ?, legacy_key FROM {recognition.SET_ASIDE} WHERE rowid = ?",
            (source.source, old),
        )
        run(f"UPDATE {lineage} SET legacy_key = {taken} WHERE {adopted}", (new, old, *names, new))
        run(
            f"DELETE FROM {quarantine} WHERE rowid = (SELECT quarantined FROM {recognition.SET_ASIDE} WHERE rowid = ?)",
            (old,),
        )
    for name in (recognition.NEW, recognition.SET_ASIDE):
        run(f"DROP TABLE {name}")


def _kept_sql(source: Source) -> str:
    """Return a SELECT of the rest by which a row keeps what it lacks and the quarantined row has; of the rowids of both."""
    merged = ", ".join(
        f"CASE WHEN {'0' if name not in source.uses else recognition.informs(f'n.{quoted(name)}')} OR NOT"
        f" {recognition.informs(f'q.{quoted(name)}')} THEN n.{quoted(name)} ELSE q.{quoted(name)} END AS {quoted(name)}"
        for name in source.columns
        if name != source.key
    )
    columns = [name for name in source.columns if name != source.key]
    return (
        f"SELECT nullif({reverse_sql.differences_sql('m', 'n', columns)}, '{{}}') FROM (SELECT {merged}, n.rowid AS new"
        f" FROM {recognition.NEW} AS n, {recognition.SET_ASIDE} AS q WHERE n.rowid = ? AND q.rowid = ?) AS m"
        f" JOIN {recognition.NEW} AS n ON n.rowid = m.new"
    )


def _adopt_together(run: Run, plan: Plan, target: Target, source: Source, table: LegacyTable) -> None:
    """Give the new rows that together make one legacy row one key."""
    largest = _largest(run, plan, source, table)
    rank = f"dense_rank() OVER (ORDER BY {', '.join(map(quoted, source.together))})"
    rows = run(
        f"SELECT {rank}, t.{quoted(target.key)} {_new_rows(plan, target, source)} ORDER BY 2",
    ).fetchall()
    for number, identity in rows:
        _record(run, plan, source, largest + number, identity)


def _record(run: Run, plan: Plan, source: Source, key: object, identity: object) -> None:
    run(
        f"INSERT INTO {plan.target}.lineage (source, legacy_key, target, target_id) VALUES (?, ?, ?, ?)",
        (source.source, key, source.target, identity),
    )
    run(f"INSERT OR IGNORE INTO {plan.target}.{MIRRORED_ROWS} VALUES (?, ?)", (source.source, key))


def _largest(run: Run, plan: Plan, source: Source, table: LegacyTable) -> int:
    """Return the largest key that the legacy table has given."""
    largest = plan.databases[source.database].sequence.get(table.name, 0)
    (given,) = run(
        f"SELECT max(seq) FROM {plan.target}.{MIRRORED_SEQUENCE} WHERE source = ?", (source.source,)
    ).fetchone()
    for known in ("lineage", "quarantine"):
        asked = f"SELECT max(legacy_key) FROM {plan.target}.{known} WHERE source = ? AND typeof(legacy_key) = 'integer'"
        largest = max(largest, run(asked, (source.source,)).fetchone()[0] or 0)
    return max(largest, given or 0)


def _fill_required(run: Run, plan: Plan, source: Source, keys: Sequence[object]) -> None:
    """Let the legacy row have an empty text where its table requires a text and the new row has none."""
    if not source.required or not keys:
        return
    run(f"DELETE FROM {work_tables.RIVAL}")
    for key in keys:
        run(f"INSERT INTO {work_tables.RIVAL} VALUES (?)", (key,))
    back = legacy_rows.back_sql(source, f" AND l.legacy_key IN (SELECT key FROM {work_tables.RIVAL})")
    missing = ", ".join(f"b.{quoted(name)} IS NULL" for name in source.required)
    for key, *flags in run(f"SELECT b.legacy_key, {missing} FROM ({back}) AS b").fetchall():
        empty = {name: ["", None] for name, flag in zip(source.required, flags, strict=True) if flag}
        if empty:
            run(
                f"UPDATE {plan.target}.lineage SET rest = ? WHERE source = ? AND target = ? AND legacy_key = ?",
                (json.dumps(empty, separators=(",", ":")), source.source, source.target, key),
            )
