"""Shows a replay on a terminal: what breaks with links alone, and what differs through the legacy schema."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from migrator.application.replay.comparison import Link, Replay, Replayed, Served
from migrator.application.replay.reasons import REASONS
from migrator.system.escaping import escaped

_LINK = {Link.FAILS: "red", Link.OTHERWISE: "red bold", Link.SAME: "green"}
_SERVED = {Served.DIFFERS: "red bold", Served.LISTED: "yellow", Served.SAME: "green"}


def text(replay: Replay) -> RenderableType:
    """Return the numbers, a line for each statement, then how and why statements differ."""
    parts: list[RenderableType] = [Text(_headline(replay)), Text(replay.source), Text(), _table(replay)]
    for kind, title in ((Served.DIFFERS, "differs without a listed reason"), (Served.LISTED, "differs as listed")):
        found = [one for one in replay.statements if one.compat is kind]
        if found:
            parts += [Text(), Text(f"{title}: {len(found)}", style="bold"), *map(Text, _differences(found))]
    if replay.reasons:
        parts += [Text(), Text("reasons", style="bold")]
        parts += [Text(f"{name}: {why}") for name, why in replay.reasons.items()]
    if replay.not_run:
        parts += [Text(), Text(f"not run: {len(replay.not_run)}", style="bold")]
        parts += [Text(f"{one.name}: {one.why}") for one in replay.not_run]
    return Group(*parts)


def _headline(replay: Replay) -> str:
    count = len(replay.statements)
    link, compat = replay.link, replay.compat
    wrong = compat[Served.DIFFERS.value]
    verdict = f"{wrong} of {count} statements break" if wrong else f"All {count} statements keep working"
    listed = f", {compat[Served.LISTED.value]} of them with a listed difference" if compat[Served.LISTED.value] else ""
    return (
        f"{verdict} through migrator.connect{listed}. With links alone {link[Link.FAILS.value]} fail, and"
        f" {link[Link.OTHERWISE.value]} do something else without an error."
    )


def _table(replay: Replay) -> Table:
    listed = Table(box=None, pad_edge=False)
    for heading in ("database", "statement", "link alone", "migrator.connect"):
        listed.add_column(heading)
    listed.add_column("steps", justify="right")
    for one in replay.statements:
        link = one.link.value + (f": {escaped(one.link_told)}" if one.link is Link.FAILS else "")
        served = one.compat.value if one.compat is not Served.LISTED else ", ".join(one.reasons)
        listed.add_row(
            escaped(one.database),
            escaped(one.name),
            Text(link, style=_LINK[one.link]),
            Text(served, style=_SERVED[one.compat]),
            f"{one.steps_legacy:,} -> {one.steps_compat:,}",
        )
    return listed


def _differences(found: list[Replayed]) -> Iterator[str]:
    for one in found:
        yield f"{escaped(one.name)}: {escaped(' '.join(one.sql.split()))}"
        for told in one.differences:
            yield f"    {escaped(told)}"


def listed_reasons() -> str:
    """Return the listed reasons as a Markdown table."""
    rows = [f"| `{reason.name}` | {reason.text} |" for reason in REASONS]
    return "\n".join(["| reason | what differs and why |", "|---|---|", *rows])
