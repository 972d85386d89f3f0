"""Readings of the legacy tables of the score, tax lots and wash sales."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from contracts.oracle.cells import Cell, Row
from contracts.oracle.cross_table import Sold, World
from contracts.oracle.rules import Near, Reading, always, cell, legacy_time, time
from contracts.oracle.times import instant, is_long_held, spelled

_NEVER_STORED = always(None)
#: Positions of a lot's values in :attr:`World.lots`.
_SYMBOL, _ACQUIRED, _TRADE = range(3)


def readings(world: World) -> Iterator[Reading]:
    """Yield the readings, parents before children."""
    yield _scorecard()
    yield _lots(world)
    yield _wash_sales(world)


def _scorecard() -> Reading:
    copied = {"total_trades", "winning_trades", "losing_trades", "total_pnl_sol", "total_pnl_usd", "win_rate"}
    renamed = {"avg_win_percent": "avg_win_pct", "avg_loss_percent": "avg_loss_pct"}
    unknown = (
        *("total_volume_sol", "sharpe_ratio", "max_drawdown_percent", "total_fees_paid_sol"),
        *("total_partner_fees_sol", "bags_fm_trade_count", "jupiter_trade_count"),
    )
    return Reading(
        source="jarvis.scorecard",
        target="core.scorecard",
        key="id",
        forward={
            "id": cell("id"),
            "timestamp": time("last_updated"),
            **{name: cell(name) for name in copied},
            **{name: cell(legacy) for name, legacy in renamed.items()},
            **dict.fromkeys(unknown, _NEVER_STORED),
            "period": always("all_time"),
        },
        back={
            "id": cell("legacy_key"),
            **{name: cell(name) for name in copied},
            **{legacy: cell(name) for name, legacy in renamed.items()},
            "last_updated": legacy_time("timestamp", ""),
        },
        homeless={
            **dict.fromkeys(("largest_win_sol", "largest_loss_sol"), always(0.0)),
            **dict.fromkeys(("current_streak", "best_streak", "worst_streak"), always(0)),
        },
    )


def _lots(world: World) -> Reading:
    def disposal(row: Row) -> Sold | None:
        """Return the only sale of a lot if it used the whole lot; else None."""
        sales = world.sales_of(row["id"])
        gone = row["remaining_quantity"] == 0 and len(sales) == 1 and sales[0].quantity == row["quantity"]
        return sales[0] if gone else None

    def sold_at(row: Row) -> str | None:
        sale = disposal(row)
        return instant(sale.sold_at) if sale else None

    def short_term(row: Row) -> int | None:
        bought, sold = instant(row["purchase_date"]), sold_at(row)
        return None if bought is None or sold is None else int(not is_long_held(bought, sold))

    def per_unit(row: Row) -> float | None:
        cost, quantity = row["cost_basis_usd"], row["quantity"]
        return cost / quantity if isinstance(cost, float) and isinstance(quantity, float) and quantity else None

    return Reading(
        source="tax.tax_lots",
        target="core.tax_lots",
        key="id",
        forward={
            "id": cell("id"),
            "trade_id": lambda row: world.trade_signed(row["tx_id"]),
            "token_address": lambda row: world.mint(None, row["symbol"]),
            "symbol": cell("symbol"),
            "quantity": cell("quantity"),
            "cost_basis_usd": cell("total_cost"),
            "acquisition_date": time("purchase_date"),
            "disposal_date": sold_at,
            "disposal_proceeds_usd": lambda row: sale.proceeds if (sale := disposal(row)) else None,
            "short_term": short_term,
            "wash_sale": _NEVER_STORED,
        },
        back={
            "id": cell("legacy_key"),
            "symbol": cell("symbol"),
            "quantity": cell("quantity"),
            "total_cost": cell("cost_basis_usd"),
            "purchase_date": legacy_time("acquisition_date"),
            "tx_id": lambda row: world.signatures.get(row["trade_id"]),
        },
        homeless={
            "remaining_quantity": lambda row: (
                row["quantity"] if row["disposal_date"] is None and row["disposal_proceeds_usd"] is None else 0.0
            ),
            "cost_per_unit": per_unit,
            "adjusted_cost_basis": per_unit,
            "fee": always(0.0),
            "wash_sale_adjustment": always(0.0),
        },
    )


def _wash_sales(world: World) -> Reading:
    def split(row: Row) -> Sequence[Row]:
        loss, sold = row["disallowed_loss"], world.lots_of(row["sale_tx_id"])
        if len(sold) < 2 or not isinstance(loss, float):
            return [{"lot": part.lot, "loss": loss if len(sold) < 2 else None} for part in sold] or [
                {"lot": None, "loss": loss}
            ]
        # The tolerance for n lots, in units u of the loss's last bit.  A share that is added to the loss and subtracted again
        # is rounded by at most u, and the lot that takes the remainder takes n - 1 of these roundings.  The n quantities may
        # be added in any order, divided and multiplied: n u on either side, and (n + 1) u for their sum.  In all
        # (n - 1) + n + (n + 1) = 3 n.  That the shares add up to exactly the loss is checked with the rebuilt row.
        within = 3 * len(sold) * math.ulp(loss)
        return [{"lot": part.lot, "loss": Near(loss * part.share, within=within)} for part in sold]

    def least(lot: str, place: int) -> Any:
        """Return a function that returns the least text among the lots of a wash sale."""

        def rule(rows: list[Row]) -> Cell:
            known = [world.lots.get(row[lot], (None, None, None))[place] for row in rows]
            texts = [world.signatures.get(cell) if place == _TRADE else cell for cell in known]
            return min((cell for cell in texts if isinstance(cell, str)), default=None)

        return rule

    return Reading(
        source="tax.wash_sales",
        target="core.wash_sales",
        key="id",
        assigned="wash_sale_date",
        parts=split,
        match="sold_lot_id",
        forward={
            "sold_lot_id": lambda row: _kept_id(world.became("tax.tax_lots", row["lot"]), row["lot"]),
            "replacement_lot_id": lambda row: _kept_id(
                world.became("tax.tax_lots", row["replacement_lot_id"]), row["replacement_lot_id"]
            ),
            "disallowed_loss_usd": cell("loss"),
            "wash_sale_date": time("sale_date"),
        },
        back={
            "id": lambda rows: rows[0]["legacy_key"],
            "disallowed_loss": lambda rows: (
                math.fsum(row["disallowed_loss_usd"] for row in rows)
                if len(rows) > 1
                else rows[0]["disallowed_loss_usd"]
            ),
            "sale_date": lambda rows: legacy_time("wash_sale_date", "")(rows[0]),
            "replacement_lot_id": lambda rows: world.came_from("core.tax_lots", rows[0]["replacement_lot_id"]),
        },
        homeless={
            "symbol": least("sold_lot_id", _SYMBOL),
            "sale_tx_id": always(None),
            "replacement_date": lambda rows: spelled(least("replacement_lot_id", _ACQUIRED)(rows)),
            "replacement_tx_id": least("replacement_lot_id", _TRADE),
        },
    )


def _kept_id(mapped: Cell, legacy: Cell) -> Cell:
    """Return the id of the migrated lot, or the legacy id, which the foreign key refuses."""
    return legacy if mapped is None else mapped
