"""Prints records on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.inventory import Database, Inventory, Verdict
from migrator.records.monitor import Watched
from migrator.records.plan import Fate, Plan
from migrator.records.rehearsal import Rehearsed
from migrator.records.switch import Switched
from migrator.records.verify import Migrated, Verified
from migrator.stages.monitor.error_rate import Limits
from migrator.stages.verify.freshness import Standing, Status
from migrator.system.escaping import escaped

#: Broken contracts that are shown in full.
SHOWN = 5
#: Files of one verdict, other than legacy databases, and sentences that are listed; of the others the number is shown.
LISTED = 40

#: Longest path [characters] that is never folded beside notes, and the room [characters] that notes need.
_PATH_CHARACTERS, _NOTE_CHARACTERS = 32, 20
_STYLES = {
    Verdict.SOURCE: "green",
    Verdict.STANDALONE: "cyan",
    Verdict.UNKNOWN: "yellow",
    Verdict.EMPTY: "red",
    Verdict.UNREADABLE: "red",
    Verdict.OURS: "dim",
}


def inventory_table(inventory: Inventory) -> RenderableType:
    """Return one line per database, then the findings; notes have a column of their own where there is room."""
    return _InventoryTable(inventory)


class _InventoryTable:
    """The inventory in the width of the terminal; nothing is cut off."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inventory = self._inventory
        listed = tuple(_listed(inventory.databases))
        beneath = [f"{escaped(d.place)}: {_note(d)}" for d in listed if _note(d)]
        table = _databases(listed, notes=False)
        if options.max_width - console.measure(table, options=options).maximum >= _NOTE_CHARACTERS:
            table, beneath = _databases(listed, notes=True), []
        if len(listed) < len(inventory.databases):
            beneath.append(
                f"{len(inventory.databases) - len(listed):,} more files are not listed here; --json lists them"
            )
        yield table
        yield Text()
        yield Text(_summary(inventory))
        for sentence in _first((*beneath, *inventory.findings)):
            yield Text(f"- {sentence}")


def _first(sentences: Sequence[str]) -> Iterator[str]:
    """Yield the first of *sentences*, and how many more there are."""
    yield from sentences[:LISTED]
    if len(sentences) > LISTED:
        yield f"{len(sentences) - LISTED:,} more; --json lists them"


def _listed(databases: Sequence[Database]) -> Iterator[Database]:
    """Yield the databases, but only the first ``LISTED`` of each verdict that no legacy database has."""
    seen = Counter[Verdict]()
    for database in databases:
        seen[database.verdict] += 1
        if seen[database.verdict] <= LISTED or database.verdict in (Verdict.SOURCE, Verdict.STANDALONE, Verdict.OURS):
            yield database


