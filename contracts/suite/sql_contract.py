"""A contract in one ``.sql`` file: a claim, a SELECT of counterexamples, and statements that plant a fault.

::

    -- Every trade that names a position names one that exists.
    -- clause: S4
    SELECT ... ;
    -- broken by:
    INSERT ... ;

The plugin collects it twice: ``::holds`` runs the SELECT on the judged set and passes if it returns no row;
``::can_fail`` plants the fault in a copy and passes if the SELECT returns a row.  Databases have the names under which
they are attached: ``core``, ``analytics``, ``cache``, and the legacy ones (``jarvis``, ``tax``), at most ten in all.
A contract that names a legacy table needs a pair.  It is skipped if the legacy set lacks that table, or has it in
another variant than the line ``-- variant: found`` requires.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts import judgement
from contracts.sets.legacy import MOST_ATTACHED
from contracts.suite.deadline import FAULT_S, deadline
from contracts.suite.results import WHY
from contracts.suite.session import NO_PAIR, SESSION, Session
from migrator.errors import DdlError
from migrator.schema import catalogue, sql_header
from migrator.schema import reader as schema_reader
from migrator.stages.verify.evidence import Why
from migrator.system import connections

_BROKEN_BY = "-- broken by:"
#: A table named with its database.
_TABLE = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)\.(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlContract:
    """The parts of a ``.sql`` contract.

    Attributes:
        claim: The sentence that must hold.
        clause: The id of the clause that it proves.
        variant: The variant that its legacy tables must have; '' for any.
        select: The SELECT of counterexamples.
        fault: The statements that plant a fault.
        reads: The consolidated databases that the SELECT or the fault names.
        legacy: The legacy tables that the SELECT names, with their databases.
        tables: The consolidated tables that the SELECT names, with their databases.
    """

    claim: str
    clause: str
    variant: str
    select: str
    fault: tuple[str, ...]
    reads: tuple[str, ...]
    legacy: tuple[str, ...]
    tables: tuple[str, ...]


def parse(text: str, where: str) -> SqlContract:
    """Return the contract in *text*.

    Raises:
        DdlError: The claim, the clause, the single SELECT or the fault is missing.
    """
    claim, _, rest = text.partition("\n")
    header, _ = sql_header.read(rest, {"clause": None, "variant": ""}, where)
    question, broken_by, fault = text.partition(_BROKEN_BY)
    selects = [statement for _, statement in schema_reader.statements(question)]
    faults = tuple(statement for _, statement in schema_reader.statements(fault))
    for missing, present in (
        ("a first line with its claim", claim.startswith("-- ")),
        ("exactly one SELECT", len(selects) == 1),
        (f"a part '{_BROKEN_BY}' with the statements that break it", broken_by and faults),
    ):
        if not present:
            raise DdlError(f"a contract needs {missing}", where=where, hint="contracts/README.md has an example")
    reads = tuple(target for target in catalogue.TARGETS if re.search(rf"\b{target}\b\.|'{target}'", text))
    known = {database.name for database in catalogue.legacy_databases()}
    legacy = [f"{database}.{table}" for database, table in _TABLE.findall(question) if database in known]
    if len({*reads, *(name.partition(".")[0] for name in legacy)}) > MOST_ATTACHED:
        raise DdlError(
            f"a contract can name {MOST_ATTACHED} databases", where=where, hint="split it into two contracts"
        )
    return SqlContract(
        claim=claim.removeprefix("-- ").strip(),
        clause=header["clause"],
        variant=header["variant"],
        select=selects[0],
        fault=faults,
        reads=reads,
        legacy=tuple(dict.fromkeys(legacy)),
        tables=tuple(
            dict.fromkeys(f"{name}.{table}" for name, table in _TABLE.findall(question) if name in catalogue.TARGETS)
        ),
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
        """Run the SELECT, with or without the planted fault.

        Raises:
            pytest.fail.Exception: ``holds`` has counterexamples, or ``can_fail`` has none.
        """
        session = self.config.stash[SESSION]
        if absent := [target for target in self.contract.reads if target not in session.judged.originals]:
            pytest.fail(f"{self.contract.claim}: cannot be judged without {', '.join(absent)}", pytrace=False)
        if self.contract.legacy:
            self._need_legacy(session)
        self._need_tables(session)
        if self.name == "holds":
            with self._attached(session) as connection:
                judgement.none(self.contract.claim, "broken", self._counterexamples(connection))
        else:
            self._see_it_fail(session)

    def _need_legacy(self, session: Session) -> None:
        if not session.has_pair:
            pytest.skip(NO_PAIR)
        variants = {source: session.case.variant(source) for source in self.contract.legacy}
        wanted = self.contract.variant
        if absent := [source for source, variant in variants.items() if not variant or wanted not in ("", variant)]:
            self.user_properties.append((WHY, Why.NO_DATA.value))
            pytest.skip(f"the legacy set has no {', '.join(absent)}{f' of the variant {wanted}' if wanted else ''}")

    def _need_tables(self, session: Session) -> None:
        """Fail or skip unless all named tables are tables: a query of a view may never end."""
        problems = {name: session.judged.unreadable(name) for name in self.contract.tables}
        ours = [name for name, problem in problems.items() if problem and name.endswith((".lineage", ".quarantine"))]
        if ours:
            pytest.skip(f"not judged: {', '.join(ours)}: records which legacy row became which, and is missing")
        if lacking := [f"{name}: {problem}" for name, problem in problems.items() if problem]:
            judgement.fail(f"{self.contract.claim}: cannot be judged: {', '.join(lacking)}")

    @contextmanager
    def _attached(self, session: Session, copies: Mapping[str, Path] | None = None) -> Iterator[sqlite3.Connection]:
        with session.judged.attached(self.contract.reads, copies) as connection:
            for name in dict.fromkeys(source.partition(".")[0] for source in self.contract.legacy):
                connections.attach(connection, session.case.decided_pair.legacy.copy(name), name)
            yield connection

    def _see_it_fail(self, session: Session) -> None:
        """Plant the fault in empty tables; if the contract does not fail on those, in a copy of the judged set."""
        with tempfile.TemporaryDirectory(dir=session.scratch) as folder:
            if not self.contract.legacy and self._fails_without_rows(session, Path(folder)):
                return
            copies = {target: session.judged.fresh_copy(target, Path(folder)) for target in self.contract.reads}
            try:
                planted = self._plant(session, copies)
            except sqlite3.Error as error:
                judgement.fail(f"{self.contract.claim}: its fault cannot be planted ({error})")
            if self.contract.legacy and not planted:
                self.user_properties.append((WHY, Why.NO_DATA.value))
                pytest.skip("the legacy set has no row in which the fault can be planted")
            # A new connection: a fault may have changed the schema under the old one.
            with self._attached(session, copies) as connection:
                if not self._counterexamples(connection):
                    pytest.fail(f"{self.contract.claim}: the SELECT does not find the planted fault", pytrace=False)

    def _fails_without_rows(self, session: Session, folder: Path) -> bool:
        """Return whether the claim holds on the judged tables without rows, and is broken with the fault."""
        try:
            copies = {target: session.judged.empty_copy(target, folder) for target in self.contract.reads}
            with self._attached(session, copies) as connection:
                held = not connection.execute(self.contract.select).fetchone()
            self._plant(session, copies)
            with self._attached(session, copies) as connection:
                return held and connection.execute(self.contract.select).fetchone() is not None
        except sqlite3.Error:
            # The fault needs rows, or the set's DDL cannot be run again: the copy of the set decides.
            return False

    def _plant(self, session: Session, copies: Mapping[str, Path]) -> int:
        """Plant the fault; return the number of rows changed."""
        with self._attached(session, copies) as connection:
            with deadline(connection, FAULT_S):
                for statement in self.contract.fault:
                    connection.execute(statement)
            return connection.total_changes

    def _counterexamples(self, connection: sqlite3.Connection) -> list[object]:
        try:
            return connection.execute(self.contract.select).fetchmany(judgement.SHOWN + 1)
        except sqlite3.Error as error:
            judgement.fail(f"{self.contract.claim}: cannot be judged ({error})")

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the file, the line and the claim."""
        return self.path, 0, self.contract.claim
