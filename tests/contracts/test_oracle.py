"""The oracle: it covers every column, shares no code with what it judges, and reads single values rightly."""

import ast
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from contracts import oracle
from contracts.checks import json_columns, lineage, row_accounting
from contracts.oracle import cells as oracle_cells
from contracts.oracle import spilling_map, table_judge
from contracts.oracle import times as oracle_times
from contracts.oracle.cross_table import World
from contracts.oracle.judge import every_reading
from contracts.sets import consolidated as consolidated_set
from contracts.sets import made as made_sets
from contracts.sets.case import case_of
from migrator.config import config_file
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader

HERE = Path(oracle.__file__).parent
#: What it may know of the tool: how files are opened, and what tables look like.
ALLOWED = {"migrator", "migrator.schema.catalogue", "migrator.schema.reader", "migrator.system.connections"}


class Nothing:
    """Two sets without a row."""

    def variant(self, *_):
        return ""

    def legacy_rows(self, *_):
        return iter(())

    def lineage(self, **_):
        return iter(())

    def target_rows(self, *_):
        return iter(())


CONSTANTS = {"wallet_address": "W", "local_utc_offset": "-06:00"}
READINGS = list(every_reading(World(Nothing(), CONSTANTS)))
EVERY_READING = pytest.mark.parametrize("reading", READINGS, ids=lambda one: f"{one.source}, {one.variant}")


def reading_of(source):
    return next(one for one in READINGS if (one.source, one.variant) == (source, "found"))


def test_it_shares_no_code_with_what_it_judges():
    for path in HERE.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("migrator"):
                whole = {one.name: f"{node.module}.{one.name}" for one in node.names}
                named = {full if full in ALLOWED else node.module for full in whole.values()}
                assert named <= ALLOWED, path


@EVERY_READING
def test_every_column_of_the_target_is_judged(reading):
    database, _, table = reading.target.partition(".")
    schema = schema_reader.target(database)
    virtual = [("rowid", *one.columns) for one in schema.virtual_tables if one.name == table]
    columns = set(virtual[0] if virtual else (column.name for column in schema.table(table).columns))
    assigned = {table_judge.target_key(reading.target)} if reading.assigned else set()

    assert columns == {*reading.forward, *reading.documents, *assigned}


@EVERY_READING
def test_every_column_of_the_legacy_table_is_rebuilt(reading):
    database, _, table = reading.source.partition(".")
    shapes = [
        shape for shape in catalogue.shapes_of(database) if (shape.table, shape.variant) == (table, reading.variant)
    ]

    assert [{name for name, _ in shape.columns} for shape in shapes] == [set(reading.columns)]


@pytest.mark.parametrize(
    ("spelled", "instant"),
    [
        ("2026-01-17T05:11:22.123456+00:00", "2026-01-17 05:11:22.123456"),
        ("2026-01-17T05:11:22+00:00", "2026-01-17 05:11:22"),
        ("2026-01-17T05:11:22.000000Z", "2026-01-17 05:11:22"),
        ("2026-01-17 05:11:22.5", "2026-01-17 05:11:22.500000"),
        ("2026-01-17T05:11:22.1234569", "2026-01-17 05:11:22.123456"),
        ("2026-01-17T05:11", "2026-01-17 05:11:00"),
        ("2026-01-17", "2026-01-17 00:00:00"),
        ("2026-01-17T23:30:00-06:00", "2026-01-18 05:30:00"),
        ("2024-02-29T00:00:00+05:30", "2024-02-28 18:30:00"),
        (b"2026-01-17", "2026-01-17 00:00:00"),
        ("2026-02-30", None),
        ("2026-01-17T24:00:00", None),
        ("2026-01-17T05:11:60", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("2026-01-17 ", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1768626682.5, None),
    ],
)
def test_a_time_is_read(spelled, instant):
    assert instant == oracle_times.instant(spelled)


def test_a_time_without_an_offset_is_local_where_that_is_said():
    assert oracle_times.instant("2026-01-17T23:30:00", "-06:00") == "2026-01-18 05:30:00"
    assert oracle_times.instant("2026-01-17T23:30:00+00:00", "-06:00") == "2026-01-17 23:30:00"


@pytest.mark.parametrize(
    ("seconds", "instant"),
    [
        (0.0, "1970-01-01 00:00:00"),
        (1768859999.5, "2026-01-19 21:59:59.500000"),
        (-0.5, "1969-12-31 23:59:59.500000"),
        (1e300, None),
        (float("inf"), None),
        ("1768859999", None),
    ],
)
def test_epoch_seconds_are_read(seconds, instant):
    assert instant == oracle_times.of_epoch(seconds)
    if instant:
        assert seconds == oracle_times.to_epoch(instant)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1, 1, True), (1, 1.0, False), (0.0, -0.0, False), ("a", b"a", False), ("", None, False), (0.1, 0.1, True)],
)
def test_cells_are_compared_with_their_storage_class(one, other, same):
    assert same is oracle_cells.same(one, other)


