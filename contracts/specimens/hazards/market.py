"""Hazards of sentiment, calls and their outcomes, large wallets and their movements."""

from __future__ import annotations

from contracts.specimens.hazards.planting import Hazards, Plant
from contracts.specimens.values import hex8_numeric, looks_numeric

HAZARDS = Hazards()

_READINGS, _CALLS, _OUTCOMES = "analytics.sentiment_readings", "analytics.calls", "analytics.call_outcomes"
_WALLETS, _MOVEMENTS = "analytics.whale_wallets", "analytics.whale_movements"


@HAZARDS.of("N1", "sentiment.sentiment_readings", "a score at or beyond the ends of the scale, or no number")
def _n1(plant: Plant) -> None:
    symbol, _ = plant.known()
    for score in (-100.0, 100.0, 0.0, 33.3):
        plant.add("sentiment.sentiment_readings", symbol=symbol, score=score)
    for wrong in (100.5, -101.0, float("inf"), "n/a"):
        plant.add("sentiment.sentiment_readings", symbol=symbol, score=wrong, refused=_READINGS)


@HAZARDS.of("N2", "sentiment.sentiment_readings", "five labels where three are specified, none, and another")
def _n2(plant: Plant) -> None:
    symbol, _ = plant.known()
    for label in ("very_bullish", "very_bearish", None):
        plant.add("sentiment.sentiment_readings", symbol=symbol, label=label)
    plant.add("sentiment.sentiment_readings", symbol=symbol, label="euphoric", refused=_READINGS)


@HAZARDS.of("N3", "sentiment.sentiment_readings", "a symbol without a mint, with two, or known from a single table")
def _n3(plant: Plant) -> None:
    plant.add("sentiment.sentiment_readings", symbol="HZNOBODY", refused=_READINGS)
    twice, _ = plant.known()
    plant.beside("jarvis.positions", symbol=twice)
    plant.add("sentiment.sentiment_readings", symbol=twice, refused=_READINGS)
    for table in ("jarvis.positions", "jarvis.trades", "call_tracking.calls", "jarvis_x_memory.token_mentions"):
        symbol, mint = plant.token()
        column = {"call_tracking.calls": "contract", "jarvis_x_memory.token_mentions": "contract_address"}
        plant.beside(table, symbol=symbol.lower(), **{column.get(table, "token_mint"): mint})
        plant.add("sentiment.sentiment_readings", symbol=symbol)
    symbol, mint = plant.token()
    plant.beside("jarvis.positions", symbol=symbol, token_mint=mint, status="sunk", refused="core.positions")
    plant.add("sentiment.sentiment_readings", symbol=symbol)


@HAZARDS.of("N3", "jarvis_x_memory.token_mentions", "a mint that is '' or not text, which does not count")
def _n3_evidence(plant: Plant) -> None:
    symbol, _ = plant.known()
    plant.add("jarvis_x_memory.token_mentions", symbol=symbol, contract_address="")
    plant.add("jarvis_x_memory.token_mentions", symbol=symbol, contract_address=b"\x01\x02")
    plant.add("jarvis_x_memory.token_mentions", symbol=symbol, contract_address=None)
    plant.beside("sentiment.sentiment_readings", symbol=symbol)


@HAZARDS.of("C1", "call_tracking.calls", "an id that INTEGER affinity takes for a number")
def _c1(plant: Plant) -> None:
    salt = plant.world.salt_of("call_tracking.calls")
    plant.add("call_tracking.calls", id=hex8_numeric(str.isdigit, 5 << 29, salt))
    plant.add("call_tracking.calls", id=hex8_numeric(lambda text: looks_numeric(text) and "e" in text, 5 << 29, salt))


@HAZARDS.of("C2", "call_tracking.calls", "a verdict in a word of its own")
def _c2(plant: Plant) -> None:
    for verdict in ("MOON", "CAUTIOUSLY BULLISH", "bullish"):
        plant.add("call_tracking.calls", verdict=verdict)


@HAZARDS.of("C3", "call_tracking.calls", "no contract: the symbol decides, or not")
def _c3(plant: Plant) -> None:
    symbol, _ = plant.known()
    plant.add("call_tracking.calls", symbol=symbol, contract="")
    plant.add("call_tracking.calls", symbol=symbol.lower(), contract=None)
    plant.add("call_tracking.calls", symbol="HZNOBODY", contract="", refused=_CALLS)
    plant.add("call_tracking.calls", symbol="HZNOBODY", contract=None, refused=_CALLS)


