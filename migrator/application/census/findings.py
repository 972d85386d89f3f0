"""The records of a census: Verdict, Finding, Unread, Census."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What becomes of a place in the code after the cutover, the most work first."""

    CHANGE = "must change"
    UNKNOWN = "unknown"
    COMPAT = "compat"
    WORKS = "works"


class Kind(Enum):
    """What a place in the code does with a database."""

    CONNECTION = "connection"
    STATEMENT = "statement"
    SCHEMA = "schema"
    ATTACH = "attach"
    PATH = "path"
    SHELL = "shell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A place in the code that names a database or its tables.

    Attributes:
        file: The file, as a path relative to the folder in which the census runs, where it lies below it.
        line: The line, from 1.
        column: The character in the line, from 1.
        kind: What the place does.
        named: What it names, as it is written there.
        databases: The legacy databases that it can mean; empty if that is unknown or none.
        table: The legacy table; '' if it names none.
        columns: The columns that it names; ``*`` for all.
        verdict: What becomes of it.
        why: The reason, in a sentence.
        change: What to write instead: the one change, or the new place of the table and of each column.
    """

    file: str
    line: int
    column: int
    kind: Kind
    named: str
    databases: tuple[str, ...] = ()
    table: str = ""
    columns: tuple[str, ...] = ()
    verdict: Verdict
    why: str
    change: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A file that was not read, or not as a program.

    Attributes:
        file: The file.
        why: The reason.
    """

    file: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What a code base names.

    Attributes:
        files: Number of files that were read.
        verdicts: Verdict -> number of findings.
        databases: Legacy database -> verdict -> number of findings.
        unread: The files that were not read, or not as a program.
        findings: The findings, the most work first, then in the order of files and lines.
    """

    files: int
    verdicts: Mapping[str, int]
    databases: Mapping[str, Mapping[str, int]]
    unread: tuple[Unread, ...]
    findings: tuple[Finding, ...]


def counted(files: int, findings: Iterable[Finding], unread: Iterable[Unread]) -> Census:
    """Return the census of *findings*, sorted and counted."""
    order = list(Verdict)
    ranked = sorted(
        findings,
        key=lambda finding: (order.index(finding.verdict), finding.file, finding.line, finding.column, finding.table),
    )
    verdicts = Counter(finding.verdict for finding in ranked)
    databases: dict[str, Counter[Verdict]] = {}
    for finding in ranked:
        for database in finding.databases:
            databases.setdefault(database, Counter())[finding.verdict] += 1
    return Census(
        files=files,
        verdicts=_by_rank(verdicts),
        databases={name: _by_rank(databases[name]) for name in sorted(databases)},
        unread=tuple(sorted(unread, key=lambda skipped: skipped.file)),
        findings=tuple(ranked),
    )


def _by_rank(counts: Counter[Verdict]) -> dict[str, int]:
    return {verdict.value: counts[verdict] for verdict in Verdict}