@pytest.mark.parametrize(
    ("value", "declared", "stored"),
    [
        (5, "REAL", 5.0),
        (-0.0, "REAL", 0.0),
        ("12", "INTEGER", 12),
        (5.0, "INTEGER", 5),
        (5, "TEXT", "5"),
        ("2026", "TIMESTAMP", 2026),
        ("2026-01-17 05:11:22", "TIMESTAMP", "2026-01-17 05:11:22"),
        ("wallet:abc", "INTEGER", "wallet:abc"),
        ("\udcff", "REAL", "\udcff"),
        (b"5", "INTEGER", b"5"),
    ],
)
def test_affinity_is_what_sqlite_makes_of_a_value(value, declared, stored):
    affinity = oracle_cells.Affinity()

    assert oracle_cells.same(stored, affinity.stored(value, declared))


def test_members_of_an_object_are_read_with_the_text_that_says_them():
    text = '{"a": 1.50 , "b":{"t":"00ff"},"a":2, "c":"x\\u0000y"}'

    assert {
        "a": (1.5, " 1.50 "),
        "b": ("\0\udcff", '{"t":"00ff"}'),
        "c": ("x", '"x\\u0000y"'),
        oracle_cells.TWINS: (True, ""),
    } == oracle_cells.members(text)
    assert oracle_cells.members(text[:-1]) is None
    assert oracle_cells.members("[1]") is None
    assert oracle_cells.members("{} {}") is None


@pytest.mark.parametrize("text", ["{", "NaN", "[1", '{"a":1}\0', b"{}", None, "\udcff"])
def test_what_is_no_json_says_nothing(text):
    assert oracle_cells.parsed(text) is None


def test_a_report_shows_a_digest_unless_values_are_asked_for():
    assert oracle_cells.shown(None, values=False) == "NULL"
    assert "secret" not in oracle_cells.shown("secret", values=False)
    assert oracle_cells.shown("secret", values=True) == "TEXT 'secret'"


def test_a_position_is_worked_out_by_hand():
    reading = reading_of("jarvis.positions")
    legacy = dict.fromkeys(reading.columns) | {
        "id": "e90867f9", "symbol": "BONK", "token_mint": "Mint", "entry_price": 2.0, "take_profit_price": 3.0,
        "stop_loss_price": 0.0, "status": "closed_tp", "opened_at": "2026-01-13T06:22:36", "closed_at": "", "user_id": 0,
    }  # fmt: skip

    said = {name: say(legacy) for name, say in reading.forward.items()}

    assert (50.0, None, "closed") == (said["take_profit_percent"], said["stop_loss_percent"], said["status"])
    assert ("2026-01-13 06:22:36", None, None) == (said["entry_time"], said["exit_time"], said["user_id"])
    assert reading.documents["metadata"]["legacy_status"](legacy) == "closed_tp"


@pytest.mark.parametrize(
    ("role", "content", "kind"),
    [
        ("assistant", "/x", "response"),
        ("user", "/x", "command"),
        ("user", "cli: x", "command"),
        ("user", "x", "query"),
        (None, "/x", None),
    ],
)
def test_a_message_is_of_a_kind(role, content, kind):
    assert kind == reading_of("telegram_memory.messages").forward["message_type"]({"role": role, "content": content})


