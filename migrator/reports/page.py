"""The report of a run as a file: one HTML page that needs nothing from elsewhere, or Markdown for a CI job's summary.

Both answer in one order: GO or NO-GO; what is lost or refused, money first; what to do now, as commands; then rows, tables
and contracts.  Names come from files and may hold any character: each is escaped, put on one line and shortened.  Neither
form has values of private data, since the messages of contracts have none; both name keys of rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from migrator.records.build import Built, SourceAccount
from migrator.records.quarantine import Group, Quarantine
from migrator.records.verify import BrokenContract
from migrator.reports import consequences, next_steps
from migrator.reports.next_steps import Run
from migrator.stages.verify.evidence import ContractResult, Evidence, Outcome
from migrator.system.escaping import escaped

#: Longest name that is shown whole, most lines of what a contract says, and most broken contracts of a kind that are shown in
#: full.
_NAME, _LINES, BROKEN = 80, 14, 50
#: Longest sentence, and longest command, that is shown whole.
_SENTENCE, _COMMAND = 240, 2_000
#: Keys of rows with money at stake that are shown for each cause.
_KEYS = 8
#: Target table whose rows may hold money -> what they may be, where the rows themselves were not read.
_MAY_HOLD = {
    "core.positions": "position{}, perhaps open",
    "core.treasury_orders": "order{}, perhaps active",
    "core.tax_lots": "lot{}, perhaps unsold",
}
#: Worst first: the order in which results of contracts are listed.
_WORST = (Outcome.BROKEN, Outcome.WAIVED, Outcome.HELD, Outcome.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the report shows.

    Attributes:
        evidence: The evidence.
        broken: The messages of the broken contracts.
        built: The accounts of the build; None where another tool built the set.
        reasons: Why the evidence is stale, one sentence each.
        quarantine: The quarantined rows by cause; None if they were not read.
        run: The run that it is about; None for any pair of sets.
    """

    evidence: Evidence
    broken: tuple[BrokenContract, ...]
    built: Built | None = None
    reasons: tuple[str, ...] = ()
    quarantine: Quarantine | None = None
    run: Run | None = None

    @property
    def verdict(self) -> str:
        """NO-GO, STALE if the evidence was GO and does not fit the files as they are now, or GO."""
        judged = self.evidence.verdict
        return "STALE" if self.reasons and judged == "GO" else judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Quarantined rows of one table with one cause.

    Attributes:
        table: The legacy table; the target table where the cause is a constraint.
        why: The cause, or the constraint.
        rows: Number of rows.
        stake: What is at stake: ``2 open positions``; '' for nothing.
        keys: The first keys of the rows with that.
        more: Number of further rows with that.
    """

    table: str
    why: str
    rows: int
    stake: str
    keys: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of one legacy database went.

    Attributes:
        name: The database.
        rows: Its rows.
        into: Number of its rows in each consolidated database, in quarantine and in files left alone.
    """

    name: str
    rows: int
    into: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Checked:
    """The results of one contract that are alike, over its cases.

    Attributes:
        name: Its name, without a case.
        clause: The clause that it proves.
        outcome: ``held``, ``broken``, ``skipped`` or ``waived``.
        why: Why it was skipped.
        cases: What it was checked for, such as tables.
        counts: Name -> number, summed, such as the rows that it judged.
        milliseconds: Its duration [ms].
    """

    name: str
    clause: str
    outcome: str
    why: str
    cases: tuple[str, ...]
    counts: Mapping[str, int]
    milliseconds: int


def html(report: Report) -> str:
    """Return *report* as one HTML page."""
    return rendered("report.html.j2", _facts(report), autoescape=True)


def markdown(report: Report) -> str:
    """Return *report* as Markdown, short: the verdict, what is lost or refused, what to do, where rows went."""
    return rendered("report.md.j2", _facts(report), autoescape=False)


def _facts(report: Report) -> dict[str, object]:
    evidence, built = report.evidence, report.built
    meant = tuple(consequences.consequences(evidence, report.broken))
    refused = undecided = sum(sum(constraints.values()) for constraints in evidence.quarantine.values())
    if report.quarantine is not None:
        undecided = report.quarantine.rows
        refused = undecided + report.quarantine.settled
    causes = _causes(report)
    return {
        "report": report,
        "evidence": evidence,
        "heading": _heading(report),
        "meant": meant,
        "most_broken": BROKEN,
        "refused": refused,
        "at_stake": " ".join(_at_stake(report)),
        "money": [one for one in causes if one.stake],
        "others": [one for one in causes if not one.stake],
        "steps": tuple(
            next_steps.steps(report.verdict, report.run, rows=undecided, quarantine=report.quarantine, broken=meant)
        ),
        "built": built,
        "sources": tuple(_sources(built.sources)) if built is not None else (),
        "most": max((target.rows for target in built.targets), default=1) if built is not None else 1,
        "checked": tuple(_checked(evidence.contracts)),
    }


def _causes(report: Report) -> Sequence[Cause]:
    """Return the quarantined rows by cause, money first; by constraint where the causes were not read."""
    if report.quarantine is not None:
        return [_cause(group) for group in report.quarantine.groups]
    by_constraint = [
        Cause(
            table=table,
            why=f"refused by {constraint}",
            rows=rows,
            stake=f"{rows:,} {_MAY_HOLD[table].format('s'[: rows != 1])}" if table in _MAY_HOLD else "",
        )
        for table, constraints in report.evidence.quarantine.items()
        for constraint, rows in constraints.items()
    ]
    order = [*_MAY_HOLD]
    return sorted(by_constraint, key=lambda one: (order.index(one.table) if one.stake else len(order), -one.rows))


