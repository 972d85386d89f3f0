"""Records which quarantined rows the owners accept, by legacy table, key and content; compares that with the rows there are.

The record holds keys and digests, no other cell.  It lies in ``.migrator``: a program writes it, not a person, and there no
other user can write it.  To delete it is to accept no row.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from migrator.errors import EvidenceError, UsageError
from migrator.quarantine import listing
from migrator.quarantine.rows import QuarantinedRow
from migrator.records.quarantine import AcceptedRow, Difference
from migrator.system import durable_files, user_files
from migrator.system.escaping import escaped
from migrator.system.serialize import plain, record
from migrator.system.shell import quoted

#: Version of the record's form.
SCHEMA = 1
#: Rows of a difference that a sentence each is about, beside those with money at stake.
_SHOWN = 10
#: Most keys that a sentence names; a command of more cannot be read.
_NAMED = 5


def entry(row: QuarantinedRow) -> AcceptedRow:
    """Return what the record would hold of *row*."""
    return AcceptedRow(source=row.source, key=row.handle, broken=row.broken, money=row.money, content=row.content)


def read(path: Path) -> tuple[AcceptedRow, ...]:
    """Return the accepted rows in the record at *path*; none without one.

    Raises:
        EvidenceError: It was changed by hand, or cannot be read.
    """
    if not path.exists():
        return ()
    again = "delete it, then run: migrator quarantine accept"
    try:
        text = user_files.text(path)
        written = json.loads(text)
        rows = record(written["rows"], tuple[AcceptedRow, ...])
    except (UsageError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EvidenceError(
            f"cannot be read as the record of accepted rows ({type(error).__name__})", where=path, hint=again
        ) from error
    if _text(rows) != text:
        raise EvidenceError("was changed after migrator wrote it", where=path, hint=again)
    return rows


def write(rows: Iterable[AcceptedRow], path: Path) -> None:
    """Write the record of the accepted *rows* to *path*, whole or not at all, for its owner alone.

    Raises:
        OSError: The disk is full.
    """
    durable_files.make_private_folder(path.parent)
    durable_files.write(path, _text(sorted(rows, key=_order)))


def _text(rows: Sequence[AcceptedRow]) -> str:
    """Return the record of *rows*: first the counts per cause, for a person, then the rows and a digest of all."""
    causes: dict[str, dict[str, int]] = {}
    for row in rows:
        by_cause = causes.setdefault(row.source, {})
        by_cause[row.broken] = by_cause.get(row.broken, 0) + 1
    body = {"schema": SCHEMA, "causes": causes, "rows": plain(tuple(rows))}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode("ascii")).hexdigest()
    return json.dumps({**body, "sha256": digest}, indent=1) + "\n"


def difference(rows: Iterable[QuarantinedRow], accepted: Iterable[AcceptedRow]) -> Difference:
    """Return how the quarantined *rows* differ from the *accepted* ones."""
    now, before = Counter(map(entry, rows)), Counter(accepted)
    came, went = list((now - before).elements()), list((before - now).elements())
    former = Counter((row.source, row.key) for row in went)
    changed = []
    for row in sorted(came, key=_order):
        if former[row.source, row.key]:
            former[row.source, row.key] -= 1
            changed.append(row)
    matched = Counter((row.source, row.key) for row in changed)
    gone = []
    for row in sorted(went, key=_order):
        if matched[row.source, row.key]:
            matched[row.source, row.key] -= 1
        else:
            gone.append(row)
    new = Counter(came) - Counter(changed)
    return Difference(came=tuple(sorted(new.elements(), key=_order)), changed=tuple(changed), went=tuple(gone))


def accept(
    rows: Collection[QuarantinedRow], keys: Sequence[str], before: Iterable[AcceptedRow]
) -> tuple[tuple[AcceptedRow, ...], tuple[AcceptedRow, ...]]:
    """Return the accepted of *rows*, and those that are not accepted: money is at stake in them, and none of *keys* names them.

    Rows without money at stake are accepted, and those that were accepted *before* with the same content.

    Raises:
        UsageError: A key names no row, or rows of several legacy tables, or with several keys: a text and a BLOB.
    """
    meant = {id(row) for key in keys for row in _meant(rows, key)}
    known, accepted, needed = Counter(before), [], []
    for row in rows:
        now = entry(row)
        if known[now]:
            known[now] -= 1
            accepted.append(now)
        elif not row.money or id(row) in meant:
            accepted.append(now)
        else:
            needed.append(now)
    return tuple(accepted), tuple(sorted(needed, key=_order))


def _meant(rows: Collection[QuarantinedRow], key: str) -> list[QuarantinedRow]:
    found = listing.meant(rows, key)
    if len({row.source for row in found}) > 1:
        raise UsageError(
            f"{key!r} names rows of several legacy tables", hint=f"name one or more of {listing.handles(found)}"
        )
    if len({(type(row.key), row.key) for row in found}) > 1:
        raise UsageError(f"{key!r} names rows with several keys", hint=f"name one or more of {listing.handles(found)}")
    return found


def sentences(rows: Collection[QuarantinedRow], accepted: Collection[AcceptedRow]) -> Iterator[str]:
    """Yield why *rows* are not as the owners *accepted* them, money first; nothing if they are."""
    unlike = difference(rows, accepted)
    if not unlike:
        return
    left_open = (*unlike.changed, *unlike.came)
    keys = [quoted(escaped(f"{row.source}:{row.key}")) for row in left_open if row.money]
    named = "".join(f" {key}" for key in keys) if len(keys) <= _NAMED else ""
    each = f" (it lists the {len(keys):,} rows that are accepted by key)" if len(keys) > _NAMED else ""
    what = (
        f"{len(left_open):,} of {len(rows):,} quarantined rows are not accepted"
        if left_open
        else f"{len(unlike.went):,} accepted rows are not in quarantine any more"
    )
    yield f"{what}; to review them run: migrator quarantine list; then: migrator quarantine accept{named}{each}"
    if not accepted:
        return
    lines = [
        (row, verb)
        for rows_of, verb in (
            (unlike.changed, "has changed since it was accepted"),
            (unlike.came, "is not accepted"),
            (unlike.went, "was accepted, and is gone"),
        )
        for row in rows_of
    ]
    lines.sort(key=lambda line: not line[0].money)
    shown = max(_SHOWN, sum(bool(row.money) for row, _ in lines))
    for row, verb in lines[:shown]:
        yield f"{escaped(f'{row.source} {row.key}')} {verb}{f': {row.money}' if row.money else ''}"
    if (left := len(lines) - shown) > 0:
        yield f"{left:,} more rows have changed, are not accepted, or are gone"


def _order(row: AcceptedRow) -> tuple[object, ...]:
    return listing.MONEY.index(row.money), row.source, row.broken, row.key, row.content
