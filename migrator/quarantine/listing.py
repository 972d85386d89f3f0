"""Groups quarantined rows by cause, money first; explains one row; finds a key."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from pathlib import Path

from migrator.errors import UsageError
from migrator.quarantine import causes
from migrator.quarantine.rows import QuarantinedRow
from migrator.records.quarantine import ExplainedRow, Explanation, Group, Quarantine
from migrator.system import connections

#: The order of what may be at stake.
MONEY = ("open position", "active order", "unsold lot", "")


def grouped(rows: Iterable[QuarantinedRow]) -> Quarantine:
    """Return *rows* by cause: those with money at stake first, then by number."""
    by_cause: dict[tuple[str, str, str, bool], list[QuarantinedRow]] = {}
    every = tuple(rows)
    for row in every:
        if not row.is_settled:
            by_cause.setdefault((row.source, row.target, row.broken, row.key is None), []).append(row)
    groups = [_group(alike) for alike in by_cause.values()]
    groups.sort(key=lambda group: (MONEY.index(group.money), -group.at_stake, -group.rows, group.source, group.broken))
    return Quarantine(
        rows=sum(group.rows for group in groups),
        at_stake=sum(group.at_stake for group in groups),
        groups=tuple(groups),
        settled=sum(row.is_settled for row in every),
    )


def _group(rows: list[QuarantinedRow]) -> Group:
    ordered = sorted(rows, key=lambda row: not row.money)
    return Group(
        source=ordered[0].source,
        target=ordered[0].target,
        broken=ordered[0].broken,
        cause=causes.cause(ordered[0]),
        money=ordered[0].money,
        at_stake=sum(bool(row.money) for row in ordered),
        rows=len(ordered),
        keys=tuple(row.handle for row in ordered),
    )


def explained(
    rows: Iterable[QuarantinedRow], key: str, copies: Mapping[str, Path], *, in_use: bool = False
) -> Explanation:
    """Return why each of *rows* with the legacy *key* is refused; *copies* are the target databases, *in_use* after a cutover.

    *key* is a handle, or the legacy table and the handle: ``jarvis.positions:9cad64e4``.

    Raises:
        UsageError: No row has it.
    """
    every = tuple(rows)
    return Explanation(rows=tuple(_explained(row, every, copies, in_use=in_use) for row in meant(every, key)))


def meant(rows: Collection[QuarantinedRow], key: str) -> list[QuarantinedRow]:
    """Return those of *rows* that *key* names.

    Raises:
        UsageError: It names none.
    """
    found = [row for row in rows if row.is_meant(key)]
    if not found:
        near = difflib.get_close_matches(
            key, sorted({name for row in rows for name in (row.handle, f"{row.source}:{row.handle}")}), n=1
        )
        hint = f"did you mean {near[0]}?" if near else "run: migrator quarantine list --all"
        raise UsageError(f"no quarantined row has the key {key!r}", hint=hint)
    return found


def handles(rows: Iterable[QuarantinedRow]) -> str:
    """Return legacy table and handle of each of *rows*; by their digests where several have one."""
    every = {(row.source, row.key, type(row.key)): row for row in rows}.values()
    known = Counter((row.source, row.handle) for row in every)
    return ", ".join(
        sorted(
            f"{row.source}:{row.handle if known[row.source, row.handle] == 1 else row.digest_handle}" for row in every
        )
    )


def _explained(
    row: QuarantinedRow, every: Collection[QuarantinedRow], copies: Mapping[str, Path], *, in_use: bool
) -> ExplainedRow:
    with closing(connections.read(copies[row.target.partition(".")[0]])) as connection:
        connection.text_factory = lambda octets: octets.decode("utf-8", "surrogateescape")
        return ExplainedRow(
            source=row.source,
            key=row.handle,
            target=row.target,
            broken=row.broken,
            cause=causes.cause_of(row, every),
            because=tuple(causes.because(row, connection)),
            remedies=tuple(causes.remedies_in_use(row, every) if in_use else causes.remedies(row, every)),
            leaving_out="" if in_use else causes.leaving_out(row),
            money=row.money,
            row=row.cells,
        )
