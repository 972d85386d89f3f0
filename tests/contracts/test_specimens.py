"""All other tests rely on specimens: these agree with their manifests."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
import tomllib
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.specimens import row_counts
from contracts.specimens.generator import Manifest, make
from contracts.specimens.hazards.register import LEFT_OUT
from migrator.errors import UsageError
from migrator.schema import catalogue

#: Every hazard that is known, by the letter of its home and the number of the last one there.
KNOWN = {
    f"{letter}{number}"
    for letter, last in {
        "G": 20, "P": 9, "T": 9, "O": 4, "S": 7, "X": 6, "W": 4, "M": 6, "U": 4, "E": 5,
        "A": 8, "N": 4, "C": 7, "H": 5, "K": 3, "L": 5, "B": 4, "R": 3,
    }.items()
    for number in range(1, last + 1)
}  # fmt: skip
OF_SQLITE_ITSELF = {f"Z{number}" for number in range(1, 10)}

PRODUCTION = {
    "ai_memory.db": {"memories": 0},
    "alerts.db": {"alert_triggers": 0, "alerts": 0, "webhook_configs": 0},
    "backtests.db": {"backtest_results": 0, "backtest_trades": 0},
    "bot_health.db": {"bot_activity": 0, "bot_errors": 0, "bot_health_history": 0},
    "bots/twitter/engagement.db": {"audience_snapshots": 0, "metrics_history": 0, "threads": 0, "tweet_metrics": 0},
    "cache/file_cache.db": {"cache_entries": 4},
    "call_tracking.db": {"calls": 550, "factor_stats": 0, "outcomes": 0, "probability_model": 0, "trades": 14},
    "community/achievements.db": {"badge_progress": 0, "user_badges": 0},
    "custom.db": {"products": 3},
    "database.db": {"calls": 0, "factor_stats": 0, "outcomes": 0, "probability_model": 0, "trades": 0},
    "distributions.db": {"distributions": 0},
    "health.db": {"health_history": 0, "system_snapshots": 0},
    "jarvis.db": {
        "daily_stats": 0, "error_logs": 1, "items": 10, "memory_entries": 0, "pick_performance": 636, "positions": 33,
        "scorecard": 1, "test": 1, "trade_learnings": 1, "trades": 27, "treasury_orders": 0, "treasury_stats": 1,
        "users": 0,
    },
    "jarvis_admin.db": {"engagement": 325, "messages": 706, "mod_actions": 3, "upgrade_ideas": 5, "users": 70},
    "jarvis_memory.db": {
        "entities": 0, "facts": 0, "interactions": 0, "predictions": 0, "reflections": 0, "schema_version": 1,
        "settings": 0, "trust": 0,
    },
    "jarvis_spam_protection.db": {"blocked_users": 0, "jarvis_tweets": 77, "scanned_quotes": 1},
    "jarvis_x_memory.db": {
        "content_fingerprints": 41, "content_queue": 0, "external_replies": 0, "interactions": 0,
        "mention_replies": 25, "token_mentions": 31, "tweets": 217, "users": 0,
    },
    "llm_costs.db": {"budget_alerts": 0, "llm_daily_stats": 1, "llm_usage": 19},
    "memory/long_term.db": {"consolidation_log": 0, "memories": 0, "memory_relations": 0},
    "metrics.db": {"alert_history": 0, "metrics_1h": 0, "metrics_1m": 0},
    "raid_bot.db": {"raid_config": 6, "raid_participations": 0, "raid_users": 0, "raids": 0, "weekly_winners": 0},
    "rate_limiter.db": {"limit_stats": 0, "rate_configs": 5, "request_log": 0},
    "recycle_test.db": {},
    "research.db": {"knowledge_graph": 0, "research_log": 0, "research_notes": 0},
    "sentiment.db": {
        "aggregated_sentiment": 0, "component_correlations": 0, "predictions": 1, "sentiment_readings": 0,
        "weight_history": 0,
    },
    "tax.db": {"sales": 1, "tax_lots": 1, "wash_sales": 0},
    "telegram_memory.db": {"instructions": 0, "learnings": 25, "memories": 1, "messages": 1734},
    "treasury_trades.db": {"daily_snapshots": 0, "treasury_trades": 28},
    "whales.db": {"whale_alerts": 0, "whale_movements": 0, "whale_wallets": 0},
}  # fmt: skip


class Set:
    """A specimen and its manifest."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest

    def all(self, file: str, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.directory / file)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            return connection.execute(sql).fetchall()

    def one(self, file: str, sql: str) -> object:
        return self.all(file, sql)[0][0]


