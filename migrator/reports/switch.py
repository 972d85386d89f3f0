"""Prints a cutover or a rollback, executed or planned: first whether it was done, then what speaks against it."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from migrator.records.switch import Switched
from migrator.reports.sentences import first
from migrator.system.escaping import escaped


def text(switched: Switched, *, every: bool = False) -> RenderableType:
    """Return the outcome, the reasons against it, and what to do now; with *every* each name and each finding."""
    lines: list[RenderableType] = [_outcome(switched)]
    lines += [
        Text(f"refused: {reason}", style="red")
        for reason in first((*switched.refusals, *switched.holders), every=every)
    ]
    lines += [Text(f"- {sentence}", style="yellow") for sentence in switched.late]
    lines += [
        Text(f"{escaped(source)}: " + ", ".join(f"{rows:,} {what}" for what, rows in counts.items()))
        for source, counts in switched.written.items()
    ]
    lines += [
        Text(
            f"residue: {rows:,} row{'s' if rows != 1 else ''} of {escaped(name)} that the legacy set does not have",
            style="yellow",
        )
        for name, rows in switched.residue.items()
    ]
    if switched.residue:
        lines.append(Text(f"residue: backup/{switched.run}/rolled-back/residue.db", style="yellow"))
    lines += [
        Text(f"kept aside: {escaped(path)}, made under a legacy name since the cutover", style="yellow")
        for path in switched.aside
    ]
    if switched.next:
        lines.append(Text("what to do now:"))
        lines += [Text(f"  {number}. {step}") for number, step in enumerate(switched.next, start=1)]
    if not switched.executed and not switched.stopped:
        lines += [Text(step) for step in switched.steps]
    if switched.names and not switched.done_before:
        lines.append(Text(_names(switched)))
    lines += [Text(f"- {finding}") for finding in first(switched.findings, every=every)]
    return Group(*lines, *([_each_name(switched)] if every else []))


def _outcome(switched: Switched) -> Text:
    kind = switched.kind
    if switched.done_before and kind == "restore":
        return Text(f"nothing to restore: each file is what it was at the snapshot {switched.run}", style="bold green")
    if switched.done_before:
        return Text(f"already done: the consolidated set of run {switched.run} is in use", style="bold green")
    if switched.executed:
        style = "bold yellow" if switched.residue or switched.late or switched.aside else "bold green"
        return Text(
            f"{kind} of run {switched.run} is done; writers were held up for {switched.blocked_s:.2f} s", style=style
        )
    if switched.stopped:
        count = len(switched.refusals) + len(switched.holders)
        return Text(
            f"REFUSED: {count} reason{'s'[: count != 1]} against the {kind}; nothing was touched", style="bold red"
        )
    run = f" {switched.run}" if kind == "restore" else ""
    return Text(f"nothing was touched; migrator {kind}{run} --execute does it", style="bold green")


def _names(switched: Switched) -> str:
    """Return how many names are links to each database, or were, or would be."""
    if switched.kind == "restore":
        verb = "are now" if switched.executed else "become"
        return f"{len(switched.names)} files {verb} those of backup/{switched.run}; --all lists them"
    if switched.kind == "cutover":
        verb = "are now links" if switched.executed else "become links"
    else:
        verb = "are legacy files again" if switched.executed else "become legacy files again"
    counts = Counter(switched.names.values())
    each = ", ".join(
        f"{count} {'to' if switched.kind == 'cutover' else 'of'} {name}" for name, count in sorted(counts.items())
    )
    return f"{len(switched.names)} names {verb}: {each}; --all lists them"


def _each_name(switched: Switched) -> Table:
    table = Table("name", "was" if switched.kind == "rollback" else "is then", box=None, pad_edge=False)
    for name, other in switched.names.items():
        table.add_row(escaped(name), escaped(other) if switched.kind == "restore" else f"a link to {other}")
    return table
