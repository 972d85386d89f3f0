"""Sets that are odd and sound: the contracts find nothing against what was built from them.  Each was once a false alarm."""

import sqlite3
from contextlib import closing

import pytest
import sqlite_features

from contracts.specimens import generator
from migrator.config import config_file
from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify.evidence import Outcome, Why
from migrator.switch.workspace import Workspace

pytestmark = pytest.mark.slow

ODD = {
    "jarvis.db": (
        # An UPDATE of an AUTOINCREMENT id moves no mark.
        "UPDATE pick_performance SET id = 1700000000 WHERE id = (SELECT max(id) FROM pick_performance)",
        # Nothing is left in which a lost link could be planted.
        "UPDATE trades SET position_id = NULL",
    ),
    # A count that is no INTEGER, since none is so large.
    "metrics.db": ("UPDATE metrics_1h SET total_requests = 1e30 WHERE id = (SELECT min(id) FROM metrics_1h)",),
}


def test_odd_and_sound_is_go(tmp_path):
    generator.make(tmp_path / "data", seed=5, rows=1500)
    for name, statements in ODD.items():
        with closing(sqlite3.connect(tmp_path / "data" / name, isolation_level=None)) as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount > 0, statement
    workspace, toml = Workspace(tmp_path / "data"), tmp_path / "data" / "migrator.toml"

    done = pipeline_migrate.migrate(workspace, config_file.load(toml), toml)

    assert [] == [one.name for one in done.verified.broken]
    assert done.built.holds
    # Where nothing could be spoilt, nothing was asked, and that is no reason against the set.
    skipped = [one for one in verify_evidence.read(workspace.evidence).contracts if one.verdict is Outcome.SKIPPED]
    assert {Why.NO_DATA} == {one.why for one in skipped}
    assert "verify/every_known_position_is_linked[can_fail]" in {one.id for one in skipped}


#: Tables whose key is text, by file: each could have been made WITHOUT ROWID, and its columns would be the same.
TEXT_KEYS = {
    "jarvis.db": ("positions", "trades", "treasury_orders"),
    "call_tracking.db": ("calls", "outcomes"),
    "whales.db": ("whale_wallets",),
    "cache/file_cache.db": ("cache_entries",),
    "rate_limiter.db": ("request_log",),
}


