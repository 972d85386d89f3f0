"""Looks up values in other tables: mints, positions of orders, lots of sales, ids.

Each value is read once, on first use, from the legacy databases and the lineage.
"""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from contracts.oracle.cells import Cell, Row, parsed
from contracts.oracle.spilling_map import Known, Places

#: Tables with symbols and mints: the table, and its mint column in the variants found and specified; '' without a column.
_MINTS = (
    ("jarvis.positions", "token_mint", "token_address"),
    ("jarvis.trades", "token_mint", "token_address"),
    ("call_tracking.calls", "contract", "token_address"),
    ("jarvis_x_memory.token_mentions", "contract_address", ""),
)


#: ASCII letters, and them alone.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Lineage(Protocol):
    """Which legacy row became which row."""

    def became(self, *, source: str = "", target: str = "") -> Iterator[tuple[Cell, Cell]]:
        """Yield legacy key and target id of each row of a legacy or a target table, without stubs."""


class Sets(Protocol):
    """The legacy set and the consolidated set that :class:`World` reads."""

    def variant(self, source: str) -> str:
        """Return the variant of a legacy table; '' if it is missing or has no known shape."""

    def legacy_rows(self, source: str, *columns: str) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells *columns* of every row of a legacy table, in the order of rowids."""

    @property
    def lineage(self) -> Lineage:
        """Which legacy row became which row."""

    def target_rows(self, table_of: str, /, *columns: str) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells *columns* of every row of a consolidated table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """The part of one lot in one sale."""

    lot: Cell
    quantity: float
    share: float
    sold_at: Cell
    proceeds: float | None


class World:
    """Looks values up in other tables of the two sets; each lookup is read once."""

    def __init__(self, sets: Sets, constants: Mapping[str, str]) -> None:
        self.sets = sets
        self.constants = constants
        self._links: dict[str, Known[Cell]] = {}
        self._ids: dict[str, Known[Cell]] = {}
        self._keys: dict[str, Known[Cell]] = {}

    def became(self, source: str, key: Cell) -> Cell:
        """Return the id of the row that the legacy row *key* of *source* became, or None."""
        if source not in self._links:
            self._links[source] = Known(self.sets.lineage.became(source=source))
        return self._links[source].get(key)

    def became_in(self, target: str, key: Cell) -> Cell:
        """Return the id of the row of *target* that a legacy row *key* of any table became, or None."""
        if target not in self._ids:
            self._ids[target] = Known(self.sets.lineage.became(target=target))
        return self._ids[target].get(key)

    def came_from(self, target: str, key: Cell) -> Cell:
        """Return the key of the legacy row that became the row *key* of *target*, or None."""
        if target not in self._keys:
            self._keys[target] = Known((id_, legacy_key) for legacy_key, id_ in self.sets.lineage.became(target=target))
        return self._keys[target].get(key)

    def mint(self, given: Cell, symbol: Cell) -> Cell:
        """Return *given*; if it is empty the only mint of *symbol*, or None."""
        if given is not None and given != "":
            return given
        mints = self._mints.get(_folded(symbol), set()) if isinstance(symbol, str) else set()
        return next(iter(mints)) if len(mints) == 1 else None

    @cached_property
    def _mints(self) -> Mapping[str, set[str]]:
        known: defaultdict[str, set[str]] = defaultdict(set)
        for source, found, specified in _MINTS:
            column = {"found": found, "specified": specified}.get(self.sets.variant(source))
            for symbol, mint in self.sets.legacy_rows(source, "symbol", column) if column else ():
                if isinstance(symbol, str) and isinstance(mint, str) and symbol and mint:
                    mints = known[_folded(symbol)]
                    # Two mints are enough to make the symbol ambiguous.
                    if len(mints) < 2:
                        mints.add(mint)
        return known

    def trade_signed(self, signature: Cell) -> Cell:
        """Return the id of the mapped trade with this signature; None if there is none."""
        return None if signature in {None, ""} else self._signed.get(signature)

    @cached_property
    def _signed(self) -> Known[Cell]:
        column = "tx_signature" if self.sets.variant("jarvis.trades") == "found" else "signature"
        traded = ((self.became("jarvis.trades", key), name) for key, name in self._trades(column))
        return Known((name, id_) for id_, name in traded if id_ is not None and name not in {None, ""})

    def _trades(self, column: str) -> Iterator[tuple[Cell, ...]]:
        return self.sets.legacy_rows("jarvis.trades", "id", column)

    @cached_property
    def swaps(self) -> Known[tuple[Cell, Cell]]:
        """The exact amounts of each treasury swap, by signature; of several the least id."""
        swaps: Iterator[tuple[Cell, ...]] = iter(())
        if self.sets.variant("treasury_trades.treasury_trades") == "found":
            swaps = self.sets.legacy_rows("treasury_trades.treasury_trades", "signature", "amount_in", "amount_out")
        return Known(
            (signature, (into, out)) for signature, into, out in swaps if isinstance(signature, str) and signature
        )

    @cached_property
    def orders(self) -> Known[Row]:
        """Each order's position_id, symbol, mint and amount_sol, from its positions."""
        named: Places[tuple[Cell, Row]] = Places()
        if self.sets.variant("jarvis.positions") == "found":
            columns = ("id", "symbol", "token_mint", "entry_amount_sol", "tp_order_id", "sl_order_id")
            for place, (*cells, profit, loss) in enumerate(self.sets.legacy_rows("jarvis.positions", *columns)):
                claim = dict(zip(("position_id", "symbol", "mint", "amount_sol"), cells, strict=True))
                for order in {profit, loss} - {None, ""}:
                    named.add((order, claim), order, place)
        by_order = groupby(named.taken(), key=itemgetter(0))
        return Known((order, _agreed([claim for _, claim in claims])) for order, claims in by_order)

    @cached_property
    def _sales(self) -> Mapping[Cell, list[Sold]]:
        """The lots of each sale, in the order of its list, by the sale's id."""
        sales: dict[Cell, list[Sold]] = {}
        self._sale_by_tx: dict[Cell, Cell] = {}
        if self.sets.variant("tax.sales") == "found":
            columns = ("id", "tx_id", "sale_date", "proceeds", "quantity", "lots_used_json")
            for id_, tx, sold_at, proceeds, quantity, listed in self.sets.legacy_rows("tax.sales", *columns):
                used = _lots(listed)
                if used:
                    total = sum(used.values())
                    sales[id_] = [
                        Sold(
                            lot=lot,
                            quantity=part,
                            share=part / total if total else 0.0,
                            sold_at=sold_at,
                            proceeds=_share(proceeds, part, quantity),
                        )
                        for lot, part in used.items()
                    ]
                    if tx not in {None, ""}:
                        self._sale_by_tx[tx] = id_
        return sales

    def lots_of(self, tx: Cell) -> list[Sold]:
        """Return the lots of the sale with this transaction; empty for an unknown transaction."""
        sales = self._sales
        return sales.get(self._sale_by_tx.get(tx), [])

    def sales_of(self, lot: Cell) -> list[Sold]:
        """Return the part of *lot* in each sale that used it."""
        return self._parts.get(lot, [])

    @cached_property
    def _parts(self) -> Mapping[Cell, list[Sold]]:
        parts: defaultdict[Cell, list[Sold]] = defaultdict(list)
        for used in self._sales.values():
            for part in used:
                parts[part.lot].append(part)
        return parts

    @cached_property
    def verdicts(self) -> Known[Cell]:
        """The verdict of each call, by its legacy id."""
        found = self.sets.variant("call_tracking.calls") == "found"
        return Known(self.sets.legacy_rows("call_tracking.calls", "id", "verdict") if found else ())

    @cached_property
    def entities(self) -> Mapping[Cell, Cell]:
        """The id of each entity of the consolidated set, by name."""
        return {name: id_ for id_, name in self.sets.target_rows("analytics.ai_entities", "id", "name")}

    @cached_property
    def entity_names(self) -> Mapping[Cell, Cell]:
        """The name of each entity of the consolidated set, by id."""
        return {id_: name for name, id_ in self.entities.items()}

    @cached_property
    def signatures(self) -> Known[Cell]:
        """The signature of each trade of the consolidated set, by id."""
        return Known(self.sets.target_rows("core.trades", "id", "signature"))

    @cached_property
    def lots(self) -> Known[tuple[Cell, ...]]:
        """Symbol, date of acquisition and trade of each lot of the consolidated set, by id."""
        columns = ("id", "symbol", "acquisition_date", "trade_id")
        return Known((id_, tuple(cells)) for id_, *cells in self.sets.target_rows("core.tax_lots", *columns))


