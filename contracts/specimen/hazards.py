"""Every hazard that can be planted in data, and the list of those that cannot.

The letters say where a hazard is at home: G everywhere, P positions, T trades, O orders, S the score, X lots, W wash
sales, M messages, U users, E posts, A the assistant's memory, N sentiment, C calls, H whales, K metrics, L costs, B the
cache, R limits; Z are those of SQLite itself, in any table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from contracts.specimen import hazards_analytics, hazards_core, hazards_tax
from contracts.specimen.planting import Hazard, Hazards, Plant, Text
from contracts.specimen.values import NOW, aware, naive, spaced

_EVERYWHERE = Hazards()
_LAST = Hazards()

#: Hazards that no row shows, and why.
LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "G2": "a writer that deletes all rows and inserts them again: code, at run time",
        "G3": "INSERT OR REPLACE against a UNIQUE column: code; P1 has the rows",
        "G8": "a writer at work while the files are read: needs a second process; see the faults",
        "G9": "CREATE TABLE IF NOT EXISTS against a table of the same name: code",
        "G10": "what symbolic links do to names and WALs: cutover's business",
        "G13": "CHECKs that legacy never had: P2, O2, M1, N1, N2, C2, H1 and L1 have the rows",
        "G14": "INSERT OR IGNORE drops rows: code; every refused row shows it",
        "G15": "a validation query that cannot fail: a query, not data",
        "G16": "a missing table taken for success: code",
        "G18": "the specified DDL cannot run twice: DDL",
        "P3": "no wallet in any row: the configuration brings it; every position needs it",
        "P4": "no P&L in USD in any row: a column that is not there",
        "T5": "no router in any row: a column that is not there",
        "T8": "no fee in any row: a column that is not there",
        "S3": "columns without a home: S1 has the values",
        "S4": "sums that do not follow from the row: nothing to plant",
        "S5": "columns that are always 0: every row shows it",
        "S7": "a loader that dislikes other columns: code",
        "X6": "a cascade of the target: DDL",
        "U1": "names and rights in no row: columns that are not there",
        "U3": "a reader by position: code",
        "E4": "impressions and links in no row: columns that are not there",
        "A3": "a table that the specification reads and legacy lacks: every set shows it",
        "A6": "an index without a successor: every set shows it",
        "N4": "a count without a column: every reading shows it",
        "L3": "a purpose in no row: a column that is not there",
        "L5": "comparison of two spellings of time: code; G5 has the rows",
        "B3": "an expiry of NULL: cache.db alone allows it, which only the variant specified has",
        "R3": "configuration that is written anew at each start: every set shows it",
    }
)


@_EVERYWHERE.of("G4", "engagement.metrics_history", "a declared foreign key that nobody enforced")
def _g4_engagement(plant: Plant) -> None:
    plant.add("engagement.metrics_history", tweet_id="gone")


@_EVERYWHERE.of("G4", "raid_bot.raid_participations", "a declared foreign key that nobody enforced")
def _g4_raids(plant: Plant) -> None:
    plant.add("raid_bot.raid_participations")
    plant.add("raid_bot.weekly_winners")


@_EVERYWHERE.of("G4", "backtests.backtest_trades", "a declared foreign key that nobody enforced")
def _g4_backtests(plant: Plant) -> None:
    plant.add("backtests.backtest_trades")


@_EVERYWHERE.of("G4", "long_term.memory_relations", "a declared foreign key that nobody enforced")
def _g4_memory(plant: Plant) -> None:
    plant.add("long_term.memory_relations")


#: Spellings of time: sound ones first, then those that say nothing.
SPELLINGS = (
    aware(NOW),
    naive(NOW),
    spaced(NOW),
    "2026-01-17T10:32:22.7+00:00",
    "2026-01-17T10:32:22.123456789+00:00",
    "2026-01-17T10:32:22.9999999+00:00",
    "2026-01-17T10:32:22.999999+00:00",
    "2026-01-17T10:32:22.000000+00:00",
    "2026-01-17T10:32:22.100000+00:00",
    "2026-01-17T00:15:00+05:30",
    "2026-01-17T20:15:00-06:00",
    "2026-01-17T10:32:22Z",
    "2026-01-17T10:32:22.5Z",
    "2026-01-17 10:32:22.123456",
    "2026-01-17T10:32",
    "2026-01-17",
    "2024-02-29T00:00:00+00:00",
    "9999-12-31T23:59:59.999999+00:00",
    "0001-01-01T00:00:00+00:00",
)
NOT_TIMES = (
    "2026-02-30T10:00:00+00:00",
    "2025-02-29T10:00:00+00:00",
    "2026-01-17T24:00:00+00:00",
    "2026-01-17T10:32:60+00:00",
    "2026-13-01T10:00:00+00:00",
    "2026-00-10",
    "2026-01-17T10:60:00",
    "17.01.2026",
    "yesterday",
    "now",
    "1769000000.5",
    "1769000000",
    " ",
    "",
)


@_EVERYWHERE.of("G5", "jarvis.trades", "every spelling of time, and times that do not exist")
def _g5_trades(plant: Plant) -> None:
    for text in (*SPELLINGS, *NOT_TIMES):
        plant.add("jarvis.trades", timestamp=text)


@_EVERYWHERE.of("G5", "jarvis.positions", "every spelling of time, and times that do not exist")
def _g5_positions(plant: Plant) -> None:
    for text in (*SPELLINGS, *NOT_TIMES):
        plant.add("jarvis.positions", opened_at=text, closed_at=text, status="closed_tp")


@_EVERYWHERE.of("G5", "telegram_memory.messages", "every spelling of time, times that do not exist, none, bytes")
def _g5_messages(plant: Plant) -> None:
    for text in (*SPELLINGS, *NOT_TIMES, None, b"2026-01-17T10:32:22"):
        plant.add("telegram_memory.messages", timestamp=text)


@_EVERYWHERE.of("G5", "llm_costs.llm_usage", "microseconds that doubles cannot hold")
def _g5_usage(plant: Plant) -> None:
    for fraction in ("000001", "499999", "500000", "500001", "999999", "123457"):
        plant.add("llm_costs.llm_usage", timestamp=f"2026-01-17T23:59:59.{fraction}+00:00")


@_EVERYWHERE.of("G5", "call_tracking.factor_stats", "local time that does not say so")
def _g5_local(plant: Plant) -> None:
    plant.add("call_tracking.factor_stats", last_updated="2026-01-17T23:30:00.000125")


@_EVERYWHERE.of("G6", "jarvis_x_memory.token_mentions", "'' for everything optional")
def _g6(plant: Plant) -> None:
    plant.add("jarvis_x_memory.token_mentions", symbol="", contract_address="", sentiment="", first_mentioned="")


@_EVERYWHERE.of("G11", "alerts.alerts", "the file in the shape of the other of its two makers")
def _g11_alerts(plant: Plant) -> None:
    plant.add("alerts.alerts")
    plant.add("alerts.alerts", status="resolved", resolved_at=aware(NOW), metadata_json='{"a":1}')


@_EVERYWHERE.of("G11", "database.calls", "a row in the stray twin, under an id that the real table has too")
def _g11_twin(plant: Plant) -> None:
    id_ = plant.hex8("call_tracking.calls")
    plant.beside("call_tracking.calls", id=id_)
    plant.add("database.calls", id=id_)


@_EVERYWHERE.of("G20", "telegram_memory.messages", "integers beyond a float")
def _g20_messages(plant: Plant) -> None:
    plant.add("telegram_memory.messages", user_id=2**53 + 1, chat_id=-(2**53) - 1)
    plant.add("telegram_memory.messages", user_id=2**63 - 1, chat_id=-(2**63))


@_EVERYWHERE.of("G20", "distributions.distributions", "lamports beyond a float")
def _g20_lamports(plant: Plant) -> None:
    plant.add("distributions.distributions", total_amount=2**53 + 1, staking_amount=2**53 + 1)


@_EVERYWHERE.of("G20", "jarvis_x_memory.tweets", "an id of 19 digits that no float holds")
def _g20_tweets(plant: Plant) -> None:
    plant.add("jarvis_x_memory.tweets", tweet_id="1999999999999999999")


#: Text that is none: a lone byte, a surrogate, an overlong form, a cut character, both byte order marks.
_NO_TEXT = (b"\xff", b"ab\xed\xa0\x80cd", b"\xc0\xaf", b"caf\xc3", b"\xfe\xff\x00a", b"\xef\xbb\xbfa")


@_EVERYWHERE.of("Z2", "telegram_memory.messages", "bytes that are no UTF-8, stored as TEXT")
def _z2_messages(plant: Plant) -> None:
    for raw in _NO_TEXT:
        plant.add("telegram_memory.messages", content=Text(raw))


@_EVERYWHERE.of("Z2", "jarvis_admin.users", "bytes that are no UTF-8, stored as TEXT")
def _z2_users(plant: Plant) -> None:
    plant.add("jarvis_admin.users", username=Text(b"caf\xe9"), notes=Text(b"\xed\xa0\x80"))


@_EVERYWHERE.of("Z2", "jarvis_memory.reflections", "bytes that are no UTF-8, in an indexed column")
def _z2_reflections(plant: Plant) -> None:
    plant.add("jarvis_memory.reflections", lesson=Text(b"caf\xe9 au lait"))


@_EVERYWHERE.of("Z2", "jarvis_admin.messages", "bytes that are no UTF-8, in a carried table")
def _z2_carried(plant: Plant) -> None:
    plant.add("jarvis_admin.messages", text=Text(b"\xff\xfe"))


@_EVERYWHERE.of("Z3", "telegram_memory.messages", "NUL inside text")
def _z3_messages(plant: Plant) -> None:
    for text in ("a\x00b", "\x00", "/cmd\x00tail"):
        plant.add("telegram_memory.messages", content=text)


@_EVERYWHERE.of("Z3", "jarvis.positions", "NUL inside text that goes into JSON")
def _z3_positions(plant: Plant) -> None:
    plant.add("jarvis.positions", tx_signature_exit="abc\x00def", tp_order_id="\x00")


@_EVERYWHERE.of("Z4", "telegram_memory.messages", "text of 300,000 characters, of all planes, of white space")
def _z4(plant: Plant) -> None:
    for text in (
        "x" * 300_000,
        "\U0001f680 \u202etfel\u202c e\u0301 \ud7ff \U0010ffff",
        " \t\r\n ",
        "'; DROP TABLE x; --",
    ):
        plant.add("telegram_memory.messages", content=text)


@_EVERYWHERE.of("Z5", "jarvis.positions", "-0.0, infinities, the smallest and the largest float, all 17 digits")
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


@_EVERYWHERE.of("Z5", "llm_costs.llm_usage", "-0.0 and infinity")
def _z5_usage(plant: Plant) -> None:
    for number in (-0.0, float("inf")):
        plant.add("llm_costs.llm_usage", cost_usd=number, latency_ms=number)


@_EVERYWHERE.of("Z6", "jarvis.positions", "text and bytes in numeric columns")
def _z6_positions(plant: Plant) -> None:
    plant.add("jarvis.positions", pnl_pct="n/a", pnl_sol="", exit_amount_sol=b"\x01")
    plant.add("jarvis.positions", entry_price="free", take_profit_price="soon", user_id="admin")


@_EVERYWHERE.of("Z6", "llm_costs.llm_usage", "text and fractions in numeric columns")
def _z6_usage(plant: Plant) -> None:
    plant.add("llm_costs.llm_usage", latency_ms="fast", input_tokens=10.5, success="yes")
    plant.add("llm_costs.llm_usage", output_tokens="1e3", latency_ms="0x10")


@_EVERYWHERE.of("Z6", "metrics.metrics_1m", "text in numeric columns that become rows")
def _z6_metrics(plant: Plant) -> None:
    plant.add("metrics.metrics_1m", total_requests="many", error_rate="n/a", latency_p50=1)


@_EVERYWHERE.of("Z6", "telegram_memory.messages", "a fraction and text in an integer column")
def _z6_messages(plant: Plant) -> None:
    plant.add("telegram_memory.messages", chat_id=1.5)
    plant.add("telegram_memory.messages", chat_id="@channel")


@_EVERYWHERE.of("Z7", "telegram_memory.messages", "numbers in text columns: affinity has made them text")
def _z7(plant: Plant) -> None:
    plant.add("telegram_memory.messages", content=42, username=7)
    plant.add("telegram_memory.messages", content=1e300, username=-0.0)


@_EVERYWHERE.of("Z8", "telegram_memory.messages", "bytes in text columns")
def _z8_messages(plant: Plant) -> None:
    for raw in (b"\x00\x01\xff", b"", b"plain"):
        plant.add("telegram_memory.messages", content=raw, username=raw)


@_EVERYWHERE.of("Z8", "jarvis.positions", "bytes in text columns that go into JSON")
def _z8_positions(plant: Plant) -> None:
    plant.add("jarvis.positions", tx_signature_exit=b"\x00\xff", sl_order_id=b"")


@_EVERYWHERE.of("Z8", "call_tracking.calls", "bytes in text columns")
def _z8_calls(plant: Plant) -> None:
    plant.add("call_tracking.calls", reasoning=b"\xde\xad", market_regime=b"BULL")


@_EVERYWHERE.of("Z8", "jarvis_memory.facts", "bytes in text columns")
def _z8_facts(plant: Plant) -> None:
    plant.add("jarvis_memory.facts", source=b"\x80", learned_at=b"")


#: JSON in columns that nobody checks.
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


@_EVERYWHERE.of("Z9", "llm_costs.llm_usage", "JSON oddly spaced, with a key twice, invalid, or no object")
def _z9_usage(plant: Plant) -> None:
    for text in _ODD_JSON:
        plant.add("llm_costs.llm_usage", metadata=text)


@_EVERYWHERE.of("Z9", "sentiment.sentiment_readings", "JSON oddly spaced, with a key twice, invalid, or no object")
def _z9_readings(plant: Plant) -> None:
    symbol, _ = plant.known()
    for text in (*_ODD_JSON, None):
        plant.add("sentiment.sentiment_readings", symbol=symbol, metadata_json=text)


@_EVERYWHERE.of("Z9", "jarvis_memory.entities", "JSON oddly spaced, with a key twice, invalid, or no object")
def _z9_entities(plant: Plant) -> None:
    for text in _ODD_JSON:
        plant.add("jarvis_memory.entities", attributes=text)


@_EVERYWHERE.of("Z9", "jarvis_x_memory.tweets", "JSON oddly spaced, with a key twice, invalid, or no list")
def _z9_tweets(plant: Plant) -> None:
    for text in _ODD_JSON:
        plant.add("jarvis_x_memory.tweets", cashtags=text)


@_LAST.of("G19", "sqlite_sequence", "ids that were given and deleted: the sequence is ahead, or the table is empty")
def _g19(plant: Plant) -> None:
    for database, table in (
        ("telegram_memory", "messages"),
        ("jarvis_x_memory", "tweets"),
        ("llm_costs", "llm_usage"),
        ("tax", "tax_lots"),
        ("sentiment", "sentiment_readings"),
        ("jarvis_admin", "messages"),
    ):
        plant.change(database, "UPDATE sqlite_sequence SET seq = seq + 1000 WHERE name = ?", table)
    plant.change("bot_health", "INSERT INTO sqlite_sequence (name, seq) VALUES ('bot_errors', 500)")
    plant.change("telegram_memory", "INSERT INTO sqlite_sequence (name, seq) VALUES ('instructions', 12)")


#: All hazards of the variant ``found``, in the order of planting: the stray evidence last, sequences at the very end.
FOUND: Sequence[Hazard] = (
    *hazards_core.HAZARDS,
    *hazards_tax.HAZARDS,
    *hazards_analytics.HAZARDS,
    *_EVERYWHERE,
    *_LAST,
)