def _cause(group: Group) -> Cause:
    # The keys of rows with money at stake come first.
    keys = group.keys[: min(_KEYS, group.at_stake)]
    return Cause(
        table=group.source,
        why=group.cause,
        rows=group.rows,
        stake=_counted(group.at_stake, group.money) if group.money else "",
        keys=keys,
        more=group.at_stake - len(keys),
    )


def _at_stake(report: Report) -> Iterator[str]:
    """Yield what is at stake in the quarantined rows, and what the owners decided about them."""
    quarantine = report.quarantine
    if quarantine is None:
        yield "Whether open positions, active orders or unsold lots are among them was not read."
        return
    if quarantine.at_stake:
        yield f"Money is at stake in {_counted(quarantine.at_stake, 'row')}."
    else:
        yield "No open position, active order or unsold lot is left to decide on."
    if quarantine.settled:
        yield f"{_counted(quarantine.settled, 'row')} {'stays' if quarantine.settled == 1 else 'stay'} there by your decision."
    if report.run is not None and report.run.accepted and quarantine.rows and not report.run.cut_over:
        yield "You have accepted the rows as they are."


def _heading(report: Report) -> str:
    """Return the verdict and how many contracts gave it."""
    count = {outcome: len(report.evidence.with_verdict(outcome)) for outcome in Outcome}
    held, broken = count[Outcome.HELD], count[Outcome.BROKEN]
    waived, skipped = count[Outcome.WAIVED], count[Outcome.SKIPPED]
    with_waived = f", with {_counted(waived, 'contract')} waived" if waived else ""
    parts = [f"{_counted(broken, 'contract')} {'is' if broken == 1 else 'are'} broken"] if broken else []
    parts += [f"{held:,} hold" if broken or waived else f"{_counted(held, 'contract')} hold{'s'[: held == 1]}"]
    parts += [f"{skipped:,} did not apply"] if skipped else []
    stale = f"{report.evidence.verdict} no longer stands" if report.verdict == "STALE" else ""
    return f"{report.verdict}{with_waived}: {stale or ', '.join(parts)}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s'[: number != 1]}"


def _sources(accounts: Sequence[SourceAccount]) -> Iterator[Source]:
    """Yield where the rows of each legacy database went, the largest first."""
    found: dict[str, dict[str, int]] = {}
    for account in accounts:
        into = found.setdefault(account.source.partition(".")[0], {})
        for where, rows in (
            (account.into.partition(".")[0], account.mapped + account.carried),
            ("quarantine", account.quarantined),
            ("left alone", account.standing),
        ):
            if rows:
                into[where] = into.get(where, 0) + rows
    sources = [Source(name, sum(into.values()), into) for name, into in found.items()]
    yield from sorted(sources, key=lambda source: (-source.rows, source.name))


def _checked(contracts: Sequence[ContractResult]) -> Iterator[Checked]:
    """Yield the results of each contract over its cases, the worst first."""

    def alike(result: ContractResult) -> tuple[int, str, str, str]:
        return _WORST.index(result.verdict), result.id.partition("[")[0], result.clause, result.why.value

    for (place, name, clause, why), results in groupby(sorted(contracts, key=alike), key=alike):
        same = list(results)
        counts: dict[str, int] = {}
        for result in same:
            for what, number in result.counts.items():
                counts[what] = counts.get(what, 0) + number
        yield Checked(
            name=name,
            clause=clause,
            outcome=_WORST[place].value,
            why=why,
            cases=tuple(case for result in same if (case := result.id.partition("[")[2].removesuffix("]"))),
            counts=counts,
            milliseconds=sum(result.milliseconds for result in same),
        )


def rendered(template: str, facts: Mapping[str, object], *, autoescape: bool) -> str:
    """Return *template* with *facts*; its filters escape names and write numbers."""
    # Imported late: every verb imports this module, and only a report needs templates.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("migrator.reports"),
        autoescape=autoescape,  # noqa: S701 - Markdown escapes by its own filters
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "shown": shown,
        "sentence": lambda text: shown(text, _SENTENCE),
        "command": lambda text: shown(text, _COMMAND),
        "command_code": lambda text: _code(text, _COMMAND),
        "code": _code,
        "lines": _lines,
        "breakable": _breakable,
        "cell": lambda name: _code(name).replace("|", "\\|"),
        "n": lambda number: f"{number:,}",
        "counted": _counted,
    }
    return environment.get_template(template).render(facts)


def shown(name: object, most: int = _NAME) -> str:
    """Return *name* on one line, shortened to *most* characters with its own length said."""
    text = escaped(name)
    return text if len(text) <= most else f"{text[: most - 1]}… ({len(str(name)):,} characters)"


def _breakable(name: object) -> str:
    """Return *name* as HTML that a browser may break at its dots, slashes and underscores."""
    from markupsafe import Markup, escape  # noqa: PLC0415 - as in rendered

    return Markup(re.sub(r"(?<=[._/])", "<wbr>", str(escape(shown(name)))))  # noqa: S704 - escaped just now


def _lines(says: str, most: int = _LINES) -> list[str]:
    """Return the message of a contract in lines, shortened, without more than *most* of them."""
    lines = [shown(line, 3 * _NAME) for line in says.splitlines() or [""]]
    return lines if len(lines) <= most else [*lines[:most], f"… and {len(lines) - most} more"]


def _code(name: object, most: int = _SENTENCE) -> str:
    """Return *name* as a code span of Markdown, in which no character means anything."""
    text = shown(name, most)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"
