"""Hazards of every database: links, times, names, large numbers, sequences."""

from __future__ import annotations

from contracts.specimens.hazards.planting import Hazards, Plant
from contracts.specimens.values import NOW, aware, naive, spaced

HAZARDS = Hazards()
#: Planted last, after all rows are inserted.
LAST = Hazards()


@HAZARDS.of("G4", "engagement.metrics_history", "a declared foreign key that was not enforced")
def _g4_engagement(plant: Plant) -> None:
    plant.add("engagement.metrics_history", tweet_id="gone")


@HAZARDS.of("G4", "raid_bot.raid_participations", "a declared foreign key that was not enforced")
def _g4_raids(plant: Plant) -> None:
    plant.add("raid_bot.raid_participations")
    plant.add("raid_bot.weekly_winners")


@HAZARDS.of("G4", "backtests.backtest_trades", "a declared foreign key that was not enforced")
def _g4_backtests(plant: Plant) -> None:
    plant.add("backtests.backtest_trades")


@HAZARDS.of("G4", "long_term.memory_relations", "a declared foreign key that was not enforced")
def _g4_memory(plant: Plant) -> None:
    plant.add("long_term.memory_relations")


#: Spellings of time: valid ones first, then texts that are not a time.
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


@HAZARDS.of("G5", "jarvis.trades", "every spelling of time, and times that do not exist")
def _g5_trades(plant: Plant) -> None:
    for text in (*SPELLINGS, *NOT_TIMES):
        plant.add("jarvis.trades", timestamp=text)


@HAZARDS.of("G5", "jarvis.positions", "every spelling of time, and times that do not exist")
def _g5_positions(plant: Plant) -> None:
    for text in (*SPELLINGS, *NOT_TIMES):
        plant.add("jarvis.positions", opened_at=text, closed_at=text, status="closed_tp")


@HAZARDS.of("G5", "telegram_memory.messages", "every spelling of time, times that do not exist, none, bytes")
def _g5_messages(plant: Plant) -> None:
    for text in (*SPELLINGS, *NOT_TIMES, None, b"2026-01-17T10:32:22"):
        plant.add("telegram_memory.messages", timestamp=text)


@HAZARDS.of("G5", "llm_costs.llm_usage", "microseconds that doubles cannot hold")
def _g5_usage(plant: Plant) -> None:
    for fraction in ("000001", "499999", "500000", "500001", "999999", "123457"):
        plant.add("llm_costs.llm_usage", timestamp=f"2026-01-17T23:59:59.{fraction}+00:00")


@HAZARDS.of("G5", "call_tracking.factor_stats", "local time without an offset")
def _g5_local(plant: Plant) -> None:
    plant.add("call_tracking.factor_stats", last_updated="2026-01-17T23:30:00.000125")


@HAZARDS.of("G6", "jarvis_x_memory.token_mentions", "'' for everything optional")
def _g6(plant: Plant) -> None:
    plant.add("jarvis_x_memory.token_mentions", symbol="", contract_address="", sentiment="", first_mentioned="")


@HAZARDS.of("G11", "alerts.alerts", "the file in the shape of the other of its two makers")
def _g11_alerts(plant: Plant) -> None:
    plant.add("alerts.alerts")
    plant.add("alerts.alerts", status="resolved", resolved_at=aware(NOW), metadata_json='{"a":1}')


@HAZARDS.of("G11", "database.calls", "a row in the stray twin, under an id that the real table has too")
def _g11_twin(plant: Plant) -> None:
    id_ = plant.hex8("call_tracking.calls")
    plant.beside("call_tracking.calls", id=id_)
    plant.add("database.calls", id=id_)


@HAZARDS.of("G20", "telegram_memory.messages", "integers beyond a float")
def _g20_messages(plant: Plant) -> None:
    plant.add("telegram_memory.messages", user_id=2**53 + 1, chat_id=-(2**53) - 1)
    plant.add("telegram_memory.messages", user_id=2**63 - 1, chat_id=-(2**63))


@HAZARDS.of("G20", "distributions.distributions", "lamports beyond a float")
def _g20_lamports(plant: Plant) -> None:
    plant.add("distributions.distributions", total_amount=2**53 + 1, staking_amount=2**53 + 1)


@HAZARDS.of("G20", "jarvis_x_memory.tweets", "an id of 19 digits that no float holds")
def _g20_tweets(plant: Plant) -> None:
    plant.add("jarvis_x_memory.tweets", tweet_id="1999999999999999999")


@LAST.of("G19", "sqlite_sequence", "ids that were assigned and deleted: the sequence is ahead, or the table is empty")
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