def _made(factory: pytest.TempPathFactory, **options: Any) -> Set:
    directory = factory.mktemp("specimen")
    return Set(directory, make(directory, **options))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Set:
    return _made(tmp_path_factory)


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Set:
    return _made(tmp_path_factory, dirty=True)


@pytest.fixture(scope="module")
def waled(tmp_path_factory: pytest.TempPathFactory) -> Set:
    """A set with WALs, never opened in its place: that would checkpoint them."""
    return _made(tmp_path_factory, wal=True)


@pytest.fixture(scope="module")
def specified(tmp_path_factory: pytest.TempPathFactory) -> Set:
    return _made(tmp_path_factory, variant="specified")


def test_a_set_has_29_files_with_the_rows_of_production(clean: Set) -> None:
    assert clean.manifest.files == PRODUCTION
    assert len(PRODUCTION) == 29
    assert clean.manifest.total_rows == 4_606
    for file, tables in PRODUCTION.items():
        for table, rows in tables.items():
            assert clean.one(file, f'SELECT count(*) FROM "{table}"') == rows, (file, table)


def test_files_look_as_the_bot_leaves_them(clean: Set) -> None:
    found = {path.relative_to(clean.directory).as_posix() for path in clean.directory.rglob("*") if path.is_file()}
    assert found - {f"{file}-{part}" for file in PRODUCTION for part in ("wal", "shm")} == {
        *PRODUCTION,
        "specimen.json",
        "migrator.toml",
    }
    waling = set()
    for file in PRODUCTION:
        path = clean.directory / file
        header = path.read_bytes()[:20]
        assert header.startswith(b"SQLite format 3\x00"), file
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        if header[18:20] == b"\x02\x02":
            waling.add(file)
    assert waling == {"jarvis.db", "jarvis_memory.db", "jarvis_x_memory.db"}
    assert clean.all("recycle_test.db", "SELECT * FROM sqlite_schema") == []


def test_the_manifest_and_the_configuration_lie_beside_the_files(dirty: Set) -> None:
    written = json.loads((dirty.directory / "specimen.json").read_text())
    assert written["schema"] == 1
    assert written["seed"] == 0
    assert set(written["versions"]) == {"faker", "python", "sqlite"}
    assert written["files"] == dirty.manifest.files
    assert written["quarantine"] == dirty.manifest.quarantine

    config = tomllib.loads((dirty.directory / "migrator.toml").read_text())
    assert {} == config["decisions"]
    assert config["constants"]["local_utc_offset"] == "-06:00"
    assert len(config["constants"]["wallet_address"]) in {43, 44}


