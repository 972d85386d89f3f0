"""Prints records on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.decisions import Kind
from migrator.records.inventory import Database, Inventory, Verdict
from migrator.records.monitor import Outcome, Rule, Watched
from migrator.records.plan import Fate, Plan
from migrator.records.rehearsal import Rehearsed
from migrator.records.verify import Migrated, Verified, VerifiedInUse
from migrator.reports import switch
from migrator.reports.sentences import first, readable_bytes
from migrator.stages.monitor.error_rate import Limits
from migrator.system.escaping import escaped

#: Broken contracts that are shown in full.
SHOWN = 5
#: Files of one verdict, other than legacy databases, that are listed without ``--all``.
_LISTED_FILES = 40

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


def inventory_table(inventory: Inventory, *, every: bool = False) -> RenderableType:
    """Return the counts, one line per database, then the findings; notes have a column of their own where there is room."""
    return _InventoryTable(inventory, every=every)


class _InventoryTable:
    """The inventory in the width of the terminal; nothing is cut off."""

    def __init__(self, inventory: Inventory, *, every: bool) -> None:
        self._inventory = inventory
        self._every = every

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inventory = self._inventory
        listed = inventory.databases if self._every else tuple(_listed(inventory.databases))
        beneath = [f"{escaped(d.place)}: {_note(d)}" for d in listed if _note(d)]
        table = _databases(listed, notes=False)
        if options.max_width - console.measure(table, options=options).maximum >= _NOTE_CHARACTERS:
            table, beneath = _databases(listed, notes=True), []
        if len(listed) < len(inventory.databases):
            beneath.append(
                f"{len(inventory.databases) - len(listed):,} more files are not listed here; --all lists them"
            )
        yield Text(_summary(inventory))
        yield table
        for sentence in first((*beneath, *inventory.findings), every=self._every):
            yield Text(f"- {sentence}")


def _listed(databases: Sequence[Database]) -> Iterator[Database]:
    """Yield the databases, but only the first ``_LISTED_FILES`` of each verdict that no legacy database has."""
    seen = Counter[Verdict]()
    for database in databases:
        seen[database.verdict] += 1
        if seen[database.verdict] <= _LISTED_FILES or database.verdict in (
            Verdict.SOURCE,
            Verdict.STANDALONE,
            Verdict.OURS,
        ):
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
            Text("" if database.size_bytes is None else readable_bytes(database.size_bytes)),
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
        return f"{database.journal_mode} +{readable_bytes(database.wal_bytes)}"
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


def plan_table(plan: Plan, *, every: bool = False) -> RenderableType:
    """Return whether a migration can begin, the reasons if not, and the counts; with *every* also the fate of each table."""
    if plan.refusals:
        count = len(plan.refusals)
        lines: list[RenderableType] = [
            Text(f"REFUSED: {count} reason{'s'[: count != 1]} against a migration", style="bold red"),
            *(Text(f"refused: {refusal}", style="red") for refusal in first(plan.refusals, every=every)),
        ]
    else:
        lines = [Text("ready: nothing prevents a migration", style="bold green")]
    counts = ", ".join(
        f"{sum(table.rows or 0 for table in plan.with_fate(fate)):,} {fate}" for fate in Fate if plan.with_fate(fate)
    )
    lines.append(Text(f"rows: {counts or 'none'}"))
    if plan.quarantine is not None:
        total = sum(plan.quarantine.values())
        refused = ", ".join(f"{into} {count:,}" for into, count in sorted(plan.quarantine.items()))
        lines.append(Text(f"of the mapped rows {total:,} will be quarantined{': ' + refused if refused else ''}"))
    lines += [Text(sentence) for sentence in (*_decision_sentences(plan), *_amendment_sentences(plan))]
    lines.append(
        Text(f"disk: {readable_bytes(plan.needed_bytes)} needed at most, {readable_bytes(plan.free_bytes)} free")
    )
    lines += [Text(f"- {finding}") for finding in first(plan.findings, every=every)]
    if every:
        return Group(*lines, Text(), _fates(plan))
    if plan.tables:
        tables = ", ".join(f"{len(plan.with_fate(fate))} {fate}" for fate in Fate if plan.with_fate(fate))
        lines.append(Text(f"tables: {tables}"))
        lines.append(Text("to see what becomes of each run: migrator plan --all"))
    return Group(*lines)


def _fates(plan: Plan) -> Table:
    """Return the fate of every table, in the order of execution."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name, justify in (("legacy table", "left"), ("fate", "left"), ("into", "left"), ("rows", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]  # rich wants a literal
    order = {into: number for number, into in enumerate(plan.order)}
    for planned in sorted(plan.tables, key=lambda table: (order.get(table.into, len(order)), table.into, table.source)):
        rows = "" if planned.rows is None else f"{planned.rows:,}"
        table.add_row(Text(escaped(planned.source)), planned.fate, Text(escaped(planned.into)), rows)
    return table


