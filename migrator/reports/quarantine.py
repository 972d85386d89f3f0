"""Shows the quarantine on a terminal: its rows by cause, money first, and why one row is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from migrator.records.quarantine import Accepting, Deciding, ExplainedRow, Explanation, Exported, Quarantine, Resolved
from migrator.records.quarantine import Group as Cause
from migrator.system.escaping import escaped

#: Keys of a cause that are shown [keys]; ``--all`` shows every one.
SHOWN = 3
#: Longest cell of a row that is shown whole [characters].
_CELL = 100


def listed(quarantine: Quarantine, *, every: bool) -> RenderableType:
    """Return the rows by cause, money first; with *every* key."""
    settled = [Text(f"{quarantine.settled:,} rows stay in quarantine by your decision")] if quarantine.settled else []
    if not quarantine.rows:
        return Group(
            Text("no row in quarantine waits for a decision" if settled else "no row is in quarantine", style="green"),
            *settled,
        )
    lines: list[RenderableType] = [
        Text(
            f"{quarantine.rows:,} rows in quarantine, of {len(quarantine.groups):,} causes;"
            f" money is at stake in {quarantine.at_stake:,} of them"
        )
    ]
    for cause in quarantine.groups:
        lines += [Text(), *_cause(cause, every=every)]
    if settled:
        lines += [Text(), *settled]
    lines += [Text(), Text("why one row is there, and what would let it in: migrator quarantine explain KEY")]
    return Group(*lines)


def _cause(cause: Cause, *, every: bool) -> Iterator[Text]:
    money = f"{cause.at_stake:,} {cause.money}{'s' if cause.at_stake > 1 else ''}! " if cause.money else ""
    rows = f"{cause.rows:,} row{'s' if cause.rows > 1 else ''}"
    sentence = f"{money}{rows} of {escaped(cause.source)}: {escaped(cause.cause)}"
    yield Text(sentence, style="bold yellow" if cause.money else "")
    keys = [escaped(key) for key in (cause.keys if every else cause.keys[:SHOWN])]
    left = len(cause.keys) - len(keys)
    if keys:
        yield Text(f"  {', '.join(keys)}{f' and {left:,} more (--all)' if left else ''}")


def deciding(done: Deciding) -> RenderableType:
    """Return the decisions that were read, what was written for them, and the next step."""
    if not done.decisions:
        return Text("no cell was changed, and no decision was written: nothing to add")
    count = len(done.decisions)
    what = f"{count:,} decision{'s' if count > 1 else ''}"
    lines = [
        f"added {what} to {escaped(done.path)}" if done.written else f"{what}, not written to {escaped(done.path)}:"
    ]
    lines += [f"- {escaped(decision)}" for decision in done.decisions]
    if done.written:
        lines += ["", "to see what they let in run: migrator plan; to apply them: migrator migrate"]
    else:
        lines += done.text.splitlines()
    return Group(*map(Text, lines))


def explained(explanation: Explanation) -> RenderableType:
    """Return why each row is refused, what would let it in, and its cells."""
    lines: list[RenderableType] = []
    for row in explanation.rows:
        lines += [*([Text()] if lines else []), *_row(row)]
    return Group(*lines)


def _row(row: ExplainedRow) -> Iterator[Text]:
    yield Text(f"{escaped(row.source)} {escaped(row.key)}{f': {row.money}' if row.money else ''}", style="bold")
    yield Text(f"{row.target} refuses it: {escaped(row.cause)}")
    yield from (Text(f"- {escaped(sentence)}") for sentence in row.because)
    yield from (Text(f"to let it in: {escaped(sentence)}", style="green") for sentence in row.remedies)
    if row.leaving_out:
        yield Text(f"to leave it in quarantine: {escaped(row.leaving_out)}")
    yield Text("the row:")
    for column, cell in row.row.items():
        shown = json.dumps(cell, ensure_ascii=False)
        yield Text(f"  {escaped(column)}: {escaped(shown if len(shown) <= _CELL else f'{shown[:_CELL]}...')}")


def names(quarantine: Quarantine) -> RenderableType:
    """Return the rows with money at stake, one a line, as ``accept`` takes them."""
    rows = [f"{cause.source}:{key}" for cause in quarantine.groups for key in cause.keys[: cause.at_stake]]
    return Group(*(Text(escaped(row), no_wrap=True, overflow="ignore") for row in rows))


def accepting(done: Accepting) -> RenderableType:
    """Return how many rows are accepted, what differed from the last time, and the rows that still need their keys."""
    lines = [
        Text(
            f"{done.accepted:,} of {done.rows:,} rows in quarantine are accepted, in {escaped(done.path)}",
            style="" if done.needed else "green",
        )
    ]
    unlike = done.difference
    if len(unlike.came) < done.rows or unlike.went:
        for rows, verb in ((unlike.changed, "changed"), (unlike.came, "came"), (unlike.went, "went")):
            if rows:
                lines.append(Text(f"  {len(rows):,} {verb} since rows were accepted last"))
    if done.needed:
        lines.append(
            Text(f"{len(done.needed):,} rows have money at stake; accept each by its key:", style="bold yellow")
        )
        lines += [Text(escaped(f"  {row.source}:{row.key}: {row.money}")) for row in done.needed]
        lines.append(
            Text("to read one run: migrator quarantine explain KEY; to accept it: migrator quarantine accept KEY")
        )
    return Group(*lines)


def resolved(done: Resolved) -> RenderableType:
    """Return where the row is now, and which rows came with it."""
    cells = f", with {', '.join(map(escaped, done.cells))} set" if done.cells else ""
    rows = f"{done.target} {', '.join(map(escaped, done.ids))}" if done.ids else f"accounted for in {done.target}"
    lines = [Text(f"{done.source} {escaped(done.key)} is {rows} now{cells}", style="green")]
    lines += [Text(f"let in with it: {escaped(name)}") for name in done.also]
    return Group(*lines)


def exported(written: Exported) -> RenderableType:
    """Return where the rows were written."""
    return Text(f"{written.rows:,} rows in {escaped(written.path)}, which only its owner can read")
