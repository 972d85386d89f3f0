"""Hazards of tax lots, sales and wash sales."""

from __future__ import annotations

import json

from contracts.specimens.hazards.planting import Hazards, Plant

HAZARDS = Hazards()

_TRADES, _LOTS, _WASH = "core.trades", "core.tax_lots", "core.wash_sales"


@HAZARDS.of("X1", "tax.tax_lots", "a trade that is missing, not named, or refused")
def _x1(plant: Plant) -> None:
    signature = plant.signature()
    plant.beside("jarvis.trades", id=None, tx_signature=signature, refused=_TRADES)
    for tx_id in (f"tx-{plant.serial()}", "", None, signature):
        plant.add("tax.tax_lots", tx_id=tx_id, refused=_LOTS)


@HAZARDS.of("X2", "tax.tax_lots", "a symbol in another letter case, or one of two mints, or of none")
def _x2(plant: Plant) -> None:
    signature, (_, mint) = plant.signature(), plant.token()
    plant.beside("jarvis.trades", symbol="hzMixed", token_mint=mint, tx_signature=signature)
    plant.add("tax.tax_lots", symbol="HZMIXED", tx_id=signature)
    signature, (symbol, mint) = plant.signature(), plant.token()
    plant.beside("jarvis.trades", symbol=symbol, token_mint=mint, tx_signature=signature)
    plant.beside("jarvis.positions", symbol=symbol.lower())
    plant.add("tax.tax_lots", symbol=symbol, tx_id=signature, refused=_LOTS)
    plant.add("tax.tax_lots", symbol="HZNOWHERE", refused=_LOTS)


@HAZARDS.of("X3", "tax.tax_lots", "costs per unit, raised by a wash sale, for which there is no column")
def _x3(plant: Plant) -> None:
    plant.add("tax.tax_lots", adjusted_cost_basis=2.0, wash_sale_adjustment=0.5, fee=0.1 + 0.2)


@HAZARDS.of("X4", "tax.sales", "lot lists that are not lists, name no lot, or have less than the lot lost")
def _x4(plant: Plant) -> None:
    for used in (
        "not json",
        "{}",
        "[[1]]",
        '[["a", 1.0]]',
        "[]",
        "",
        None,
        "[[987654321, 1.0]]",
        "[ [ 987654321 ,1 ] ]",
    ):
        plant.add("tax.sales", lots_used_json=used)
    twice = plant.beside("tax.tax_lots", remaining_quantity=0.0)
    plant.add("tax.sales", lots_used_json=json.dumps([[twice, 5.0]]), quantity=5.0)
    plant.add("tax.sales", lots_used_json=json.dumps([[twice, 3.0]]), quantity=3.0)
    short = plant.beside("tax.tax_lots", remaining_quantity=0.0)
    plant.add("tax.sales", lots_used_json=json.dumps([[short, 7.0]]), quantity=7.0)
    whole = plant.beside("tax.tax_lots", remaining_quantity=0.0)
    plant.add("tax.sales", lots_used_json=json.dumps([[whole, 8.0]]))


@HAZARDS.of("X5", "tax.sales", "a sale that is long-term by the average of its lots")
def _x5(plant: Plant) -> None:
    plant.add("tax.sales", is_long_term=1, holding_period_days=366, long_term_gain_loss=-4.0)


def _sold(plant: Plant, *quantities: float) -> str:
    """Add lots, a sale of these quantities of them, and return the sale's transaction."""
    tx_id = f"planted-sale-{plant.serial()}"
    used = [[plant.beside("tax.tax_lots", remaining_quantity=8.0 - part), part] for part in quantities]
    plant.beside("tax.sales", tx_id=tx_id, lots_used_json=json.dumps(used), quantity=sum(quantities))
    return tx_id


@HAZARDS.of("W1", "tax.wash_sales", "a sale of two or three lots, none, or an unknown sale")
def _w1(plant: Plant) -> None:
    lot = plant.beside("tax.tax_lots")
    plant.add("tax.wash_sales", sale_tx_id=_sold(plant, 8.0, 3.0), replacement_lot_id=lot)
    plant.add("tax.wash_sales", sale_tx_id=_sold(plant, 1.0, 1.0, 1.0), disallowed_loss=10.0, replacement_lot_id=lot)
    plant.beside("tax.sales", tx_id="planted-broken", lots_used_json="[[1,")
    for sale in (_sold(plant), "planted-broken", "unknown-sale", "", None):
        plant.add("tax.wash_sales", sale_tx_id=sale, replacement_lot_id=lot, refused=_WASH)


@HAZARDS.of("W1", "tax.wash_sales", "a sale of lots that are refused")
def _w1_refused(plant: Plant) -> None:
    lost = plant.beside("tax.tax_lots", tx_id=None, refused=_LOTS)
    plant.beside("tax.sales", tx_id="planted-lost", lots_used_json=json.dumps([[lost, 1.0]]))
    plant.add(
        "tax.wash_sales", sale_tx_id="planted-lost", replacement_lot_id=plant.beside("tax.tax_lots"), refused=_WASH
    )


@HAZARDS.of("W2", "tax.wash_sales", "a replacement that is not named, missing, or refused")
def _w2(plant: Plant) -> None:
    lost = plant.beside("tax.tax_lots", tx_id=None, refused=_LOTS)
    for lot in (None, 987_654_321, lost):
        plant.add("tax.wash_sales", sale_tx_id=_sold(plant, 8.0), replacement_lot_id=lot, refused=_WASH)


@HAZARDS.of("W3", "tax.wash_sales", "one loss written down once for each replacement")
def _w3(plant: Plant) -> None:
    sale = _sold(plant, 8.0)
    for _ in range(2):
        plant.add("tax.wash_sales", sale_tx_id=sale, replacement_lot_id=plant.beside("tax.tax_lots"))


@HAZARDS.of("W4", "tax.wash_sales", "'' for its date, and columns without a target column")
def _w4(plant: Plant) -> None:
    lot = plant.beside("tax.tax_lots")
    plant.add(
        "tax.wash_sales", sale_tx_id=_sold(plant, 8.0), sale_date="", replacement_lot_id=lot, replacement_tx_id="x"
    )


@HAZARDS.of("G5", "tax.tax_lots", "a purchase date that is not a date")
def _g5_lots(plant: Plant) -> None:
    plant.add("tax.tax_lots", purchase_date="2026-02-30T10:00:00+00:00", refused=_LOTS)
    plant.add("tax.tax_lots", purchase_date="", refused=_LOTS)
    plant.add("tax.tax_lots", purchase_date="2026-01-17")
