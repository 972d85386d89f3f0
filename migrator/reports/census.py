"""Shows a census: on a terminal, and as SARIF 2.1.0 for code hosts."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from typing import Any
from urllib.parse import quote

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from migrator.application.census.findings import Census, Finding, Verdict
from migrator.system import installation
from migrator.system.escaping import escaped

#: Verdict -> level of SARIF.
_LEVELS = {Verdict.CHANGE: "error", Verdict.UNKNOWN: "warning", Verdict.COMPAT: "note"}
_RULES = {
    Verdict.CHANGE: ("must-change", "The place does not work after the cutover, with compat or without."),
    Verdict.UNKNOWN: ("unknown", "What the place names is computed while the program runs."),
    Verdict.COMPAT: ("compat", "The place works through migrator.connect with the legacy schema."),
}
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: Base of the files outside of the folder of the run.
_ROOT = "ROOT"
_MEANING = {
    Verdict.CHANGE: "does not work after the cutover",
    Verdict.UNKNOWN: "is computed while the program runs, or another program decides",
    Verdict.COMPAT: "works through migrator.connect with the legacy schema",
    Verdict.WORKS: "works as it is",
}


def text(census: Census) -> RenderableType:
    """Return the numbers, then each finding with what to write instead, the most work first."""
    found = sum(census.verdicts.values())
    headline = f"{census.verdicts[Verdict.CHANGE.value]} of {found} places must change ({census.files} files)"
    parts: list[RenderableType] = [Text(headline), _summary(census), Text(), _databases(census)]
    for verdict in Verdict:
        findings = [finding for finding in census.findings if finding.verdict is verdict]
        if findings:
            parts += [Text(), Text(f"{verdict.value}: {len(findings)}", style="bold")]
            parts += [_line(line) for finding in findings for line in _lines(finding)]
    if census.unread:
        parts += [Text(), Text(f"not read as a program: {len(census.unread)}", style="bold")]
        parts += [_line(f"{escaped(skipped.file)}: {escaped(skipped.why)}") for skipped in census.unread]
    return Group(*parts)


def _summary(census: Census) -> Table:
    listed = Table("verdict", "places", "meaning", box=None, pad_edge=False)
    for verdict in Verdict:
        listed.add_row(verdict.value, str(census.verdicts[verdict.value]), _MEANING[verdict])
    return listed


def _databases(census: Census) -> Table:
    listed = Table("database", *(verdict.value for verdict in Verdict), box=None, pad_edge=False)
    for name, counts in census.databases.items():
        listed.add_row(name, *(str(counts[verdict.value]) for verdict in Verdict))
    return listed


def _lines(finding: Finding) -> Iterator[str]:
    where = f"{escaped(finding.file)}:{finding.line}:{finding.column}"
    meant = f" [{', '.join(finding.databases)}]" if finding.databases else ""
    yield f"{where}: {finding.kind.value} {escaped(' '.join(finding.named.split()))}{meant}: {finding.why}"
    yield from (f"    {line}" for line in finding.change)


def _line(line: str) -> Text:
    """Return text that is not folded: a place can be clicked, SQL can be copied."""
    return Text(line, no_wrap=True, overflow="ignore")


def sarif(census: Census) -> dict[str, Any]:
    """Return the findings that ask for something, as one SARIF log; files are relative to the folder of the run."""
    rules = list(_LEVELS)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "migrator census",
                        "version": metadata.version(installation.DISTRIBUTION),
                        "rules": [
                            {
                                "id": _RULES[verdict][0],
                                "shortDescription": {"text": _RULES[verdict][1]},
                                "defaultConfiguration": {"level": _LEVELS[verdict]},
                            }
                            for verdict in rules
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {_ROOT: {"uri": "file:///"}},
                "results": [
                    _result(finding, rules.index(finding.verdict))
                    for finding in census.findings
                    if finding.verdict in _LEVELS
                ],
            }
        ],
    }


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    named = " ".join(finding.named.split())
    change = "".join(f" {line}." for line in finding.change)
    return {
        "ruleId": _RULES[finding.verdict][0],
        "ruleIndex": rule,
        "level": _LEVELS[finding.verdict],
        "message": {"text": f"{named}: {finding.why}.{change}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _location(finding.file),
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
    }


def _location(file: str) -> dict[str, str]:
    """Return where a file is: relative to the folder of the run, or to the root if it lies outside of it."""
    if file.startswith("/"):
        return {"uri": quote(escaped(file.lstrip("/"))), "uriBaseId": _ROOT}
    return {"uri": quote(escaped(file))}