def _decision_sentences(plan: Plan) -> Iterator[str]:
    """Yield a sentence for each decision that may let rows in, and the sums of all."""
    effects = plan.decision_effects or ()
    for effect in effects:
        if effect.kind is not Kind.DROP:
            rows = f"{effect.rows:,} row{'s' if effect.rows != 1 else ''}"
            yield f"decision on {rows}, lets in {effect.let_in:,}: {escaped(effect.decision)}"
    if effects:
        dropped = sum(effect.kind is Kind.DROP for effect in effects)
        several = len(effects) > 1
        if not several and dropped:
            yield "the decision leaves rows in quarantine"
            return
        lets_in = f"all {len(effects):,} decisions together let in" if several else "the decision lets in"
        leaves = f"; {dropped:,} of them leave{'s'[: dropped == 1]} rows in quarantine" if dropped else ""
        rows = f"{plan.let_in:,} row{'s' if plan.let_in != 1 else ''}"
        yield f"{lets_in} {rows}, rows that wait for another one included{leaves}"


def _amendment_sentences(plan: Plan) -> Iterator[str]:
    """Yield a sentence for each amendment that changes the quarantine, and one for those that do not."""
    without_effect = []
    for name, effect in (plan.amendment_effects or {}).items():
        rows = effect.rows_without - effect.rows_with
        does = "let in" if rows > 0 else "keep out"
        counts = f"{effect.rows_with:,} quarantined instead of {effect.rows_without:,}"
        if not rows:
            without_effect.append(f"{name} (chosen)" if effect.chosen else name)
        elif effect.chosen:
            yield f"amendment {name} does {does} {abs(rows):,} rows: {counts}"
        else:
            yield f"amendment {name} would {does} {abs(rows):,} more rows: {counts}"
    if without_effect:
        yield f"amendments that change nothing in the quarantine: {', '.join(without_effect)}"


def backup_text(snapshot: Snapshot) -> RenderableType:
    """Return where the snapshot lies and how long writers were held up."""
    files = len(snapshot.inventory.databases)
    return Text(
        f"snapshot {snapshot.run}: {files} files of one instant in {escaped(snapshot.folder)}, read back;"
        f" writers were held up for {snapshot.blocked_s:.2f} s"
    )


def build_table(built: Built, *, every: bool = False) -> RenderableType:
    """Return whether every row is accounted for, and where the rows went; with *every* also per target table."""
    lines: list[RenderableType] = []
    if built.holds:
        lines.append(Text("every legacy row is accounted for and was rebuilt, cell by cell", style="bold green"))
    lines += [Text(sentence, style="bold red") for sentence in unaccounted(built)]
    return Group(*lines, *_accounts(built, every=every))


def unaccounted(built: Built) -> Iterator[str]:
    """Yield a sentence for each table whose rows are not accounted for, or were not rebuilt."""
    for source in built.sources:
        if not source.balanced:
            yield f"not accounted for: {escaped(source.source)}: {source.rows:,} rows"
    for target in built.targets:
        if not target.balanced:
            yield f"not accounted for: {target.table}"
    for name, keys in built.mismatches.items():
        yield f"not rebuilt: {escaped(name)}: {', '.join(map(escaped, keys))}"