@pytest.mark.slow
def test_above_a_number_of_rows_a_sample_by_key_is_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(table_judge, "EVERY_ROW_UP_TO", 250)
    legacy = made_sets.specimen(tmp_path / "data", rows=300)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    judged = consolidated_set.subject(made_sets.migrated(legacy, scratch), scratch)
    pair = case_of(legacy, judged, scratch, config_file.beside(legacy), lineage.choose)

    found = pair.reader.judge("analytics.telegram_messages")

    assert 0 < found.rows < found.of
    assert ([], []) == (found.values, found.rebuilt)


@pytest.mark.slow
def test_what_no_sample_may_leave_out_is_judged_in_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr(table_judge, "EVERY_ROW_UP_TO", 1)
    legacy = made_sets.specimen(tmp_path / "data", rows=300)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    judged = consolidated_set.subject(made_sets.migrated(legacy, scratch), scratch)
    pair = case_of(legacy, judged, scratch, config_file.beside(legacy), lineage.choose)
    (messages,) = pair.reader.readings("analytics.telegram_messages")
    with closing(sqlite3.connect(judged.copy("analytics"))) as connection, connection:
        connection.execute(
            "UPDATE telegram_messages SET message_type = 'notification' WHERE message_type <> 'notification'"
        )
        connection.execute(
            "UPDATE lineage SET rest = NULL WHERE rowid = (SELECT max(rowid) FROM lineage"
            " WHERE source = 'metrics.metrics_1m' AND rest IS NOT NULL)"
        )

    doubted = json_columns.doubted(pair, messages)
    metrics = pair.reader.judge("analytics.metrics")

    assert doubted.rebuilt
    assert all(": role: " in finding for finding in doubted.rebuilt)
    assert metrics.of == metrics.rows
    assert any("metrics.metrics_1m" in finding for finding in metrics.rebuilt)


@pytest.mark.parametrize(
    ("counts", "most"),
    [
        ([], 200_000),
        ([7, 100_000, 99_993], 200_000),
        ([10, 20, 1_000_000], 199_970),
        ([50_000, 300_000, 300_000], 75_000),
    ],
)
def test_small_tables_are_judged_whole_and_the_largest_share_what_is_left(counts, most):
    assert most == table_judge.most_of_each(counts)
    assert sum(min(count, most) for count in counts) <= table_judge.EVERY_ROW_UP_TO


@pytest.mark.slow
def test_what_lies_on_the_disk_or_comes_by_parts_says_the_same(tmp_path, monkeypatch):
    """No specimen of a test is so large that it would by itself."""
    legacy = made_sets.specimen(tmp_path / "data", rows=2_000)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    judged = consolidated_set.subject(made_sets.migrated(legacy, scratch), scratch)
    found = {}
    for in_memory, at_once in ((20_000, 500), (3, 2)):
        monkeypatch.setattr(spilling_map, "IN_MEMORY", in_memory)
        monkeypatch.setattr(row_accounting, "KEYS_AT_ONCE", at_once)
        pair = case_of(legacy, judged, scratch, config_file.beside(legacy), lineage.choose)
        found[at_once] = {
            one.source: (pair.reader.judge(one.target), list(row_accounting.quarantined(pair, one)))
            for one in pair.reader.all_readings
        }

    said, parts = found[500], found[2]
    assert {source: kept for source, (_, kept) in said.items()} == {source: kept for source, (_, kept) in parts.items()}
    assert sum(len(kept) for _, kept in said.values()) > 100
    assert all(kept and legacy_rows for _, every in said.values() for _, kept, legacy_rows in every)
    for judgements in found.values():
        assert {one.rows for one, _ in judgements.values()} == {one.of for one, _ in judgements.values()}
        assert [] == [finding for one, _ in judgements.values() for finding in (*one.values, *one.rebuilt)]
