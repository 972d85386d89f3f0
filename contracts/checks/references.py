"""Checks that each link between rows is the same link, or NULL with the legacy value kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from contracts.oracle.cells import Cell, kept_rest, same
from contracts.oracle.spilling_map import Known
from contracts.oracle.table_judge import target_key
from contracts.sets.case import Case

#: The kinds of stub, by the reason in lineage: table, allowed values, and the column with the name referred to.
STUBS: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "stub:unnamed entity": ("ai_entities", {"entity_type": "unknown"}, "name"),
    "stub:unknown wallet": ("whale_wallets", {}, "address"),
}
#: Returns the legacy value that stands for a linked row of the consolidated set.
Means = Callable[[Case, Cell], Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of the legacy set and its place in the consolidated set.

    Attributes:
        source: Legacy database and table.
        key: Its key column.
        column: Legacy column that names the other row.
        target: Consolidated database and table.
        link: Consolidated column.
        means: Returns the legacy value that the consolidated value stands for.
    """

    source: str
    key: str
    column: str
    target: str
    link: str
    means: Means


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A link that another legacy row holds: that row names this one.

    Attributes:
        source: Legacy database and table.
        column: Legacy column whose value the other row holds.
        target: Consolidated database and table.
        faults: Yields each row in which the link is lost or leads elsewhere.
    """

    source: str
    column: str
    target: str
    faults: Callable[[Case], Iterator[str]]


def _row_of(table: str) -> Means:
    return lambda case, id_: case.reader.world.came_from(table, id_)


def _position_that_names(case: Case, id_: Cell) -> Cell:
    return case.reader.world.came_from("core.positions", id_)


def _signature(case: Case, id_: Cell) -> Cell:
    return case.reader.world.signatures.get(id_)


def _name(case: Case, id_: Cell) -> Cell:
    return case.reader.world.entity_names.get(id_)


def _itself(_: Case, cell: Cell) -> Cell:
    return cell


def _link(source: str, key: str, column: str, target: str, link: str, means: Means) -> Link:
    return Link(source=source, key=key, column=column, target=target, link=link, means=means)


LINKS: tuple[Link, ...] = (
    _link("jarvis.trades", "id", "position_id", "core.trades", "position_id", _row_of("core.positions")),
    _link(
        "treasury_trades.treasury_orders",
        "id",
        "position_id",
        "core.treasury_orders",
        "position_id",
        _row_of("core.positions"),
    ),
    _link("tax.tax_lots", "id", "tx_id", "core.tax_lots", "trade_id", _signature),
    _link("tax.tax_lots", "id", "trade_id", "core.tax_lots", "trade_id", _row_of("core.trades")),
    _link(
        "tax.wash_sales", "id", "replacement_lot_id", "core.wash_sales", "replacement_lot_id", _row_of("core.tax_lots")
    ),
    _link("tax.wash_sales", "id", "sold_lot_id", "core.wash_sales", "sold_lot_id", _row_of("core.tax_lots")),
    _link("call_tracking.outcomes", "id", "call_id", "analytics.call_outcomes", "call_id", _row_of("analytics.calls")),
    _link(
        "call_tracking.call_outcomes", "id", "call_id", "analytics.call_outcomes", "call_id", _row_of("analytics.calls")
    ),
    _link("jarvis_memory.facts", "id", "entity", "analytics.ai_facts", "entity_id", _name),
    _link(
        "jarvis_memory.ai_facts", "id", "entity_id", "analytics.ai_facts", "entity_id", _row_of("analytics.ai_entities")
    ),
    _link("whales.whale_movements", "id", "wallet_address", "analytics.whale_movements", "wallet_address", _itself),
)


def applies(case: Case, link: Link | Claimed) -> bool:
    """Return whether the legacy set has the table and column of *link*."""
    if isinstance(link, Claimed):
        return case.variant(link.source) == "found"
    name = link.source.partition(".")[0]
    tables = case.legacy.tables(name) if name in case.legacy.originals else ()
    return any(table.source == link.source and table.variant and link.column in table.columns for table in tables)


def faults(case: Case, link: Link | Claimed) -> Iterator[str]:
    """Yield each row of the legacy table in which *link* is lost or leads elsewhere."""
    yield from link.faults(case) if isinstance(link, Claimed) else _faults(case, link)


def _faults(case: Case, link: Link) -> Iterator[str]:
    legacy: Known[Cell] = Known(case.legacy_rows(link.source, link.key, link.column))
    now = Known(((id_, (here,)) for id_, here in case.target_rows(link.target, target_key(link.target), link.link)))
    for key, id_, rest in _lineages(case, link.source, link.target):
        was, cells = legacy.get(key), now.get(id_)
        if cells is None:
            continue
        (here,) = cells
        if here is None:
            as_it_was, _ = case.decided_cells(link.source, key).get(link.column, (was, was))
            kept = link.column in rest and same(rest[link.column][0], as_it_was)
            if was not in {None, ""} and not kept:
                yield f"{link.source} {key!r} -> {link.target}: {link.link}: NULL, and the link is not kept"
        elif not same(link.means(case, here), was):
            yield f"{link.source} {key!r} -> {link.target}: {link.link}: leads elsewhere than {link.column} did"


def _lineages(case: Case, source: str, target: str) -> Iterator[tuple[Cell, Cell, dict[str, tuple[Cell, Cell]]]]:
    database, _, table = target.partition(".")
    columns = ("legacy_key", "target_id", "rest")
    for key, id_, rest in case.target_rows(f"{database}.lineage", *columns, source=source, target=table):
        try:
            yield key, id_, kept_rest(rest)
        except ValueError:
            yield key, id_, {}


def _order_faults(case: Case) -> Iterator[str]:
    """Yield each order whose position is not the position that names the order."""
    names: dict[Cell, set[Cell]] = {}
    if case.variant("jarvis.positions") == "found":
        for position, *orders in case.legacy_rows("jarvis.positions", "id", "tp_order_id", "sl_order_id"):
            for order in orders:
                names.setdefault(order, set()).add(position)
    now: dict[Cell, Cell] = dict(case.target_rows("core.treasury_orders", "id", "position_id"))
    for key, id_, _ in _lineages(case, "jarvis.treasury_orders", "core.treasury_orders"):
        here, claims = now.get(id_), names.get(key, set())
        if here is not None and claims != {_position_that_names(case, here)}:
            yield f"jarvis.treasury_orders {key!r} -> core.treasury_orders: position_id: is not the position that names the order"
        if here is None and len(claims) == 1 and case.reader.world.became("jarvis.positions", *claims) is not None:
            yield f"jarvis.treasury_orders {key!r} -> core.treasury_orders: position_id: NULL, but its position exists"


def _sold_lot_faults(case: Case) -> Iterator[str]:
    """Yield each wash sale whose rows are not one for each lot that its sale used."""
    sales: dict[Cell, Cell] = dict(case.legacy_rows("tax.wash_sales", "id", "sale_tx_id"))
    now: dict[Cell, Cell] = dict(case.target_rows("core.wash_sales", "id", "sold_lot_id"))
    lots_of_sale: dict[Cell, list[Cell]] = {}
    for key, id_, _ in _lineages(case, "tax.wash_sales", "core.wash_sales"):
        lots_of_sale.setdefault(key, []).append(case.reader.world.came_from("core.tax_lots", now.get(id_)))
    for key, lots in lots_of_sale.items():
        used = [part.lot for part in case.reader.world.lots_of(sales.get(key))]
        if sorted(map(str, used)) != sorted(map(str, lots)):
            yield f"tax.wash_sales {key!r} -> core.wash_sales: sold_lot_id: expected the lots {used}, found {lots}"


#: Every link, declared or not; the links that another row holds come last.
EVERY: tuple[Link | Claimed, ...] = (
    *LINKS,
    Claimed(source="jarvis.treasury_orders", column="order_id", target="core.treasury_orders", faults=_order_faults),
    Claimed(source="tax.wash_sales", column="sale_tx_id", target="core.wash_sales", faults=_sold_lot_faults),
)


def hanging_on(case: Case, table: str) -> set[Cell]:
    """Return the keys of *table* that legacy rows refer to: each may have a stub."""
    source, column = {
        "ai_entities": ("jarvis_memory.facts", "entity"),
        "whale_wallets": ("whales.whale_movements", "wallet_address"),
    }[table]
    return {name for (name,) in case.legacy_rows(source, column)}