def _accounts(built: Built, *, every: bool) -> Iterator[RenderableType]:
    """Yield where the rows went, in one line; with *every* also the tables, and the reasons of each quarantine."""
    mapped = sum(account.mapped for account in built.sources)
    carried = sum(account.carried for account in built.sources)
    quarantined = sum(account.quarantined for account in built.sources)
    standing = sum(account.standing for account in built.sources)
    total = sum(account.rows for account in built.sources)
    yield Text(
        f"{total:,} legacy rows = {mapped:,} mapped + {carried:,} carried + {quarantined:,} quarantined"
        f" + {standing:,} in files left alone"
    )
    counts = {target.table: sum(target.quarantined.values()) for target in built.targets}
    if every:
        for target in built.targets:
            if target.quarantined:
                reasons = ", ".join(f"{rows:,} break {escaped(broken)}" for broken, rows in target.quarantined.items())
                yield Text(f"- {target.table}: {counts[target.table]:,} rows quarantined: {reasons}")
    elif quarantined:
        refused = ", ".join(f"{table} {count:,}" for table, count in counts.items() if count)
        yield Text(f"- quarantined: {refused}")
        yield Text("  to see why run: migrator quarantine list")
    if stubs := ", ".join(f"{target.table} {target.stubs:,}" for target in built.targets if target.stubs):
        yield Text(f"- rows added without a legacy row (default settings, parents that other rows refer to): {stubs}")
    history = {target.table: target.quarantined.get("UNIQUE token_address", 0) for target in built.targets}.get(
        "core.positions", 0
    )
    if history:
        yield Text(
            f"- the specification's UNIQUE(token_address) lets one position of each token in, and tokens are traded"
            f" again: it keeps {history:,} positions out; their trades go in without a position; the amendment position_history lets in"
            " all but a second open position of a token",
            style="bold yellow",
        )
    if every:
        table = Table(box=None, padding=(0, 1, 0, 0))
        table.add_column("into")
        for name in ("rows in", "rows out", "quarantined", "seconds"):
            table.add_column(name, justify="right")
        for target in built.targets:
            rows, refused_rows = target.from_legacy + counts[target.table], counts[target.table]
            table.add_row(target.table, f"{rows:,}", f"{target.rows:,}", f"{refused_rows:,}", f"{target.seconds:.2f}")
        yield Text()
        yield table


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


def verify_in_use_text(verified: VerifiedInUse) -> RenderableType:
    """Return the verdict on the set in use, what is wrong, what was written since, and what was judged."""
    lines = [
        Text(f"sound: the consolidated set of run {verified.run}, which is in use", style="bold green")
        if verified.holds
        else Text(
            f"NOT SOUND: the consolidated set of run {verified.run}, which is in use: {len(verified.broken)} faults",
            style="bold red",
        ),
        *(Text(f"- {escaped(sentence)}", style="red") for sentence in verified.broken),
    ]
    written = ", ".join(
        f"{escaped(source)} {count:,} {what}"
        for source, counts in verified.written.items()
        for what, count in counts.items()
    )
    lines.append(Text(f"written since the cutover: {written or 'no row of a legacy table'}"))
    if residue := ", ".join(f"{escaped(table)} {rows:,}" for table, rows in verified.residue.items()):
        lines.append(Text(f"rows that no legacy table could hold after a rollback: {residue}", style="yellow"))
    lines.append(Text(f"judged in {verified.seconds:.1f} s:"))
    lines += [Text(f"- {sentence}") for sentence in verified.judged]
    return Group(*lines)


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


def migrate_table(migrated: Migrated, next_step: str = "", *, every: bool = False) -> RenderableType:
    """Return a migration on one screen: verdict, next step, accounts, findings; with *every* also per target table."""
    lines: list[RenderableType] = [verify_text(migrated.verified)]
    if migrated.holds and next_step:
        lines.append(Text(f"next: {next_step}"))
    elif not migrated.holds:
        lines.append(Text("next: correct the errors above, then run this again; no database has its final name yet"))
    lines += [Text(), backup_text(migrated.snapshot), Text(f"{migrated.seconds:.1f} s in all")]
    lines += [Text(f"- {finding}") for finding in first(migrated.plan.findings, every=every)]
    lines.append(build_table(migrated.built, every=every))
    return Group(*lines)


