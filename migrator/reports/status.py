"""Prints the state of a run as a dashboard: what is in use, what runs beside it, and the next step as a command."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from migrator.records.retention import Pruned, Run
from migrator.records.status import MonitorState, Standing, Status
from migrator.reports.sentences import first, readable_age, readable_bytes
from migrator.system.escaping import escaped


def text(status: Status) -> RenderableType:
    """Return the state of a run, the reasons against its evidence, the next step, then what runs beside it."""
    what = f"run {status.run}: {status.standing}" if status.run else str(status.standing)
    made = f", evidence of {escaped(status.made)}" if status.made else ""
    good = status.standing in (Standing.VERIFIED, Standing.CONSOLIDATED) and not status.waivers
    return Group(
        Text(f"{what}{made}", style="bold green" if good else "bold yellow"),
        *(Text(f"waived: {escaped(waiver)}", style="yellow") for waiver in status.waivers),
        *(Text(f"- {escaped(reason)}", style="red") for reason in status.reasons),
        Text(f"next: {status.next}"),
        *(Text(line) for line in _beside(status)),
        *([Text(status.back)] if status.back and status.back != status.next else []),
    )


def _beside(status: Status) -> Iterator[str]:
    """Yield a line for each thing beside the run; none for a named file of evidence."""
    if status.disk is None:
        return
    if status.in_use:
        flag = "cannot be read" if status.flag is None else f"is {str(status.flag).lower()}"
        differs = status.flag is not None and status.flag != (status.in_use == "consolidated")
        yield f"in use:     the {status.in_use} set; USE_CONSOLIDATED_DBS {flag}{', which does not fit' if differs else ''}"
    if status.verdict:
        no_longer = ", GO no longer stands" if status.verdict == "STALE" else ""
        yield f"evidence:   {status.verdict}{no_longer}"
    if status.quarantined is not None:
        left_open = f", {status.unaccepted:,} of them not accepted" if status.unaccepted else ""
        why = "; to see why run: migrator quarantine list" if status.quarantined else ""
        yield f"quarantine: {status.quarantined:,} rows{left_open}{why}"
    if status.monitor is not None:
        yield f"monitor:    {_monitor(status.monitor)}"
    if status.backup is not None:
        yield f"backup:     run {status.backup.run}, {readable_age(status.backup.age_s)} ago"
    elif status.in_use:
        yield f"backup:     none of the {status.in_use} set"
    disk = status.disk
    freed = f", of which migrator prune would free {readable_bytes(disk.prunable_bytes)}" if disk.prunable_bytes else ""
    yield (
        f"disk:       {readable_bytes(disk.backups_bytes)} in backup{freed}; "
        f"{readable_bytes(disk.state_bytes)} in .migrator"
    )


def _monitor(watched: MonitorState) -> str:
    """Return whether a monitor is at work, and what it has counted."""
    counted = f"{watched.failures:,} of {watched.seen:,} events failed"
    if watched.fired:
        return f"fired: {counted}"
    if watched.running:
        return f"running; {counted}"
    if watched.age_s is None:
        return "NOT running, and never ran for this cutover"
    return f"NOT running; ran {readable_age(watched.age_s)} ago; {counted}"


def removal(pruned: Pruned, *, every: bool = False) -> RenderableType:
    """Return what was or would be removed, and why each other run is kept."""
    runs, freed = len(pruned.removed), readable_bytes(pruned.freed_bytes)
    if pruned.refusals:
        lines = [
            Text(f"REFUSED: {runs} runs would be removed; nothing was removed", style="bold red"),
            *(Text(f"refused: {reason}", style="red") for reason in first(pruned.refusals, every=every)),
        ]
    elif not runs:
        lines = [Text("nothing to remove", style="bold green")]
    elif pruned.executed:
        lines = [Text(f"removed {runs} runs; {freed} are free", style="bold green")]
    else:
        lines = [
            Text(
                f"nothing was removed; migrator prune --execute removes {runs} runs and frees {freed}",
                style="bold green",
            )
        ]
    lines += [Text(f"remove: {_run(run)}") for run in pruned.removed]
    lines += [Text(f"keep:   {_run(run)}: {run.kept_because}") for run in pruned.kept]
    return Group(*lines)


def _run(run: Run) -> str:
    return f"{escaped(run.what)}, {readable_bytes(run.size_bytes)}"