def _databases(databases: Sequence[Database], *, notes: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    widest = max((len(escaped(database.place)) for database in databases), default=0)
    # Notes may narrow the paths; without notes, the paths keep their width.
    table.add_column("database", overflow="fold", min_width=min(widest, _PATH_CHARACTERS) if notes else None)
    for name in ("verdict", "shape"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "size"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("journal", no_wrap=True)
    if notes:
        table.add_column("note", overflow="fold")
    for database in databases:
        cells = [
            Text(escaped(database.place)),
            Text(database.verdict, style=_STYLES[database.verdict]),
            Text(", ".join(database.variants)),
            Text("" if database.rows is None else f"{database.rows:,}"),
            Text("" if database.size_bytes is None else _size(database.size_bytes)),
            Text(_journal(database)),
        ]
        table.add_row(*cells, *([Text(_note(database))] if notes else []))
    return table


def _summary(inventory: Inventory) -> str:
    counts = {verdict: len(inventory.with_verdict(verdict)) for verdict in Verdict}
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    rows = sum(database.rows or 0 for database in inventory.databases)
    return (
        f"{len(inventory.databases)} in {escaped(inventory.data_dir)}: {verdicts or 'nothing'}; {rows:,} rows;"
        f" {inventory.passed_over} other files"
    )


def _journal(database: Database) -> str:
    if database.wal_bytes:
        return f"{database.journal_mode} +{_size(database.wal_bytes)}"
    return "hot" if database.hot_journal else database.journal_mode


def _note(database: Database) -> str:
    if database.reason:
        return database.reason
    differing = sum(bool(table.differs) for table in database.tables)
    unexpected = sum(table.unexpected for table in database.tables)
    notes = [
        f"{differing} in another shape" if differing else "",
        f"{unexpected} not known" if unexpected else "",
        f"{len(database.missing)} missing" if database.missing else "",
    ]
    return f"tables: {', '.join(filter(None, notes))}" if any(notes) else ""


def _size(size_bytes: int) -> str:
    if size_bytes < 1024:
        return f"{size_bytes} B"
    size = size_bytes / 1024
    for unit in ("KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def plan_table(plan: Plan) -> RenderableType:
    """Return the fate of every table in the order of execution, then refusals and findings."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name, justify in (("legacy table", "left"), ("fate", "left"), ("into", "left"), ("rows", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]  # rich wants a literal
    order = {into: number for number, into in enumerate(plan.order)}
    for planned in sorted(plan.tables, key=lambda table: (order.get(table.into, len(order)), table.into, table.source)):
        rows = "" if planned.rows is None else f"{planned.rows:,}"
        table.add_row(Text(escaped(planned.source)), planned.fate, Text(escaped(planned.into)), rows)
    counts = ", ".join(
        f"{sum(table.rows or 0 for table in plan.with_fate(fate)):,} {fate}" for fate in Fate if plan.with_fate(fate)
    )
    lines: list[RenderableType] = [table, Text(), Text(f"rows: {counts}")]
    if plan.quarantine is not None:
        total = sum(plan.quarantine.values())
        refused = ", ".join(f"{into} {count:,}" for into, count in sorted(plan.quarantine.items()))
        lines.append(Text(f"of the mapped rows {total:,} will be quarantined{': ' + refused if refused else ''}"))
    lines.append(Text(f"disk: {_size(plan.needed_bytes)} needed at most, {_size(plan.free_bytes)} free"))
    lines += [Text(f"- {finding}") for finding in _first(plan.findings)]
    lines += [Text(f"refused: {refusal}", style="red") for refusal in _first(plan.refusals)]
    return Group(*lines)


def backup_text(snapshot: Snapshot) -> RenderableType:
    """Return where the snapshot lies and how long writers were held up."""
    files = len(snapshot.inventory.databases)
    return Text(
        f"snapshot {snapshot.run}: {files} files of one instant in {escaped(snapshot.folder)}, read back;"
        f" writers were held up for {snapshot.blocked_s:.2f} s"
    )


def build_table(built: Built) -> RenderableType:
    """Return for each target table its rows in, out and quarantined, then the accounts in one line each."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("into")
    for name in ("rows in", "rows out", "quarantined", "seconds"):
        table.add_column(name, justify="right")
    for target in built.targets:
        refused = sum(target.quarantined.values())
        table.add_row(
            target.table,
            f"{target.from_legacy + refused:,}",
            f"{target.rows:,}",
            f"{refused:,}",
            f"{target.seconds:.2f}",
        )
    mapped = sum(account.mapped for account in built.sources)
    carried = sum(account.carried for account in built.sources)
    quarantined = sum(account.quarantined for account in built.sources)
    standing = sum(account.standing for account in built.sources)
    total = sum(account.rows for account in built.sources)
    lines: list[RenderableType] = [
        table,
        Text(),
        Text(
            f"{total:,} legacy rows = {mapped:,} mapped + {carried:,} carried + {quarantined:,} quarantined"
            f" + {standing:,} in files left alone"
        ),
    ]
    for target in built.targets:
        if target.quarantined:
            reasons = ", ".join(f"{rows:,} break {escaped(broken)}" for broken, rows in target.quarantined.items())
            count = sum(target.quarantined.values())
            lines.append(Text(f"- {target.table}: {count:,} rows quarantined: {reasons}"))
    if stubs := ", ".join(f"{target.table} {target.stubs:,}" for target in built.targets if target.stubs):
        lines.append(
            Text(f"- rows added without a legacy row (default settings, parents that other rows refer to): {stubs}")
        )
    history = {target.table: target.quarantined.get("UNIQUE token_address", 0) for target in built.targets}.get(
        "core.positions", 0
    )
    if history:
        lines.append(
            Text(
                f"- the specification's UNIQUE(token_address) lets one position of each token in, and tokens are traded"
                f" again: it keeps {history:,} positions out; their trades go in without a position",
                style="bold yellow",
            )
        )
    lines += [
        Text(f"not accounted for: {escaped(source.source)}: {source.rows:,} rows", style="red")
        for source in built.sources
        if not source.balanced
    ]
    lines += [
        Text(f"not accounted for: {target.table}", style="red") for target in built.targets if not target.balanced
    ]
    lines += [
        Text(f"not rebuilt: {escaped(source)}: {', '.join(map(escaped, keys))}", style="red")
        for source, keys in built.mismatches.items()
    ]
    if built.holds:
        lines.append(Text("every legacy row is accounted for and was rebuilt, cell by cell", style="green"))
    return Group(*lines)


def verify_text(verified: Verified) -> RenderableType:
    """Return GO or NO-GO, the waivers, and the first broken contracts in full."""
    skipped = f", {verified.skipped} did not apply" if verified.skipped else ""
    count = len(verified.waived)
    waived = f", with {count} contract{'s'[: count != 1]} waived" if count else ""
    lines: list[RenderableType] = []
    if verified.holds:
        sentence = f"GO{waived}: {verified.held} contracts hold{skipped} ({verified.seconds:.1f} s)"
        lines.append(Text(sentence + _sampled(verified), style="bold yellow" if count else "bold green"))
    else:
        sentence = f"NO-GO{waived}: {len(verified.broken)} contracts are broken, {verified.held} hold{skipped}"
        lines.append(Text(sentence, style="bold red"))
    lines += [Text(f"waived: {escaped(waiver)}", style="yellow") for waiver in verified.waivers]
    lines += [Text(escaped(complaint), style="red") for complaint in verified.complaints]
    for broken in verified.broken[:SHOWN]:
        lines += [
            Text(escaped(broken.name), style="red"),
            *(Text(f"  {escaped(line)}") for line in broken.says.splitlines()),
        ]
    if len(verified.broken) > SHOWN:
        lines.append(Text(f"and {len(verified.broken) - SHOWN} more"))
    if verified.evidence is not None:
        lines.append(Text(f"evidence: {escaped(verified.evidence)}"))
    if verified.report is not None:
        lines.append(Text(f"report: {escaped(verified.report)}"))
    return Group(*_lost(verified), *lines)


def _sampled(verified: Verified) -> str:
    """Return the tables of which the oracle judged only a sample, and what was compared in every row."""
    if not verified.sampled:
        return ""
    tables = ", ".join(f"{judged:,} of {rows:,} {table}" for table, (judged, rows) in verified.sampled.items())
    return (
        f"; checked in a sample: computed values ({tables});"
        " in every row: copied values, times, JSON, links, what lineage keeps, carried and quarantined rows"
    )


def _lost(verified: Verified) -> list[Text]:
    """Return the number of lost rows, from the message of its contract."""
    sentences = [broken.says.splitlines()[0] for broken in verified.broken if "no_legacy_row_is_lost" in broken.name]
    return [Text(f"NO-GO: {escaped(sentence)}", style="bold red") for sentence in sentences]


def status_text(status: Status) -> RenderableType:
    """Return the state of a run, the reasons against its evidence, and the next step."""
    what = f"run {status.run}: {status.standing}" if status.run else str(status.standing)
    made = f", evidence of {escaped(status.made)}" if status.made else ""
    good = status.standing is Standing.VERIFIED
    return Group(
        Text(f"{what}{made}", style="bold green" if good and not status.waivers else "bold yellow"),
        *(Text(f"waived: {escaped(waiver)}", style="yellow") for waiver in status.waivers),
        *(Text(f"- {escaped(reason)}", style="red") for reason in status.reasons),
        Text(f"next: {status.next}"),
    )


def migrate_table(migrated: Migrated, next_step: str = "") -> RenderableType:
    """Return a migration on one screen: tables, accounts, findings, verdict; after GO also *next_step*."""
    lines: list[RenderableType] = [build_table(migrated.built), backup_text(migrated.snapshot)]
    lines += [Text(f"- {finding}") for finding in migrated.plan.findings]
    lines += [verify_text(migrated.verified), Text(f"{migrated.seconds:.1f} s in all")]
    if migrated.holds and next_step:
        lines.append(Text(f"next: {next_step}"))
    elif not migrated.holds:
        lines.append(Text("next: correct the errors above, then run this again; no database has its final name yet"))
    return Group(*lines)


def switch_table(switched: Switched) -> RenderableType:
    """Return a cutover or a rollback, executed or planned, as a table and sentences."""
    table = Table("name", "is then" if switched.kind == "cutover" else "was", box=None, pad_edge=False)
    for name, consolidated in switched.names.items():
        table.add_row(escaped(name), f"a link to {consolidated}")
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
    """Return the state of the watch in one line."""
    return (
        f"{watched.failed:,} of {watched.ok + watched.failed:,} events failed ({watched.rate:.2%}) in the window; "
        f"{watched.failures:,} of {watched.seen:,} in {watched.seconds:,.0f} s"
    )


def watch_text(watched: Watched, limits: Limits) -> RenderableType:
    """Return the result of the watch, and of its rollback if there was one."""
    lines = [watch_line(watched)]
    if watched.unread:
        lines.append(f"- {watched.unread:,} lines hold no event, or an impossible time")
    if watched.old:
        lines.append(f"- {watched.old:,} events were older than the window when they were read")
    lines += [f"- {escaped(path)} was written to after the cutover" for path in watched.late]
    lines += [f"- {escaped(path)} does not lead to the consolidated set" for path in watched.strayed]
    if watched.rolled_back is None:
        lines.append(f"{_undecided(watched, limits)}; the consolidated set is in use")
        return Text("\n".join(lines))
    lines.append("the limit was passed: ROLLED BACK to the legacy set")
    return Group(Text("\n".join(lines)), switch_table(watched.rolled_back))


def _undecided(watched: Watched, limits: Limits) -> str:
    """Return why a watch that has ended did not roll back."""
    events = watched.ok + watched.failed
    if events < limits.min_events:
        return f"no decision: {events:,} events in the window, {limits.min_events:,} needed; {watched.rate:.2%} failed"
    return f"no rollback: the error rate did not pass the limit of {float(limits.threshold):.2%}"


def prometheus_text(watched: Watched) -> str:
    """Return the state of the watch in Prometheus' text format."""
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
    """Return a rehearsal on one screen: migration, cutover, watch, rollback, differences."""
    lines: list[RenderableType] = [migrate_table(rehearsed.migrated)]
    switched, watched = rehearsed.there, rehearsed.watched
    if switched is not None and not switched.executed:
        lines += [Text(f"refused: {reason}") for reason in (*switched.refusals, *switched.holders)]
    elif switched is not None:
        lines.append(Text(f"cutover: {len(switched.names)} names; writers were held up for {switched.blocked_s:.2f} s"))
        lines.append(
            Text(
                f"assumed: the owners accept the {rehearsed.migrated.built.quarantined:,} quarantined rows, and their code is ready"
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
    lines += [Text(f"- {difference}") for difference in rehearsed.differences]
    if rehearsed.holds:
        lines.append(Text("the legacy set is what it was, and what was written since"))
        lines.append(Text("next: migrator migrate --data-dir DIR; of this rehearsal nothing is left"))
    return Group(*lines)