def test_known_tables_without_a_rowid_and_a_module_nobody_has(tmp_path):
    """The columns decide; the virtual table is refused until the owners leave it behind, what lies beside it is carried."""
    generator.make(tmp_path / "data", seed=5, rows=1500, dirty=True)
    for name, tables in TEXT_KEYS.items():
        with closing(sqlite3.connect(tmp_path / "data" / name, isolation_level=None)) as connection:
            for table in tables:
                create, key = connection.execute(
                    "SELECT sql, (SELECT name FROM pragma_table_info(s.name) WHERE pk) FROM sqlite_schema AS s"
                    " WHERE name = ? AND type = 'table'",
                    (table,),
                ).fetchone()
                connection.execute(f"ALTER TABLE {table} RENAME TO before")
                connection.execute(f"CREATE TABLE {table} {create[create.index('(') :]} WITHOUT ROWID")
                connection.execute(f"INSERT INTO {table} SELECT * FROM before WHERE {key} IS NOT NULL")
                connection.execute("DROP TABLE before")
    with closing(sqlite3.connect(tmp_path / "data" / "custom.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE elsewhere_data (row)")
        connection.execute("INSERT INTO elsewhere_data VALUES ('kept')")
        connection.execute("PRAGMA writable_schema = ON")
        made = "CREATE VIRTUAL TABLE elsewhere USING nobody_has_it(a)"
        connection.execute("INSERT INTO sqlite_schema VALUES ('table', 'elsewhere', 'elsewhere', 0, ?)", (made,))
    workspace, toml = Workspace(tmp_path / "data"), tmp_path / "data" / "migrator.toml"
    with pytest.raises(
        Refused, match=r"custom\.db: elsewhere \(nobody_has_it\): is of a module that is not known here"
    ):
        pipeline_migrate.migrate(workspace, config_file.load(toml), toml)
    toml.write_text(toml.read_text().replace("[decisions]", '[decisions]\nleft_behind = ["custom.elsewhere"]'))

    done = pipeline_migrate.migrate(workspace, config_file.load(toml), toml)

    assert [] == [one.name for one in done.verified.broken]
    assert done.built.holds
    accounts = {one.source: one for one in done.built.sources}
    assert accounts["jarvis.positions"].mapped > 10
    assert 1 == accounts["custom.elsewhere_data"].carried


def nested(deep):
    return '{"a":' * deep + "1" + "}" * deep


#: What once made build and contracts disagree: (variant, file, statement).
ODD_CELLS = (
    # An entry price that only begins like a number: build divided by 2026.
    ("found", "jarvis.db", "UPDATE positions SET entry_price = '2026-01-17T10:00:00,5' WHERE status = 'open'"),
    ("found", "jarvis.db", "UPDATE positions SET entry_price = x'31' WHERE rowid = (SELECT max(rowid) FROM positions)"),
    # A replacement lot and a wallet whose names are no UTF-8.
    ("found", "tax.db", "UPDATE wash_sales SET replacement_lot_id = CAST(x'ff' AS TEXT) WHERE id = 1"),
    ("specified", "whales.db", "UPDATE whale_movements SET wallet_address = CAST(x'ff' AS TEXT) WHERE id = 4"),
    # '' names no wallet: NOT NULL refuses it, and no foreign key.
    ("specified", "whales.db", "UPDATE whale_movements SET wallet_address = '' WHERE id = 3"),
    # Parents with the ids that a trial took for free.
    ("specified", "jarvis.db", "UPDATE trades SET id = -1 WHERE id = (SELECT min(id) FROM trades)"),
    # Bytes that are no UTF-8 between blank lines.
    ("found", "jarvis_memory.db", "UPDATE reflections SET lesson = x'8004952e', new_approach = '' WHERE id = 1"),
    # The least integer, which a REAL holds exactly.
    ("found", "metrics.db", "UPDATE metrics_1m SET failed_requests = -9223372036854775807 - 1 WHERE id = 1"),
    # Sound JSON that most parsers give up on, and JSON that is no UTF-8.
    ("found", "llm_costs.db", f"UPDATE llm_usage SET metadata = '{nested(1500)}' WHERE id = 1"),
    ("found", "sentiment.db", f"UPDATE sentiment_readings SET metadata_json = '{nested(600)}' WHERE id = 1"),
    (
        "found",
        "jarvis.db",
        "UPDATE treasury_orders SET order_json = replace(order_json, '{', '{\"x\":\"' || x'ff' || '\",')",
    ),
)


@pytest.mark.parametrize("variant", ["found", "specified"])
def test_odd_cells_are_no_matter_of_opinion(tmp_path, variant):
    """Build and oracle agree on them."""
    generator.make(tmp_path / "data", variant=variant, seed=5, rows=1500)
    for _, name, statement in (one for one in ODD_CELLS if one[0] == variant):
        with closing(sqlite3.connect(tmp_path / "data" / name, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            assert connection.execute(statement).rowcount > 0, statement
    workspace, toml = Workspace(tmp_path / "data"), tmp_path / "data" / "migrator.toml"

    done = pipeline_migrate.migrate(workspace, config_file.load(toml), toml)

    assert [] == [(one.name, one.says) for one in done.verified.broken]
    assert done.built.holds


def test_every_feature_of_sqlite_that_is_carried_ends_in_go(tmp_path):
    """Each in a file of its own, beside a specimen: what plan lets through is what all contracts let through."""
    generator.make(tmp_path / "data", seed=5, rows=1500)
    toml = tmp_path / "data" / "migrator.toml"
    carried = [feature for feature, fate in sqlite_features.ROWS.items() if fate != "refused"]
    with toml.open("a", encoding="utf-8") as configuration:
        configuration.write("[files]\n")
        for number, feature in enumerate(carried):
            sqlite_features.make(feature, tmp_path / "data" / f"feature {number}.db")
            configuration.write(f'"feature {number}.db" = "carry:analytics"\n')

    done = pipeline_migrate.migrate(Workspace(tmp_path / "data"), config_file.load(toml), toml)

    assert [] == [(one.name, one.says) for one in done.verified.broken]
    assert done.built.holds