def _folded(symbol: str) -> str:
    """Return *symbol* in lower case, ASCII letters only, as SQLite's NOCASE compares."""
    return symbol.translate(_LOWER)


def _agreed(claims: list[Row]) -> Row:
    """Return an order's values from its positions; None where they disagree."""

    def agreed(name: str) -> Cell:
        values = {claim[name] for claim in claims} - {None}
        return next(iter(values)) if len(values) == 1 else None

    alone = claims[0] if len(claims) == 1 else {}
    return {
        "position_id": alone.get("position_id"),
        "amount_sol": alone.get("amount_sol"),
        "symbol": agreed("symbol"),
        "mint": agreed("mint"),
    }


def _lots(listed: Cell) -> dict[Cell, float]:
    """Return lot -> quantity of the JSON ``[[lot, quantity], ...]``, or nothing."""
    used: dict[Cell, float] = {}
    pairs = parsed(listed)
    for pair in pairs if isinstance(pairs, list) else ():
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or type(pair[0]) is not int
            or type(pair[1]) not in (int, float)
        ):
            return {}
        used[pair[0]] = used.get(pair[0], 0.0) + float(pair[1])
    return used


def _share(proceeds: Cell, part: float, whole: Cell) -> float | None:
    if not isinstance(proceeds, float) or not isinstance(whole, float) or not whole:
        return None
    return proceeds * (part / whole)