@HAZARDS.of("C4", "call_tracking.calls", "0 for a price that was not known; everything else NULL")
def _c4(plant: Plant) -> None:
    plant.add("call_tracking.calls", price_at_call=0.0)
    plant.add("call_tracking.calls", price_at_call=None, score=None, reasoning=None, market_regime=None)


@HAZARDS.of("C5", "call_tracking.calls", "one call loaded twice under two ids")
def _c5(plant: Plant) -> None:
    symbol, mint = plant.token()
    plant.add("call_tracking.calls", symbol=symbol, contract=mint)
    plant.add("call_tracking.calls", symbol=symbol, contract=mint)


@HAZARDS.of(
    "C6", "call_tracking.outcomes", "several per call, no change, none measured, calls without a side or refused"
)
def _c6(plant: Plant) -> None:
    for verdict in ("BULLISH", "BEARISH", "NEUTRAL", "MOON"):
        call = plant.hex8("call_tracking.calls")
        plant.beside("call_tracking.calls", id=call, verdict=verdict)
        for frame, change in (("1h", 2.5), ("4h", -2.5), ("24h", 0.0), ("7d", None)):
            plant.add("call_tracking.outcomes", call_id=call, timeframe=frame, change_pct=change)
    lost = plant.hex8("call_tracking.calls")
    plant.beside("call_tracking.calls", id=lost, symbol="HZNOBODY", contract="", refused=_CALLS)
    for call in (lost, plant.hex8("call_tracking.calls"), ""):
        plant.add("call_tracking.outcomes", call_id=call, refused=_OUTCOMES)


@HAZARDS.of("C7", "call_tracking.trades", "a round trip without the traded token")
def _c7(plant: Plant) -> None:
    plant.add("call_tracking.trades", contract="", entry_time="", exit_time="", exit_reason="", pnl_pct=12.5)


@HAZARDS.of("H1", "whales.whale_movements", "every direction, none, and another")
def _h1(plant: Plant) -> None:
    for direction in ("BUY", "SELL", "IN", "OUT", "", None):
        plant.add("whales.whale_movements", direction=direction)
    plant.add("whales.whale_movements", direction="STAKE", refused=_MOVEMENTS)


@HAZARDS.of("H2", "whales.whale_movements", "an amount of another token, none, or of an unknown token")
def _h2(plant: Plant) -> None:
    symbol, mint = plant.token()
    plant.add("whales.whale_movements", token_symbol=symbol, token_mint=mint, refused=_MOVEMENTS)
    plant.add("whales.whale_movements", amount=None, refused=_MOVEMENTS)
    for nothing in ("", None):
        unknown = {"token_symbol": "HZNOBODY", "token_mint": nothing}
        plant.add("whales.whale_movements", **unknown, refused=_MOVEMENTS)


@HAZARDS.of("H3", "whales.whale_movements", "a wallet without a row, twice, or no wallet")
def _h3(plant: Plant) -> None:
    stranger = plant.mint()
    plant.add("whales.whale_movements", wallet_address=stranger)
    plant.add("whales.whale_movements", wallet_address=stranger)
    plant.add("whales.whale_movements", wallet_address=None, refused=_MOVEMENTS)


@HAZARDS.of("H4", "whales.whale_movements", "no signature")
def _h4(plant: Plant) -> None:
    for nothing in ("", None, None):
        plant.add("whales.whale_movements", tx_signature=nothing)


@HAZARDS.of("H5", "whales.whale_wallets", "a balance instead of a flow; a category, notes and tags without a column")
def _h5(plant: Plant) -> None:
    plant.add(
        "whales.whale_wallets", sol_balance=12_345.678_901_234, category="fund", notes="", tags_json='["a" , "b"]'
    )
    plant.add("whales.whale_wallets", is_active=0, first_seen="", last_activity=None)


@HAZARDS.of("Z1", "call_tracking.calls", "a NULL key")
def _z1_calls(plant: Plant) -> None:
    plant.add("call_tracking.calls", id=None, refused=_CALLS)


@HAZARDS.of("Z1", "call_tracking.outcomes", "a NULL key")
def _z1_outcomes(plant: Plant) -> None:
    plant.add("call_tracking.outcomes", id=None, refused=_OUTCOMES)


@HAZARDS.of("Z1", "whales.whale_wallets", "a NULL key")
def _z1_wallets(plant: Plant) -> None:
    plant.add("whales.whale_wallets", address=None, refused=_WALLETS)
