"""Hazards of SQLite's storage: any column may hold bytes, NULs, odd numbers, broken JSON."""

from __future__ import annotations

from contracts.specimens.hazards.planting import Hazards, Plant, Text

HAZARDS = Hazards()

#: Bytes that are not UTF-8: a lone byte, a surrogate, an overlong form, a cut character, both byte order marks.
_NO_TEXT = (b"\xff", b"ab\xed\xa0\x80cd", b"\xc0\xaf", b"caf\xc3", b"\xfe\xff\x00a", b"\xef\xbb\xbfa")


@HAZARDS.of("Z2", "telegram_memory.messages", "bytes that are not UTF-8, stored as TEXT")
def _z2_messages(plant: Plant) -> None:
    for raw in _NO_TEXT:
        plant.add("telegram_memory.messages", content=Text(raw))


@HAZARDS.of("Z2", "jarvis_admin.users", "bytes that are not UTF-8, stored as TEXT")
def _z2_users(plant: Plant) -> None:
    plant.add("jarvis_admin.users", username=Text(b"caf\xe9"), notes=Text(b"\xed\xa0\x80"))


@HAZARDS.of("Z2", "jarvis_memory.reflections", "bytes that are not UTF-8, in an indexed column")
def _z2_reflections(plant: Plant) -> None:
    plant.add("jarvis_memory.reflections", lesson=Text(b"caf\xe9 au lait"))


@HAZARDS.of("Z2", "jarvis_admin.messages", "bytes that are not UTF-8, in a carried table")
def _z2_carried(plant: Plant) -> None:
    plant.add("jarvis_admin.messages", text=Text(b"\xff\xfe"))


@HAZARDS.of("Z3", "telegram_memory.messages", "NUL inside text")
def _z3_messages(plant: Plant) -> None:
    for text in ("a\x00b", "\x00", "/cmd\x00tail"):
        plant.add("telegram_memory.messages", content=text)


@HAZARDS.of("Z3", "jarvis.positions", "NUL inside text that goes into JSON")
def _z3_positions(plant: Plant) -> None:
    plant.add("jarvis.positions", tx_signature_exit="abc\x00def", tp_order_id="\x00")


@HAZARDS.of("Z4", "telegram_memory.messages", "text of 300,000 characters, of all planes, of white space")
def _z4(plant: Plant) -> None:
    for text in (
        "x" * 300_000,
        "\U0001f680 \u202etfel\u202c e\u0301 \ud7ff \U0010ffff",
        " \t\r\n ",
        "'; DROP TABLE x; --",
    ):
        plant.add("telegram_memory.messages", content=text)


@HAZARDS.of("Z5", "jarvis.positions", "-0.0, infinities, the smallest and the largest float, all 17 digits")
def _z5_positions(plant: Plant) -> None:
    for number in (
        -0.0,
        float("inf"),
        float("-inf"),
        5e-324,
        1.797_693_134_862_315_7e308,
        0.1 + 0.2,
        1e15 + 0.3,
        2.0**63,
    ):
        plant.add("jarvis.positions", pnl_sol=number, exit_price=number, entry_amount_tokens=number)


@HAZARDS.of("Z5", "llm_costs.llm_usage", "-0.0 and infinity")
def _z5_usage(plant: Plant) -> None:
    for number in (-0.0, float("inf")):
        plant.add("llm_costs.llm_usage", cost_usd=number, latency_ms=number)


@HAZARDS.of("Z6", "jarvis.positions", "text and bytes in numeric columns")
def _z6_positions(plant: Plant) -> None:
    plant.add("jarvis.positions", pnl_pct="n/a", pnl_sol="", exit_amount_sol=b"\x01")
    plant.add("jarvis.positions", entry_price="free", take_profit_price="soon", user_id="admin")


@HAZARDS.of("Z6", "llm_costs.llm_usage", "text and fractions in numeric columns")
def _z6_usage(plant: Plant) -> None:
    plant.add("llm_costs.llm_usage", latency_ms="fast", input_tokens=10.5, success="yes")
    plant.add("llm_costs.llm_usage", output_tokens="1e3", latency_ms="0x10")


@HAZARDS.of("Z6", "metrics.metrics_1m", "text in numeric columns that become rows")
def _z6_metrics(plant: Plant) -> None:
    plant.add("metrics.metrics_1m", total_requests="many", error_rate="n/a", latency_p50=1)


@HAZARDS.of("Z6", "telegram_memory.messages", "a fraction and text in an integer column")
def _z6_messages(plant: Plant) -> None:
    plant.add("telegram_memory.messages", chat_id=1.5)
    plant.add("telegram_memory.messages", chat_id="@channel")


@HAZARDS.of("Z7", "telegram_memory.messages", "numbers in text columns, which affinity converted to text")
def _z7(plant: Plant) -> None:
    plant.add("telegram_memory.messages", content=42, username=7)
    plant.add("telegram_memory.messages", content=1e300, username=-0.0)


@HAZARDS.of("Z8", "telegram_memory.messages", "bytes in text columns")
def _z8_messages(plant: Plant) -> None:
    for raw in (b"\x00\x01\xff", b"", b"plain"):
        plant.add("telegram_memory.messages", content=raw, username=raw)


@HAZARDS.of("Z8", "jarvis.positions", "bytes in text columns that go into JSON")
def _z8_positions(plant: Plant) -> None:
    plant.add("jarvis.positions", tx_signature_exit=b"\x00\xff", sl_order_id=b"")


@HAZARDS.of("Z8", "call_tracking.calls", "bytes in text columns")
def _z8_calls(plant: Plant) -> None:
    plant.add("call_tracking.calls", reasoning=b"\xde\xad", market_regime=b"BULL")


@HAZARDS.of("Z8", "jarvis_memory.facts", "bytes in text columns")
def _z8_facts(plant: Plant) -> None:
    plant.add("jarvis_memory.facts", source=b"\x80", learned_at=b"")


#: JSON in columns without a check.
_ODD_JSON = (
    '{"a" :1.10 ,\t"a": 2,\n"b":1e400, "c":-0.0}',
    "{broken",
    "[]",
    "7",
    "null",
    "",
    " {} ",
    '{"a":"\\u0000\\ud800"}',
)


@HAZARDS.of("Z9", "llm_costs.llm_usage", "JSON oddly spaced, with a key twice, invalid, or no object")
def _z9_usage(plant: Plant) -> None:
    for text in _ODD_JSON:
        plant.add("llm_costs.llm_usage", metadata=text)


@HAZARDS.of("Z9", "sentiment.sentiment_readings", "JSON oddly spaced, with a key twice, invalid, or no object")
def _z9_readings(plant: Plant) -> None:
    symbol, _ = plant.known()
    for text in (*_ODD_JSON, None):
        plant.add("sentiment.sentiment_readings", symbol=symbol, metadata_json=text)


@HAZARDS.of("Z9", "jarvis_memory.entities", "JSON oddly spaced, with a key twice, invalid, or no object")
def _z9_entities(plant: Plant) -> None:
    for text in _ODD_JSON:
        plant.add("jarvis_memory.entities", attributes=text)


@HAZARDS.of("Z9", "jarvis_x_memory.tweets", "JSON oddly spaced, with a key twice, invalid, or no list")
def _z9_tweets(plant: Plant) -> None:
    for text in _ODD_JSON:
        plant.add("jarvis_x_memory.tweets", cashtags=text)
