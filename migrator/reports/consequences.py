"""Sorts broken contracts by what they mean for the owners: lost rows first, missing statistics last, each with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migrator.records.verify import BrokenContract
from migrator.stages.verify.evidence import Evidence

#: The target tables that hold money, in the order in which their rows are named first.
MONEY = ("core.positions", "core.treasury_orders", "core.tax_lots", "core.trades")
_CASE = re.compile(r"\[(?P<case>.*)\]$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What broken contracts mean, and what to do about them.

    Attributes:
        title: What they mean: ``Rows are lost``.
        advice: What to do, in a sentence.
        in_rows: Whether ``python -m contracts.smallest`` can find the fewest rows that break them.
        clauses: The clauses that they break, the plainest first.
        broken: The contracts, those about money first.
    """

    title: str
    advice: str
    in_rows: bool = False
    clauses: tuple[str, ...]
    broken: tuple[BrokenContract, ...] = ()


#: What broken contracts mean, the worst first.  A test keeps each clause in exactly one of them.
CONSEQUENCES = (
    Consequence(
        title="Rows are lost",
        advice="Do not switch to this set: only the legacy files have these rows. Build the set again; if they are still"
        " missing, the mapping is at fault.",
        in_rows=True,
        clauses=("L8", "L2", "L3", "V3", "V4", "L6", "L1", "I1", "P1"),
    ),
    Consequence(
        title="A database is missing or damaged",
        advice="Check the disk, then build the set again.",
        clauses=("S12", "S8"),
    ),
    Consequence(
        title="Rows hold other values than the legacy rows",
        advice="Do not switch to this set. Build it again; if the values still differ, the mapping is at fault.",
        in_rows=True,
        clauses=("M1", "M6", "L4", "M10", "M9", "M7", "M3", "M4", "L7", "L10", "S7"),
    ),
    Consequence(
        title="Links between rows are lost",
        advice="Do not switch to this set. Build it again; if the links are still lost, the mapping is at fault.",
        in_rows=True,
        clauses=("V1", "M2", "V5", "V2"),
    ),
    Consequence(
        title="The way back is not proved",
        advice="Do not switch, and keep the backup: a rollback could not restore every legacy file. Make a new snapshot and"
        " build the set again.",
        clauses=("U1", "B3", "B1", "B2", "I2", "L5", "S17", "R2", "R1", "R3", "R5", "R6", "C2", "C3", "C8", "C7"),
    ),
    Consequence(
        title="Other users may read or write the data",
        advice="Correct the permissions of the files that are named.",
        clauses=("S15", "B4", "R4"),
    ),
    Consequence(
        title="The application would not work as before",
        advice="Do not switch before the differences are explained: the bot would read or write other rows, or open another"
        " database, or be watched wrongly.",
        clauses=("C6", "C1", "C4", "C5", "M5", "M8", "S9", "L9", "W2", "W1"),
    ),
    Consequence(
        title="The schema is not the specified one",
        advice="Check the amendments and extra indexes in migrator.toml, and whether a program changed the set after it was"
        " built; then build it again.",
        clauses=("S1", "S2", "S3", "S4", "S5", "S6", "S11", "S14", "S16", "S18", "P2", "S13"),
    ),
    Consequence(
        title="Queries may be slow",
        advice="No row is affected. Build the set again; it then has its statistics.",
        clauses=("S10", "Q1", "Q2"),
    ),
)
#: What a contract of another clause means: of a suite of the owners, or of a later version.
_OTHER = Consequence(title="Other contracts are broken", advice="Read what each of them claims.", clauses=())


def consequences(evidence: Evidence, broken: Sequence[BrokenContract]) -> Iterator[Consequence]:
    """Yield what the *broken* contracts of *evidence* mean, the worst first."""
    clause_of = {result.id: result.clause for result in evidence.contracts}
    left = list(broken)
    for meant in (*CONSEQUENCES, _OTHER):
        rank = {clause: place for place, clause in enumerate(meant.clauses)}
        found = [one for one in left if clause_of.get(one.name, "") in rank or meant is _OTHER]
        left = [one for one in left if one not in found]
        if found:
            found.sort(key=lambda one: (rank.get(clause_of.get(one.name, ""), 0), _money(one.name), one.name))
            yield Consequence(
                title=meant.title,
                advice=meant.advice,
                in_rows=meant.in_rows,
                clauses=meant.clauses,
                broken=tuple(found),
            )


def _money(name: str) -> int:
    """Return the place of the table of the contract *name* among those that hold money; a large one for no such table."""
    case = _CASE.search(name)
    return MONEY.index(case["case"]) if case and case["case"] in MONEY else len(MONEY)
