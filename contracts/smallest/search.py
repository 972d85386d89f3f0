"""Finds the fewest legacy rows that break a contract."""

from __future__ import annotations

import ast
import json
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.checks import lineage
from contracts.oracle.cells import Row
from contracts.sets import consolidated as consolidated_set
from contracts.sets import legacy as legacy_sets
from contracts.sets.case import case_of
from contracts.smallest import case
from contracts.smallest import consolidated as others
from contracts.smallest.anonymous import Anonymous
from contracts.smallest.case import NotAskedError
from contracts.smallest.consolidated import ConsolidatedRows
from contracts.smallest.ddmin import ddmin
from contracts.smallest.rows import LegacyRows, Place
from migrator.config import config_file
from migrator.errors import MigratorError, UsageError
from migrator.schema import catalogue

#: Matches a legacy row in a contract's message: its table and its key.
_NAMED = re.compile(r"counterexample: (?P<source>\w+\.\w+) (?P<key>'(?:[^'\\]|\\.)*'|\"[^\"]*\"|-?\d+)(?= |:)")
#: Matches a counterexample of an ``.sql`` contract, which has only the key.
_KEYED = re.compile(r"counterexample: (?P<row>\(.*\))$", re.MULTILINE)
#: A wallet where the configuration names none: the address of 32 zero bytes.
_NO_WALLET = "1" * 32
#: Draws of random values [draws]: the first may no longer break the contract.
_DRAWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A smallest counterexample.

    Attributes:
        text: The test.
        rows: Number of legacy rows in it.
        of: Number of legacy rows in the whole set.
        tried: Number of sets that were judged.
        private: Whether the test has the real values.
        says: The contract's message.
    """

    text: str
    rows: int
    of: int
    tried: int
    private: bool
    says: str


class Search:
    """The search on one pair, or on a legacy set and its migrations."""

    def __init__(
        self, contract: str, legacy: Path, scratch: Path, *, config: Path | None, consolidated: Path | None
    ) -> None:
        self.contract = contract
        self.scratch = scratch
        self.config = config
        self.legacy_dir = legacy
        self.consolidated_dir = consolidated
        self.rows = LegacyRows(legacy_sets.legacy_set(legacy, scratch))
        self.others: ConsolidatedRows | None = None
        if consolidated is not None:
            judged = consolidated_set.subject(consolidated, scratch, config_file.load(config).specification)
            self.others = ConsolidatedRows(case_of(legacy, judged, scratch, config, lineage.choose))
        self.tried = 0
        self._first = ""

    def smallest(self, tell: Callable[[str], None]) -> list[Place]:
        """Return the fewest rows that still break the contract; report progress to *tell*.

        Raises:
            UsageError: The contract holds, or is broken without rows too.
        """
        messages = case.judge(self.contract, self.legacy_dir, config=self.config, consolidated=self.consolidated_dir)
        self.tried += 1
        if not messages:
            raise UsageError("holds: there is no counterexample", where=self.contract)
        self._first = messages[0]
        if self.fails([]):
            raise UsageError("is broken without rows too: its fault is not in rows", where=self.contract)
        every = [*self.rows.places, *(self.others.unexplained if self.others else ())]
        tell(f"broken, with {len(every):,} rows")
        for named in self._named():
            start = self.closed(named)
            if start and self.fails(start):
                break
        else:
            start = sorted(every)
            if not self.fails(start):
                raise UsageError(
                    "is not broken by the rows of known tables in their known shapes", where=self.contract,
                    hint="its fault is not in rows of known tables",
                )  # fmt: skip
        tell(f"broken, with {len(start):,} of them")
        return ddmin(start, self.fails, self.closed)

    def closed(self, places: Iterable[Place]) -> list[Place]:
        """Return *places* with the rows that they need."""
        return self.rows.closed(places)

    def _named(self) -> Iterator[list[Place]]:
        """Yield the rows in the contract's message as likely starting points."""
        named = [(match["source"], ast.literal_eval(match["key"])) for match in _NAMED.finditer(self._first)]
        for match in _KEYED.finditer(self._first):
            with suppress(ValueError, SyntaxError):
                key = ast.literal_eval(match["row"])[0]
                named += [(source, key) for source in self.rows.tables]
        places = [place for source, key in named for place in self._places(source, key)]
        yield from ([place] for place in places[:2])
        yield places

    def _places(self, source: str, key: object) -> Iterator[Place]:
        table = self.rows.tables.get(source)
        if table is None:
            return
        name, _, own = source.partition(".")
        with self.rows.legacy.read(name) as connection:
            keys = [name_ for (name_,) in connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk", (own,))]
            column = keys[0] if len(keys) == 1 else "rowid"
            question = f'SELECT rowid FROM "{own}" WHERE "{column}" = ?'
            with suppress(OverflowError):
                yield from ((source, id_) for (id_,) in connection.execute(question, (key,)).fetchall())

    def fails(self, places: Sequence[Place]) -> bool:
        """Return whether a set of only these rows breaks the contract."""
        self.tried += 1
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            home = Path(folder) / "legacy"
            home.mkdir()
            known = [place for place in places if place[0] in self.rows.tables]
            self.rows.write(known, home)
            made = None
            if self.others is not None:
                made = others.write(
                    self.others.read(places),
                    Path(folder) / "consolidated",
                    self.others.case.judged.specification,
                    traced=self.others.traced,
                )
            written = Path(folder) / "migrator.toml"
            written.write_text(self.configuration(), encoding="utf-8")
            return self._broken(lambda: case.judge(self.contract, home, config=written, consolidated=made))

    def _broken(self, judge: Callable[[], list[str]]) -> bool:
        try:
            return bool(judge())
        except NotAskedError:
            # A set that cannot be migrated is not a counterexample.
            return False

    def _written(self) -> dict[str, Any]:
        return tomllib.loads(self.config.read_text(encoding="utf-8")) if self.config else {}

    def configuration(self, anonymous: Anonymous | None = None) -> str:
        """Return the configuration for a few rows, with the wallet *anonymous* too."""
        written = self._written()
        constants = {"wallet_address": _NO_WALLET, **written.get("constants", {})}
        if anonymous is not None:
            constants["wallet_address"] = anonymous.cell(constants["wallet_address"])
        lines = ["[constants]", *(f'{name} = "{value}"' for name, value in sorted(constants.items()))]
        decisions = written.get("decisions", {})
        decided = []
        if amount := decisions.get("order_amount_sol"):
            decided.append(f'order_amount_sol = "{amount}"')
        if amendments := decisions.get("amendments"):
            decided.append(f"amendments = {json.dumps(amendments)}")
        lines += ["", "[decisions]", *decided] if decided else []
        return "\n".join(lines) + "\n"

    def written(self, places: Sequence[Place], *, show_values: bool) -> Found:
        """Return the test of these rows, with random values if possible.

        Raises:
            UsageError: Only the real values break the contract, and they may not be shown.
        """
        places = self._with_likenesses(places)
        known = [place for place in places if place[0] in self.rows.tables]
        legacy = self.rows.read(known)
        made = self.others.read(places) if self.others else None
        wallet = self._written().get("constants", {}).get("wallet_address", _NO_WALLET)
        draws: list[Anonymous | None] = [Anonymous([wallet]) for _ in range(_DRAWS)]
        for anonymous in [*draws, *([None] if show_values else [])]:
            rows, others_rows = legacy, made
            if anonymous is not None:
                rows, others_rows = anonymous.rows(legacy), None if made is None else anonymous.rows(made)
            config = self.configuration(anonymous)
            if messages := self._messages(rows, others_rows, config):
                text = case.text(
                    self.contract, rows, config=config, variants=self._variants(rows), consolidated=others_rows,
                    about="  Its values are drawn at random." if anonymous else "  Its values are real.",
                )  # fmt: skip
                of = len(self.rows.places)
                return Found(
                    text=text, rows=len(known), of=of, tried=self.tried, private=anonymous is None, says=messages[0]
                )
        raise UsageError(
            f"is broken only by the real values of {len(known)} rows, not by random ones of the same form", where=self.contract,
            hint="--show-values prints the real values",
        )  # fmt: skip

    def _with_likenesses(self, places: Sequence[Place]) -> list[Place]:
        """Return *places* and the nearest consolidated row of each lost legacy row."""
        if self.others is None:
            return list(places)
        likenesses = [like for place in places if (like := self.others.like(place)) is not None]
        more = sorted({*places, *likenesses})
        return more if self.fails(more) else list(places)

    def _messages(self, legacy: dict[str, list[Row]], made: dict[str, list[Row]] | None, config: str) -> list[str]:
        self.tried += 1
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder, suppress(NotAskedError):
            return case.broken(
                self.contract, legacy, Path(folder) / "case", config=config,
                variants=self._variants(legacy), consolidated=made,
            )  # fmt: skip
        return []

    def _variants(self, legacy: Iterable[str]) -> dict[str, str]:
        variants_of = {}
        for name in sorted({source.partition(".")[0] for source in legacy}):
            variants = self.rows.variants(name)
            if catalogue.SPECIFIED_VARIANT in variants:
                variants_of[name] = catalogue.SPECIFIED_VARIANT
            elif "found" not in variants:
                variants_of[name] = min(variants)
        return variants_of


def search(
    contract: str,
    legacy: Path,
    *,
    config: Path | None = None,
    consolidated: Path | None = None,
    show_values: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Found:
    """Return the smallest counterexample of *contract* on a legacy set or a pair.

    Raises:
        UsageError: No counterexample can be written as a test; the message has the reason.
        MigratorError: The sets cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="smallest-") as folder:
        looking = Search(contract, legacy, Path(folder), config=config, consolidated=consolidated)
        return looking.written(looking.smallest(tell), show_values=show_values)


__all__ = ["Found", "MigratorError", "search"]
