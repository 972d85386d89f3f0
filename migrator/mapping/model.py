"""A mapping: how rows of one legacy table become rows of one target table, and how they are rebuilt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """How one legacy table's rows become one target table's, and how they are rebuilt.

    Attributes:
        file: Where it stands, for errors; '' for an identity.
        target: The consolidated database.
        table: The target table.
        database: The legacy database.
        source_table: The legacy table.
        variant: The shape of the legacy table it reads.
        key: The legacy column that names a row.
        number: Target column that orders assigned ids; '' where ids are kept.
        keep: ORDER BY terms over target columns that choose among rows a UNIQUE lets in once; '' for the id.
        reads: What else the forward SELECT reads.
        rest: Legacy columns that no target column holds.
        rounds: Target columns that forward and back recompute in doubles.
        takes: SQL that is true for the new rows that it takes, where several make one legacy row; '' for none.
        together: Target columns that agree in the new rows that make one legacy row.
        stub: Why the rows are added, which have no legacy row; '' for a mapping of rows.
        columns: The target's columns in the order of the forward SELECT.
        legacy_columns: The source's columns in the order of the back SELECT.
        uses: Legacy column -> target columns that are computed from it.
        forward: The SELECT from legacy to target.
        back: The SELECT from target to legacy; '' for a stub.
        parts: Whether one legacy row may become several.
    """

    file: str
    target: str
    table: str
    database: str
    source_table: str
    variant: str
    key: str
    number: str
    keep: str
    reads: tuple[str, ...]
    rest: tuple[str, ...]
    rounds: tuple[str, ...]
    takes: str
    together: tuple[str, ...]
    stub: str
    columns: tuple[str, ...]
    legacy_columns: tuple[str, ...]
    uses: Mapping[str, tuple[str, ...]]
    forward: str
    back: str
    parts: bool

    @property
    def source(self) -> str:
        """The legacy table with its database, as lineage names it."""
        return f"stub:{self.stub}" if self.stub else f"{self.database}.{self.source_table}"

    @property
    def constants(self) -> frozenset[str]:
        """The constants of the configuration that its SELECTs ask for."""
        return frozenset(re.findall(r"(?<!:):([a-z]\w*)", f"{self.forward}\n{self.back}"))

    def given(self, constants: Mapping[str, str]) -> dict[str, str | None]:
        """Return the parameters of its SELECTs: each constant, None where the owners gave none."""
        return {name: constants.get(name) for name in self.constants}
