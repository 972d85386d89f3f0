"""What the maintenance window comes to, as people read it: the switch, the watch, the rehearsal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from migrator.records.monitor import Watched
from migrator.records.switch import Switched
from migrator.rehearsal import Rehearsed
from migrator.report import migrate_table
from migrator.system.serialize import escaped


def switch_table(switched: Switched) -> RenderableType:
    """Return a cutover or a rollback, done or foreseen, as a table and sentences."""
    table = Table("name", "is then" if switched.kind == "cutover" else "was", box=None, pad_edge=False)
    for place, consolidated in switched.names.items():
        table.add_row(escaped(place), f"a link to {consolidated}")
    lines = [*switched.steps]
    lines += [f"refused: {reason}" for reason in (*switched.refusals, *switched.holders)]
    lines += [f"- {finding}" for finding in (*switched.late, *switched.findings)]
    for source, counts in switched.written.items():
        lines.append(f"{escaped(source)}: " + ", ".join(f"{rows:,} {what}" for what, rows in counts.items()))
    for name, rows in switched.residue.items():
        lines.append(f"residue: {rows:,} rows of {escaped(name)} that no legacy table can hold")
    if switched.residue:
        lines.append(f"residue: backup/{switched.run}/rolled-back/residue.db")
    lines += [f"kept aside: {escaped(path)}, made under a legacy name since the cutover" for path in switched.aside]
    if switched.executed:
        lines.append(
            f"{switched.kind} of run {switched.run} is done; writers were held up for {switched.blocked_s:.2f} s"
        )
    elif not (switched.refusals or switched.holders):
        lines.append(f"nothing was touched; migrator {switched.kind} --execute does it")
    return Group(table, Text("\n".join(lines)))


def watch_line(watched: Watched) -> str:
    """Return what the monitor sees, in one line."""
    return (
        f"{watched.failed:,} of {watched.ok + watched.failed:,} events failed ({watched.rate:.2%}) in the window; "
        f"{watched.failures:,} of {watched.seen:,} in {watched.seconds:,.0f} s"
    )


def watch_text(watched: Watched) -> RenderableType:
    """Return what the monitor saw, and what the rollback did if there was one."""
    lines = [watch_line(watched)]
    if watched.unread:
        lines.append(f"- {watched.unread:,} lines hold no event, or an impossible time")
    if watched.old:
        lines.append(f"- {watched.old:,} events were older than the window when they were read")
    lines += [f"- {escaped(path)} was written to after the cutover" for path in watched.late]
    lines += [f"- {escaped(path)} does not lead to the consolidated set" for path in watched.strayed]
    if watched.rolled_back is None:
        lines.append("the limit was not passed; the consolidated set is in use")
        return Text("\n".join(lines))
    lines.append("the limit was passed: ROLLED BACK to the legacy set")
    return Group(Text("\n".join(lines)), switch_table(watched.rolled_back))


def prometheus_text(watched: Watched) -> str:
    """Return what the monitor sees in Prometheus' text format."""
    values = {
        'migrator_events_total{outcome="ok"}': watched.seen - watched.failures,
        'migrator_events_total{outcome="failed"}': watched.failures,
        'migrator_window_events{outcome="ok"}': watched.ok,
        'migrator_window_events{outcome="failed"}': watched.failed,
        "migrator_error_ratio": watched.rate,
        "migrator_limit_passed": int(watched.fired),
        "migrator_late_writes": len(watched.late),
        "migrator_strayed_names": len(watched.strayed),
    }
    lines: list[str] = []
    for name, value in values.items():
        plain_name = name.partition("{")[0]
        kind = f"# TYPE {plain_name} {'counter' if plain_name.endswith('_total') else 'gauge'}"
        lines += ([] if kind in lines else [kind]) + [f"{name} {value}"]
    return "\n".join(lines) + "\n"


def rehearsal_table(rehearsed: Rehearsed) -> RenderableType:
    """Return a rehearsal on one screen: the migration, the way there, the watch, the way back, what is different."""
    lines: list[RenderableType] = [migrate_table(rehearsed.migrated)]
    there, watched = rehearsed.there, rehearsed.watched
    if there is not None and not there.executed:
        lines += [Text(f"refused: {reason}") for reason in (*there.refusals, *there.holders)]
    elif there is not None:
        lines.append(Text(f"cutover: {len(there.names)} names; writers were held up for {there.blocked_s:.2f} s"))
        lines.append(
            Text(
                f"its {rehearsed.migrated.built.quarantined:,} quarantined rows were accepted, its code taken to be ready"
            )
        )
    if rehearsed.code:
        lines.append(Text(f"your own tests ended with {rehearsed.code}"))
    if watched is not None:
        lines.append(Text(f"monitor: {watch_line(watched)}"))
        if (back := watched.rolled_back) is None:
            lines.append(Text("monitor: did not roll back"))
        else:
            written = ", ".join(
                f"{source} {count:,} {what}"
                for source, counts in back.written.items()
                for what, count in counts.items()
            )
            lines.append(
                Text(f"rolled back by itself; writers were held up for {back.blocked_s:.2f} s; carried back: {written}")
            )
            lines += [Text(f"residue: {rows:,} rows of {escaped(name)}") for name, rows in back.residue.items()]
    lines += [Text(f"- {one}") for one in rehearsed.differences]
    if rehearsed.holds:
        lines.append(Text("the legacy set is what it was, and what was written since"))
        lines.append(Text("next: migrator migrate --data-dir DIR; of this rehearsal nothing is left"))
    return Group(*lines)
