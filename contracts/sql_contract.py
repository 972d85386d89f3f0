"""A contract as one ``.sql`` file: a claim, a SELECT of counterexamples, and a statement that breaks it.

::

    -- Every trade that names a position names one that exists.
    -- clause: S4
    SELECT ... ;
    -- broken by:
    INSERT ... ;

It is collected twice: ``::holds`` runs the SELECT on the judged set and wants no row; ``::can_fail`` plants the fault
in a copy and wants at least one.  Databases are named as they are attached: ``core``, ``analytics``, ``cache``.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts import judgement
from contracts.subject import Subject
from migrator import catalogue, ddl
from migrator.errors import DdlError

_BROKEN_BY = "-- broken by:"
_CLAUSE = re.compile(r"^-- clause: *(\S+)$", re.MULTILINE)
_CLAIM = re.compile(r"-- *(?P<claim>\S.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlContract:
    """What a ``.sql`` contract says.

    Attributes:
        claim: The sentence that must hold.
        clause: The id of the clause it proves.
        select: The SELECT of counterexamples.
        fault: The statements that plant one.
        reads: The databases that either of them names.
    """

    claim: str
    clause: str
    select: str
    fault: tuple[str, ...]
    reads: tuple[str, ...]


def parse(text: str, where: str) -> SqlContract:
    """Return the contract that *text* states.

    Raises:
        DdlError: It lacks its claim, its clause, its single SELECT or its fault.
    """
    claim = _CLAIM.match(text)
    clause = _CLAUSE.search(text)
    question, broken_by, fault = text.partition(_BROKEN_BY)
    selects = [statement for _, statement in ddl.statements(question)]
    faults = tuple(statement for _, statement in ddl.statements(fault))
    for missing, present in (
        ("a first line with its claim", claim),
        ("a line '-- clause: ID'", clause),
        ("exactly one SELECT", len(selects) == 1),
        (f"a part '{_BROKEN_BY}' with the statements that break it", broken_by and faults),
    ):
        if not present:
            raise DdlError(f"a contract needs {missing}", where=where, hint="contracts/README.md shows one")
    reads = tuple(target for target in catalogue.TARGETS if re.search(rf"\b{target}\b\.|'{target}'", text))
    return SqlContract(
        claim=claim["claim"] if claim else "",
        clause=clause[1] if clause else "",
        select=selects[0],
        fault=faults,
        reads=reads,
    )


class SqlContractFile(pytest.File):
    """A ``.sql`` file below the contracts folder."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the two items of the contract."""
        contract = parse(self.path.read_text(encoding="utf-8"), str(self.path))
        yield SqlItem.from_parent(self, name="holds", contract=contract)
        yield SqlItem.from_parent(self, name="can_fail", contract=contract)


class SqlItem(pytest.Item):
    """The contract on the judged set (``holds``), or on a copy with its fault planted (``can_fail``)."""

    def __init__(self, *, contract: SqlContract, **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]  # pytest passes name and parent by keyword
        self.contract = contract
        self.add_marker(pytest.mark.clause(contract.clause))

    def runtest(self) -> None:
        """Ask the question.

        Raises:
            pytest.fail.Exception: It has counterexamples, or none although the fault was planted.
        """
        subject = self.config.stash[SUBJECT]()
        if absent := [target for target in self.contract.reads if target not in subject.originals]:
            pytest.fail(f"{self.contract.claim}: cannot be judged without {', '.join(absent)}", pytrace=False)
        if self.name == "holds":
            with subject.attached(self.contract.reads) as connection:
                judgement.none(self.contract.claim, "broken", self._counterexamples(connection))
        else:
            self._see_it_fail(subject)

    def _see_it_fail(self, subject: Subject) -> None:
        with tempfile.TemporaryDirectory(dir=subject.scratch) as folder:
            copies = {target: subject.fresh_copy(target, Path(folder)) for target in self.contract.reads}
            with subject.attached(self.contract.reads, copies) as connection:
                for statement in self.contract.fault:
                    connection.execute(statement)
            # A new connection: a fault may have changed the schema under the old one.
            with subject.attached(self.contract.reads, copies) as connection:
                if not self._counterexamples(connection):
                    pytest.fail(f"{self.contract.claim}: nothing noticed the planted fault", pytrace=False)

    def _counterexamples(self, connection: sqlite3.Connection) -> list[object]:
        return connection.execute(self.contract.select).fetchmany(judgement.SHOWN + 1)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Name the file and the claim."""
        return self.path, 0, self.contract.claim


#: Where the plugin keeps what hands out the judged set, for items that have no fixtures.
SUBJECT = pytest.StashKey[Callable[[], Subject]]()