@pytest.mark.parametrize("variant", ["found", "specified"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, variant: str) -> None:
    for name in ("a", "b"):
        make(tmp_path / name, variant=variant, seed=5, rows=900, dirty=True)
    first = sorted(path for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(first) == 31
    today = datetime.now(UTC).date().isoformat().encode()
    for path in first:
        assert today not in path.read_bytes(), f"{path} looked at the clock"
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path


def test_another_seed_gives_other_data_of_the_same_size(clean: Set, tmp_path: Path) -> None:
    other = Set(tmp_path / "other", make(tmp_path / "other", seed=1))
    assert other.manifest.files == clean.manifest.files
    for file, table in (("jarvis.db", "positions"), ("telegram_memory.db", "messages"), ("call_tracking.db", "calls")):
        rows = f"SELECT * FROM {table}"
        assert other.all(file, rows) != clean.all(file, rows)


@pytest.mark.parametrize("rows", [0, 1, 10, 60, 300, 4_605, 4_606, 4_607, 20_000, 1_000_000])
def test_as_many_rows_as_asked_for(rows: int) -> None:
    assert sum(row_counts.found(rows).values()) == rows
    assert sum(row_counts.specified(rows).values()) == rows
    assert min(row_counts.found(rows).values()) >= 0


def test_a_larger_set_grows_where_rows_are_mapped_and_has_all_of_those_tables() -> None:
    large = row_counts.found(50_000)
    assert all(large[table] == rows for table, rows in row_counts.OTHERS.items())
    assert all(large[table] for table in row_counts.MAPPED)
    assert large["jarvis.scorecard"] == 1
    assert large["telegram_memory.messages"] / large["call_tracking.calls"] == pytest.approx(1_734 / 550, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [0, 3, 5_000])
@pytest.mark.parametrize("variant", ["found", "specified"])
def test_a_set_of_any_size_can_be_made(tmp_path: Path, rows: int, variant: str) -> None:
    assert make(tmp_path / "set", rows=rows, variant=variant).total_rows == rows


def test_rows_in_a_wal_count_and_are_missing_without_it(waled: Set, clean: Set, tmp_path: Path) -> None:
    assert waled.manifest.files == clean.manifest.files
    only_there = {hazard.where: hazard.count for hazard in waled.manifest.hazards if hazard.id == "G7"}
    assert only_there.keys() == {"jarvis", "jarvis_memory", "jarvis_x_memory"}
    for name, missing in only_there.items():
        source = waled.directory / f"{name}.db"
        (tmp_path / "whole.db").write_bytes(source.read_bytes())
        (tmp_path / "whole.db-wal").write_bytes(source.with_name(f"{name}.db-wal").read_bytes())
        (tmp_path / "bare.db").write_bytes(source.read_bytes())
        tables = waled.manifest.files[f"{name}.db"]
        bare, whole = Set(tmp_path, waled.manifest), {}
        for table, rows in tables.items():
            whole[table] = bare.one("whole.db", f'SELECT count(*) FROM "{table}"')
            assert whole[table] == rows
        left = sum(int(str(bare.one("bare.db", f'SELECT count(*) FROM "{table}"'))) for table in tables)
        assert sum(tables.values()) - left == missing
        assert bare.one("whole.db", "PRAGMA integrity_check") == "ok"
        if name == "jarvis":
            assert bare.one("bare.db", "SELECT count(*) FROM scorecard") == 0
        for path in tmp_path.iterdir():
            path.unlink()


def test_a_wal_changes_where_rows_are_and_not_which(waled: Set, clean: Set, tmp_path: Path) -> None:
    for suffix in ("", "-wal"):
        (tmp_path / f"jarvis.db{suffix}").write_bytes((waled.directory / f"jarvis.db{suffix}").read_bytes())
    copy = Set(tmp_path, waled.manifest)
    for table in ("positions", "trades", "pick_performance", "scorecard"):
        assert copy.all("jarvis.db", f"SELECT * FROM {table}") == clean.all("jarvis.db", f"SELECT * FROM {table}")


def test_histories_hang_together(tmp_path: Path) -> None:
    made = Set(tmp_path / "set", make(tmp_path / "set", rows=9_000))
    jarvis = "jarvis.db"
    assert made.all(jarvis, "SELECT id FROM trades WHERE position_id NOT IN (SELECT id FROM positions)") == []
    assert made.all(jarvis, "SELECT id FROM trades WHERE id <> side || '_' || position_id") == []
    assert (
        made.all(jarvis, "SELECT token_mint FROM positions WHERE status = 'open' GROUP BY 1 HAVING count(*) > 1") == []
    )
    assert int(str(made.one(jarvis, "SELECT count(*) - count(DISTINCT token_mint) FROM positions"))) > 5
    wrapped = (
        "SELECT count(*) FROM positions WHERE status <> 'open' AND token_mint LIKE 'So1111%' AND exit_price = 100.0"
    )
    assert made.one(jarvis, wrapped) == 5
    signatures = {row[0] for row in made.all(jarvis, "SELECT tx_signature FROM trades")}
    lots = {row[0] for row in made.all("tax.db", "SELECT tx_id FROM tax_lots")}
    assert lots
    assert lots <= signatures
    swaps = {row[0] for row in made.all("treasury_trades.db", "SELECT signature FROM treasury_trades")}
    assert swaps & signatures
    assert swaps - signatures - {None}


def test_values_look_as_the_bot_writes_them(clean: Set) -> None:
    mints = [str(row[0]) for row in clean.all("jarvis.db", "SELECT token_mint FROM positions")]
    assert all(43 <= len(mint) <= 44 and not set(mint) & set("0OIl") for mint in mints)
    ids = [str(row[0]) for row in clean.all("jarvis.db", "SELECT id FROM positions")]
    assert all(len(id_) == 8 and set(id_) <= set("0123456789abcdef") for id_ in ids)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?)", [(id_,) for id_ in ids])
        numeric = connection.execute("SELECT count(*) FROM t WHERE typeof(id) <> 'text'").fetchone()[0]
    assert numeric >= 2
    spellings = "SELECT sum(opened_at LIKE '%+00:00'), sum(opened_at NOT LIKE '%+00:00') FROM positions"
    assert all(int(str(count)) > 5 for count in clean.all("jarvis.db", spellings)[0])
    assert clean.one(
        "telegram_memory.db", "SELECT max(user_id) > 2147483648 AND min(chat_id) < -1000000000000 FROM messages"
    )
    assert clean.one("llm_costs.db", "SELECT provider || ' ' || cost_usd FROM llm_usage WHERE id = 1") == "groq 9.9e-05"
    assert (
        clean.one("cache/file_cache.db", "SELECT DISTINCT typeof(value) || typeof(expires_at) FROM cache_entries")
        == "blobreal"
    )
    assert clean.one("jarvis_memory.db", "PRAGMA integrity_check") == "ok"


def test_every_known_hazard_is_planted_or_there_is_a_reason(dirty: Set) -> None:
    planted = {hazard.id for hazard in dirty.manifest.hazards}
    assert planted | LEFT_OUT.keys() | {"G7"} == KNOWN | OF_SQLITE_ITSELF
    assert not planted & LEFT_OUT.keys()
    assert all(hazard.count > 0 for hazard in dirty.manifest.hazards)


@pytest.mark.parametrize(
    ("file", "sql", "expected"),
    [
        ("jarvis.db", "SELECT count(*) FROM positions WHERE id IS NULL", 2),
        ("jarvis.db", "SELECT max(n) FROM (SELECT count(*) AS n FROM trades WHERE tx_signature <> '' GROUP BY tx_signature)", 3),
        ("jarvis.db", "SELECT group_concat(status, '|') FROM (SELECT status FROM positions WHERE status NOT LIKE 'closed%' AND status <> 'open' GROUP BY 1 ORDER BY 1)", "|OPEN|failed|liquidated|lost|sunk|unknown|vanished"),
        ("jarvis.db", "SELECT count(*) FROM trades WHERE timestamp = '2026-02-30T10:00:00+00:00'", 1),
        ("jarvis.db", "SELECT count(*) FROM trades WHERE timestamp LIKE '%T24:00%' OR timestamp LIKE '%:60+%'", 2),
        ("jarvis.db", "SELECT count(*) FROM positions WHERE typeof(pnl_pct) = 'text'", 1),
        ("jarvis.db", "SELECT count(*) FROM positions WHERE pnl_sol IN (9e999, -9e999)", 2),
        ("jarvis.db", "SELECT count(*) FROM treasury_orders WHERE NOT json_valid(order_json)", 2),
        ("jarvis.db", "SELECT last_updated FROM scorecard", ""),
        ("telegram_memory.db", "SELECT count(*) FROM messages WHERE instr(CAST(content AS BLOB), x'00') AND typeof(content) = 'text'", 4),
        ("telegram_memory.db", "SELECT count(*) FROM messages WHERE CAST(content AS BLOB) = x'ff' AND typeof(content) = 'text'", 1),
        ("telegram_memory.db", "SELECT count(*) FROM messages WHERE typeof(content) = 'blob'", 3),
        ("telegram_memory.db", "SELECT count(*) FROM messages WHERE user_id = 9007199254740993", 1),
        ("telegram_memory.db", "SELECT seq - (SELECT max(id) FROM messages) FROM sqlite_sequence WHERE name = 'messages'", 1000),
        ("bot_health.db", "SELECT seq FROM sqlite_sequence WHERE name = 'bot_errors'", 500),
        ("jarvis_memory.db", "SELECT count(*) FROM reflections_fts WHERE reflections_fts MATCH 'zzbefore'", 1),
        ("jarvis_memory.db", "SELECT count(*) FROM reflections_fts WHERE reflections_fts MATCH 'zzafter'", 0),
        ("jarvis_memory.db", "SELECT count(*) FROM entities WHERE name = 'Jarvis'", 3),
        ("jarvis_memory.db", "SELECT count(DISTINCT entity) FROM facts WHERE entity NOT IN (SELECT name FROM entities)", 2),
        ("whales.db", "SELECT count(*) FROM pragma_foreign_key_check", 2),
        ("tax.db", "SELECT count(*) FROM wash_sales WHERE replacement_lot_id IS NULL", 1),
        ("alerts.db", "SELECT count(*) FROM pragma_table_info('alerts') WHERE name = 'severity'", 1),
        ("treasury_trades.db", "SELECT max(amount_out) FROM treasury_trades", 2**63 - 1),
    ],
)  # fmt: skip
def test_hazards_are_there(dirty: Set, file: str, sql: str, expected: object) -> None:
    assert dirty.one(file, sql) == expected


def test_a_clean_set_is_refused_in_part_too(clean: Set) -> None:
    """Production's own history breaks the specification: a token that was traded again, a call without a mint."""
    again = "SELECT count(*) - count(DISTINCT token_mint) FROM positions"
    assert clean.manifest.quarantine["core.positions"] == clean.one("jarvis.db", again)
    assert clean.manifest.quarantine.keys() == {"core.positions", "analytics.calls"}


def test_specified_sources_have_the_targets_tables(specified: Set) -> None:
    assert len(specified.manifest.files) == 29
    assert "cache/file_cache.db" not in specified.manifest.files
    for name, (_, tables) in catalogue.SPECIFIED.items():
        place = next(legacy.place for legacy in catalogue.legacy_databases() if legacy.name == name)
        assert set(specified.manifest.files[str(place)]) == set(tables), name
        for shape in catalogue.shapes_of(name):
            if shape.variant == "specified":
                columns = specified.all(
                    str(place), f"SELECT name, type FROM pragma_table_xinfo('{shape.table}') WHERE hidden <> 1"
                )
                assert {(str(column).lower(), str(kind).upper()) for column, kind in columns} == shape.columns


def test_specified_rows_go_into_the_target_as_they_are(specified: Set) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as target:
        for ddl in ("core", "analytics", "cache"):
            target.executescript(catalogue.target_ddl(ddl))
        target.execute("PRAGMA foreign_keys = OFF")
        for name, (_, tables) in catalogue.SPECIFIED.items():
            place = next(legacy.place for legacy in catalogue.legacy_databases() if legacy.name == name)
            target.execute("ATTACH ? AS legacy", (str(specified.directory / place),))
            for table in tables:
                target.execute(f"INSERT INTO main.{table} SELECT * FROM legacy.{table}")
            target.execute("DETACH legacy")
        assert target.execute("PRAGMA foreign_key_check").fetchall() == []
        assert target.execute("SELECT count(*) FROM positions").fetchone() == (33,)
        odd = "SELECT count(*) FROM trades WHERE datetime(timestamp, '+0 days') || '' <> substr(timestamp, 1, 19)"
        assert target.execute(odd).fetchone() == (0,)
    assert specified.manifest.quarantine == {}


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(UsageError, match="is not empty; name a directory"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("options", [{"variant": "imagined"}, {"rows": -1}])
def test_nonsense_is_refused_before_anything_is_made(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "contracts.specimens", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_prints_one_object(tmp_path: Path) -> None:
    result = _run(tmp_path / "set", "--rows", 60, "--seed", 2, "--dirty", "--wal", "--json")
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed["schema"] == 1
    assert (printed["rows"], printed["seed"], printed["dirty"], printed["wal"]) == (60, 2, True, True)
    assert printed == json.loads((tmp_path / "set" / "specimen.json").read_text())


def test_the_command_says_no_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    result = _run(tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.strip() == f"Error: {tmp_path}: is not empty; name a directory that is empty or does not exist"


def test_every_target_that_can_refuse_has_a_row_to_refuse(dirty: Set) -> None:
    assert set(dirty.manifest.quarantine) == {
        *(f"core.{table}" for table in ("positions", "trades", "treasury_orders", "tax_lots", "wash_sales")),
        *(
            f"analytics.{table}"
            for table in ("telegram_messages", "tweets", "ai_entities", "sentiment_readings", "calls")
        ),
        *(f"analytics.{table}" for table in ("call_outcomes", "whale_wallets", "whale_movements")),
        *("cache.cache_entries", "cache.rate_limiter_logs"),
    }