def watch_line(watched: Watched) -> str:
    """Return the state of the watch in one line."""
    return (
        f"{watched.failed:,} of {watched.ok + watched.failed:,} events failed ({watched.rate:.2%}) in the window; "
        f"{watched.failures:,} of {watched.seen:,} in {watched.seconds:,.0f} s"
    )


#: Why a rule required a rollback.
_WHY = {
    Rule.TEST: "the events prove that more fail than the limit of {threshold:.2%}",
    Rule.WINDOW: "more of the window failed than the limit of {threshold:.2%}",
}


def watch_text(watched: Watched, limits: Limits) -> RenderableType:
    """Return the result of the watch, and of its rollback if there was one."""
    lines = [watch_line(watched)]
    if watched.unread:
        lines.append(f"- {watched.unread:,} lines hold no event, or an impossible time")
    if watched.old:
        lines.append(f"- {watched.old:,} events are from before the watch and do not count")
    lines += [f"- {escaped(path)} was written to after the cutover" for path in watched.late]
    lines += [f"- {escaped(path)} does not lead to the consolidated set" for path in watched.strayed]
    lines += [f"- {sentence}" for sentence in watched.silent]
    if watched.rolled_back is None:
        lines.append(f"{_undecided(watched, limits)}; the consolidated set is in use")
        return Text("\n".join(lines))
    why = _WHY[watched.rule].format(threshold=float(limits.threshold)) if watched.rule else "the limit was passed"
    lines.append(f"{why}: ROLLED BACK to the legacy set")
    return Group(Text("\n".join(lines)), switch.text(watched.rolled_back))


def _undecided(watched: Watched, limits: Limits) -> str:
    """Return what a watch that has ended without a rollback found out."""
    share = watched.failures / watched.seen if watched.seen else 0.0
    events = f"{watched.failures:,} of {watched.seen:,} events failed ({share:.2%})"
    limit = f"{float(limits.threshold):.2%}"
    if watched.outcome is Outcome.SOUND:
        return f"sound: {events}, which proves a rate below {limit}"
    return f"not enough events to decide: {events}, which does not prove a rate above or below {limit}"


def prometheus_text(watched: Watched) -> str:
    """Return the state of the watch in Prometheus' text format."""
    values = {
        'migrator_events_total{outcome="ok"}': watched.seen - watched.failures,
        'migrator_events_total{outcome="failed"}': watched.failures,
        'migrator_window_events{outcome="ok"}': watched.ok,
        'migrator_window_events{outcome="failed"}': watched.failed,
        "migrator_error_ratio": watched.rate,
        "migrator_limit_passed": int(watched.fired),
        "migrator_bets_above_limit": watched.above,
        "migrator_bets_below_limit": watched.below,
        "migrator_silence_alarms": len(watched.silent),
        "migrator_late_writes": len(watched.late),
        "migrator_strayed_names": len(watched.strayed),
    }
    lines: list[str] = []
    for name, value in values.items():
        plain_name = name.partition("{")[0]
        kind = f"# TYPE {plain_name} {'counter' if plain_name.endswith('_total') else 'gauge'}"
        lines += ([] if kind in lines else [kind]) + [f"{name} {value}"]
    return "\n".join(lines) + "\n"


def rehearsal_table(rehearsed: Rehearsed, *, every: bool = False) -> RenderableType:
    """Return a rehearsal on one screen: the outcome, the way to the consolidated set and back; with *every* also per table."""
    lines: list[RenderableType] = []
    if rehearsed.holds:
        lines.append(Text("rehearsed: the legacy set is what it was, and what was written since", style="bold green"))
        lines.append(Text("next: migrator migrate --data-dir DIR; of this rehearsal nothing is left"))
    else:
        lines.append(Text("NOT as it should be: see below", style="bold red"))
    lines += [Text(f"- {difference}") for difference in rehearsed.differences]
    if rehearsed.code:
        lines.append(Text(f"your own tests ended with {rehearsed.code}", style="bold red"))
    lines.append(migrate_table(rehearsed.migrated, every=every))
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
    return Group(*lines)
