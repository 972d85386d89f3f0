"""The report of a run as a file: one HTML page that needs nothing from elsewhere, or Markdown for a CI job's summary.

Names come from files and may hold any character: each is escaped, put on one line and shortened.  Neither form has values
of private data, since the messages of contracts have none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from migrator.records.build import Built
from migrator.records.verify import BrokenContract
from migrator.reports import charts
from migrator.stages.verify.evidence import Evidence, Outcome
from migrator.system.escaping import escaped

#: Longest name that is shown whole, most lines of what a contract says, and most broken contracts that are shown in full.
_NAME, _LINES, _BROKEN = 80, 14, 50
#: Contracts in the chart of times, and letters of their names.
_SLOWEST, _LABEL = 12, 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the report shows.

    Attributes:
        evidence: The evidence.
        broken: The messages of the broken contracts.
        built: The accounts of the build; None where another tool built the set.
        reasons: Why the evidence is stale, one sentence each.
    """

    evidence: Evidence
    broken: tuple[BrokenContract, ...]
    built: Built | None = None
    reasons: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """GO, NO-GO, or STALE if the evidence does not fit the files as they are now."""
        return "STALE" if self.reasons else self.evidence.verdict


def html(report: Report) -> str:
    """Return *report* as one HTML page."""
    from markupsafe import Markup  # noqa: PLC0415 - as in _rendered

    contracts = report.evidence.contracts
    slowest = sorted(contracts, key=lambda contract: -contract.milliseconds)[:_SLOWEST]
    facts = _facts(report)
    built = report.built
    if built is not None:
        tables = [table for table in built.targets if table.rows or table.quarantined]
        facts |= {
            "flow": charts.flow(built.sources),
            "bars": Markup(  # noqa: S704 - XML that a library wrote; its text is escaped
                charts.bars(
                    "rows",
                    [shown(table.table) for table in tables],
                    {
                        "rows": [table.rows for table in tables],
                        "quarantined": [sum(table.quarantined.values()) for table in tables],
                    },
                    logarithmic=True,
                )
            ),
        }
    facts["times"] = Markup(  # noqa: S704 - as above
        charts.bars(
            "times",
            [_label(contract.id) for contract in slowest],
            {"ms": [contract.milliseconds for contract in slowest]},
        )
    )
    return _rendered("report.html.j2", facts, autoescape=True)


def markdown(report: Report) -> str:
    """Return *report* as Markdown, short: the verdict, what is broken, where rows went."""
    return _rendered("report.md.j2", _facts(report), autoescape=False)


def _facts(report: Report) -> dict[str, object]:
    evidence = report.evidence
    return {
        "report": report,
        "evidence": evidence,
        "counts": {outcome.value: len(evidence.with_verdict(outcome)) for outcome in Outcome},
        "broken": [(shown(contract.name), _lines(contract.says)) for contract in report.broken[:_BROKEN]],
        "more": max(len(report.broken) - _BROKEN, 0),
        "built": report.built,
        "flow": None,
        "bars": None,
    }


def _rendered(template: str, facts: Mapping[str, object], *, autoescape: bool) -> str:
    # Imported late: every verb imports this module, and only a report needs templates.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("migrator.reports"),
        autoescape=autoescape,  # noqa: S701 - Markdown escapes by its own filter
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"shown": shown, "md": _markdown, "n": lambda number: f"{number:,}"}
    return environment.get_template(template).render(facts)


def shown(name: object, most: int = _NAME) -> str:
    """Return *name* on one line, shortened to *most* characters with its own length said."""
    text = escaped(name)
    return text if len(text) <= most else f"{text[: most - 1]}… ({len(str(name)):,} characters)"


def _label(name: str) -> str:
    """Return *name* short enough for a chart, without its middle: the case at its end tells it from others."""
    text = escaped(name)
    return text if len(text) <= _LABEL else f"{text[: _LABEL // 2]}…{text[-(_LABEL // 2) :]}"


def _lines(says: str) -> list[str]:
    """Return the message of a contract in lines, shortened."""
    lines = [shown(line, 3 * _NAME) for line in says.splitlines()]
    return lines if len(lines) <= _LINES else [*lines[:_LINES], f"… and {len(lines) - _LINES} lines more"]


def _markdown(name: object) -> str:
    """Return *name* as a code span of Markdown that also stands in a table."""
    text = shown(name).replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
