"""The outcome of a fleet: a table on a terminal, or one HTML page."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from migrator.records.fleet import Ending, Fleet, Outcome
from migrator.reports import page
from migrator.system.escaping import escaped

_STYLES = {Ending.GO: "green", Ending.DONE: ""}


def table(fleet: Fleet) -> RenderableType:
    """Return a line for each install; then the sentences and the next commands of those that need a person."""
    shown = Table(box=None, pad_edge=False)
    for heading in ("install", "verdict", "rows", "quarantine", "minutes"):
        shown.add_column(heading, justify="left" if heading in {"install", "verdict"} else "right")
    for outcome in fleet.outcomes:
        shown.add_row(
            escaped(outcome.name),
            Text(outcome.ending.value, style=_STYLES.get(outcome.ending, "red")),
            _number(outcome.rows),
            _number(outcome.quarantined),
            f"{outcome.seconds / 60:.1f}",
        )
    notes = [Text(line) for outcome in fleet.outcomes for line in _notes(outcome)]
    return Group(shown, Text(""), *notes, Text(f"{fleet.verb}: {summary(fleet)}"))


def summary(fleet: Fleet) -> str:
    """Return how many installs ended in which way, and the time it took."""
    counted = Counter(outcome.ending for outcome in fleet.outcomes)
    ended = ", ".join(f"{counted[ending]} {ending.value}" for ending in Ending if counted[ending])
    return f"{len(fleet.outcomes)} installs: {ended}; {fleet.seconds / 60:.1f} minutes"


def html(fleet: Fleet) -> str:
    """Return *fleet* as one HTML page that needs nothing from elsewhere."""
    return page.rendered("fleet.html.j2", {"fleet": fleet, "summary": summary(fleet)}, autoescape=True)


def _notes(outcome: Outcome) -> list[str]:
    """Return why *outcome* ended so, and what to run next."""
    lines = [outcome.says] if outcome.says else []
    lines += [f"broken: {name}" for name in outcome.broken[: page.BROKEN]]
    lines += [f"next: {outcome.next}"] if outcome.next else []
    return [f"{escaped(outcome.name)}: {line}" for line in lines]


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
