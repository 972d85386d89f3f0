"""The record of a mapping: from rows of one legacy table to rows of one target table, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: Parameters of mappings that follow from ``[decisions]`` and are always given: no row can lack them.
DECIDED = frozenset({"order_amount_sol", "llm_providers"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the SELECTs of a mapping do with columns.

    Attributes:
        given: The target's columns in the order of the forward SELECT.
        legacy: The source's columns in the order of the back SELECT.
        uses: Legacy column -> target columns that are computed from it.
        parts: Whether one legacy row may become several.
    """

    given: tuple[str, ...]
    legacy: tuple[str, ...]
    uses: Mapping[str, tuple[str, ...]]
    parts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """A mapping from rows of one legacy table to rows of one target table, and back.

    Attributes:
        file: Its file, for errors; '' for an identity.
        target: The consolidated database.
        table: The target table.
        database: The legacy database.
        source_table: The legacy table.
        variant: The shape of the legacy table it reads.
        key: The legacy column that identifies a row.
        number: Target column that orders assigned ids; '' if ids are kept.
        keep: ORDER BY terms over target columns that choose among rows with one UNIQUE value; '' for the id.
        reads: Other tables that the forward SELECT reads.
        rest: Legacy columns that no target column holds.
        rounds: Target columns that forward and back recompute in doubles.
        takes: SQL that is true for the new rows that it takes, if several make one legacy row; '' for none.
        together: Target columns that agree in the new rows that make one legacy row.
        follows: Legacy column -> columns of legacy tables (``jarvis.positions.id``) by whose values forward finds other rows;
            ``*`` -> legacy tables of which any row may change what forward makes.
        stub: The reason for which it adds rows without a legacy row; '' for a mapping of rows.
        why: Which decisions it applies, in words.
        forward: The SELECT from legacy to target.
        back: The SELECT from target to legacy; '' for a stub.
        parse: Parses and checks the SELECTs, once.  Most commands need the header alone.
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
    follows: Mapping[str, tuple[str, ...]]
    stub: str
    why: str
    forward: str
    back: str
    parse: Callable[[], Columns] = field(compare=False, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The target's columns in the order of the forward SELECT."""
        return self.parse().given

    @property
    def legacy_columns(self) -> tuple[str, ...]:
        """The source's columns in the order of the back SELECT."""
        return self.parse().legacy

    @property
    def uses(self) -> Mapping[str, tuple[str, ...]]:
        """Legacy column -> target columns that are computed from it."""
        return self.parse().uses

    @property
    def parts(self) -> bool:
        """Whether one legacy row may become several."""
        return self.parse().parts

    @property
    def source(self) -> str:
        """The legacy table with its database, as lineage names it."""
        return f"stub:{self.stub}" if self.stub else f"{self.database}.{self.source_table}"

    @property
    def constants(self) -> frozenset[str]:
        """The constants of the configuration that its SELECTs use."""
        return frozenset(re.findall(r"(?<!:):([a-z]\w*)", f"{self.forward}\n{self.back}"))

    def given(self, constants: Mapping[str, str]) -> dict[str, str | None]:
        """Return the parameters of its SELECTs: each constant, or None if the owners gave none."""
        return {name: constants.get(name) for name in self.constants}
