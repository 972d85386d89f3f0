"""The write-back into the legacy files: their triggers do not run, and tables that triggers maintain are made again."""

import contextlib
import shutil
import sqlite3
from contextlib import closing

import pytest
import small_set

import migrator
from contracts.specimens import generator
from migrator.config import config_file
from migrator.mapping import sql_functions
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import switchover
from migrator.records.observer import Observer
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.rollback import residue as rollback_residue
from migrator.stages.rollback import session as rollback_session
from migrator.switch.workspace import Workspace
from migrator.system import connections

pytestmark = pytest.mark.slow

#: As the cache's writer spells it: the time of its own clock, which the specimen's configuration has at -06:00.
NOON = "2026-02-01T12:00:00.500000"


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    home = tmp_path_factory.mktemp("built")
    generator.make(home / "data", seed=7, rows=300)
    with closing(sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)) as legacy:
        legacy.executescript(
            "CREATE TABLE told (what); CREATE TRIGGER tell AFTER DELETE ON trades BEGIN INSERT INTO told VALUES (1); END"
        )
    workspace, configuration = Workspace(home / "data"), config_file.load(home / "data" / "migrator.toml")
    assert pipeline_migrate.build(
        workspace, configuration, pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace)
    ).holds
    return home


@pytest.fixture(name="data")
def _data(built, tmp_path):
    """A set that was cut over."""
    home = shutil.copytree(built, tmp_path / "home", symlinks=True)
    workspace, configuration = Workspace(home / "data"), config_file.load(home / "data" / "migrator.toml")
    snapshot = backup_stage.latest(workspace.backups, read_back=inventory)
    wanted = cutover_stage.prepare(pipeline_migrate.plan(workspace, configuration), snapshot, home / ".env")
    assert cutover_stage.cutover(wanted, snapshot, observer=Observer()).executed
    return home / "data"


def went_back(data):
    return switchover.rollback(Workspace(data), config_file.load(data / "migrator.toml"), execute=True)


def test_a_constant_that_no_row_needed_before_does_not_keep_anybody_from_going_back(tmp_path):
    home = tmp_path / "home"
    generator.make(home / "data", seed=7, rows=60)
    with closing(sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)) as legacy:
        legacy.execute("DELETE FROM positions")
    toml = home / "data" / "migrator.toml"
    toml.write_text("".join(line for line in toml.read_text().splitlines(True) if "wallet" not in line))
    small_set.build(home)
    small_set.cut_over(home)
    with closing(
        migrator.connect("jarvis.db", schema="consolidated", data_dir=home / "data", isolation_level=None)
    ) as core:
        core.execute(
            "INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, wallet_address)"
            " VALUES ('A', 'mint', 1, 1, 1, 'open', 'W')"
        )

    done = small_set.roll_back(home)

    assert ({"inserted": 1}, {"core.positions": 1}) == (dict(done.written["jarvis.positions"]), dict(done.residue))
    assert [("W",)] == residue(home / "data", "SELECT wallet_address FROM core_positions")


def test_a_rowid_that_names_a_row_is_kept(tmp_path):
    """As specified the reflections are a full-text table: after the last row was deleted, the next keeps its own number."""
    home = tmp_path / "home"
    generator.make(home / "data", seed=3, rows=300, variant="specified")
    small_set.build(home)
    small_set.cut_over(home)
    reflection = "INSERT INTO ai_reflections (rowid, content) VALUES (?, 'zanzibar')"
    with closing(
        migrator.connect("jarvis_memory.db", schema="consolidated", data_dir=home / "data", isolation_level=None)
    ) as memory:
        (last,) = memory.execute("SELECT max(rowid) FROM ai_reflections").fetchone()
        memory.execute(reflection, (last + 1,))
        memory.execute("DELETE FROM ai_reflections WHERE rowid = ?", (last,))

    done = small_set.roll_back(home)

    assert ({"inserted": 1, "deleted": 1}, {}) == (
        dict(done.written["jarvis_memory.ai_reflections"]),
        dict(done.residue),
    )
    with closing(sqlite3.connect(home / "data" / "jarvis_memory.db")) as legacy:
        found = legacy.execute("SELECT rowid FROM ai_reflections WHERE ai_reflections MATCH 'zanzibar'").fetchall()
        assert [(last + 1,)] == found


def triggers(path):
    with closing(sqlite3.connect(path)) as legacy:
        return legacy.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1").fetchall()


def test_what_the_assistant_learnt_and_forgot_goes_back_and_can_be_searched(data):
    before = triggers(data / "backup" / "0001" / "jarvis_memory.db")
    with closing(
        migrator.connect("jarvis_memory.db", schema="consolidated", data_dir=data, isolation_level=None)
    ) as memory:
        (gone,) = memory.execute("SELECT min(id) FROM ai_facts").fetchone()
        memory.execute("DELETE FROM ai_facts WHERE id = ?", (gone,))
        memory.execute("UPDATE ai_facts SET fact = 'zanzibar twice' WHERE id = (SELECT max(id) FROM ai_facts)")
        (entity,) = memory.execute("SELECT min(id) FROM ai_entities").fetchone()
        memory.execute("INSERT INTO ai_facts (entity_id, fact) VALUES (?, 'zanzibar once')", (entity,))
        memory.execute("INSERT INTO ai_reflections (content, timestamp) VALUES ('a\n\nquagga', '2026-02-01 00:00:00')")

    done = went_back(data)

    assert (True, {}) == (done.executed, dict(done.residue))
    assert {"inserted": 1, "updated": 1, "deleted": 1} == dict(done.written["jarvis_memory.facts"])
    assert before == triggers(data / "jarvis_memory.db") != []
    with closing(sqlite3.connect(data / "jarvis_memory.db")) as legacy:
        for index in ("facts_fts", "reflections_fts"):
            legacy.execute(f"INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)")
        assert [("zanzibar once",), ("zanzibar twice",)] == legacy.execute(
            "SELECT fact FROM facts_fts WHERE facts_fts MATCH 'zanzibar' ORDER BY fact"
        ).fetchall()
        assert [(1,)] == legacy.execute(
            "SELECT count(*) FROM reflections_fts WHERE reflections_fts MATCH 'quagga'"
        ).fetchall()


def test_a_trigger_of_a_legacy_file_does_not_run(data):
    before = triggers(data / "backup" / "0001" / "jarvis.db")
    with closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=data, isolation_level=None)) as core:
        core.execute("DELETE FROM trades WHERE id = (SELECT max(id) FROM trades)")

    done = went_back(data)

    assert {"deleted": 1} == dict(done.written["jarvis.trades"])
    assert before == triggers(data / "jarvis.db") != []
    with closing(sqlite3.connect(data / "jarvis.db")) as legacy:
        assert [(0,)] == legacy.execute("SELECT count(*) FROM told").fetchall()


def test_rows_deleted_from_a_carried_table_are_deleted_as_often_as_they_were(data):
    """Rows of a table without a key may be alike: as many go as went."""
    with closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=data, isolation_level=None)) as core:
        core.execute("INSERT INTO legacy_jarvis_told VALUES (1), (1), (1.0), ('1')")
        core.execute("DELETE FROM legacy_jarvis_told WHERE rowid IN (SELECT min(rowid) FROM legacy_jarvis_told)")
        sizes = {
            table: core.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for (table,) in core.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'legacy_jarvis_*'"
            )
        }
        most = max(sizes, key=sizes.__getitem__)
        core.execute(f"DELETE FROM {most} WHERE rowid > (SELECT min(rowid) FROM {most})")

    done = went_back(data)

    assert sizes[most] > 2
    assert ({"inserted": 3}, {"deleted": sizes[most] - 1}) == (
        dict(done.written["jarvis.told"]),
        dict(done.written[f"jarvis.{most.removeprefix('legacy_jarvis_')}"]),
    )
    with closing(sqlite3.connect(data / "jarvis.db")) as legacy:
        assert {("integer", 1), ("real", 1), ("text", 1)} == set(
            legacy.execute("SELECT typeof(what), count(*) FROM told GROUP BY 1")
        )


def test_a_time_goes_back_as_the_clock_of_its_writer_shows_it(tmp_path):
    """The offset is the one that the set was built with, not that of the present configuration."""
    data = tmp_path / "home" / "data"
    generator.make(data, seed=7, rows=60)
    with closing(sqlite3.connect(data / "cache.db", isolation_level=None)) as legacy:
        (ddl,) = [one.ddl for one in catalogue.legacy_databases() if one.name == "cache_db"]
        legacy.executescript(ddl)
        legacy.execute(
            "INSERT INTO cache (key, value, created_at, accessed_at) VALUES ('old', x'00', ?, ?)", (NOON,) * 2
        )
    small_set.build(data.parent)
    small_set.cut_over(data.parent)
    configured = data / "migrator.toml"
    configured.write_text(configured.read_text().replace('"-06:00"', '"+03:00"'))
    with closing(migrator.connect("cache.db", schema="consolidated", data_dir=data, isolation_level=None)) as cache:
        cache.execute(
            "INSERT INTO cache_entries VALUES ('new', x'01', '2026-02-02 05:30:00', '2026-02-01 18:00:00.250000')"
        )

    done = went_back(data)

    assert ({}, {"inserted": 1}) == (dict(done.residue), dict(done.written["cache_db.cache"]))
    with closing(sqlite3.connect(data / "cache.db")) as legacy:
        assert [
            ("new", "2026-02-01T12:00:00.250000", "2026-02-01T12:00:00.250000", "2026-02-01T23:30:00"),
            ("old", NOON, NOON, None),
        ] == legacy.execute("SELECT key, created_at, accessed_at, expires_at FROM cache ORDER BY key").fetchall()


ALERT = "INSERT INTO legacy_alerts_alerts (id, name, alert_type, symbol) VALUES"


def residue(data, asked):
    with closing(sqlite3.connect(data / "backup" / "0001" / "rolled-back" / "residue.db")) as kept:
        return kept.execute(asked).fetchall()


def test_a_key_may_be_null_or_no_text_that_can_be_decoded(data):
    with closing(migrator.connect("jarvis_cache.db", data_dir=data, isolation_level=None)) as cache:
        cache.execute("INSERT INTO cache_entries (key, value) VALUES (NULL, 'one'), (NULL, 'two'), (x'00FF', 'blob')")
        cache.execute(
            "INSERT INTO cache_entries VALUES (CAST(x'FF' AS TEXT), 'odd', '2026-01-02 03:04:05', '2026-01-01 00:00:00')"
        )
        cache.execute("INSERT INTO sessions (session_id, user_id) VALUES (CAST(x'C328' AS TEXT), 1)")

    done = went_back(data)

    assert {"cache.cache_entries": 2, "cache.sessions": 1} == dict(done.residue)
    kept = residue(data, "SELECT why, value FROM cache_cache_entries ORDER BY value")
    assert [("its key is NULL", "one"), ("its key is NULL", "two")] == kept
    with closing(sqlite3.connect(data / "cache" / "file_cache.db")) as legacy:
        assert [("blob",), ("odd",)] == legacy.execute(
            "SELECT value FROM cache_entries WHERE CAST(key AS BLOB) IN (x'FF', x'00FF') ORDER BY value"
        ).fetchall()


def test_what_hangs_on_a_row_that_was_deleted_without_foreign_keys_is_kept(data):
    """A plain connection has foreign keys off: a lot outlives its trade, and another migration would refuse it."""
    with closing(sqlite3.connect(data / "jarvis.db", isolation_level=None)) as core:
        trade, lots = core.execute("SELECT trade_id, count(*) FROM tax_lots GROUP BY 1 ORDER BY 1").fetchone()
        core.execute("DELETE FROM trades WHERE id = ?", (trade,))

    done = went_back(data)

    assert {"deleted": 1} == dict(done.written["jarvis.trades"])
    assert lots == done.residue["core.tax_lots"]
    assert {"a new migration would not build this row: it would quarantine the legacy row, or there is none"} == {
        why for (why,) in residue(data, "SELECT why FROM core_tax_lots")
    }


def test_what_was_written_to_a_column_that_was_added_is_kept(data):
    with closing(sqlite3.connect(data / "jarvis.db", isolation_level=None)) as core:
        core.execute("ALTER TABLE positions ADD COLUMN mood TEXT")
        core.execute("ALTER TABLE positions ADD COLUMN tries INTEGER DEFAULT 3")
        core.execute("ALTER TABLE legacy_alerts_alerts ADD COLUMN mood TEXT")
        core.execute("UPDATE positions SET mood = 'calm' WHERE id = (SELECT min(id) FROM positions)")
        core.execute("UPDATE positions SET tries = 4 WHERE id = (SELECT max(id) FROM positions)")
        core.execute(f"{ALERT} ('glad one', 'n', 't', 's')")
        core.execute("UPDATE legacy_alerts_alerts SET mood = 'glad'")

    done = went_back(data)

    assert {"core.positions": 2, "core.legacy_alerts_alerts": 1} == dict(done.residue)
    assert [("the legacy table has no column mood", "glad")] == residue(
        data, "SELECT why, mood FROM core_legacy_alerts_alerts"
    )
    assert [("calm", 3), (None, 4)] == residue(data, "SELECT mood, tries FROM core_positions ORDER BY tries")


def test_tables_without_rowids_go_back_or_are_kept(data):
    """Under a legacy name, under a new one, and one whose rows the legacy table refuses."""
    with closing(sqlite3.connect(data / "alerts.db", isolation_level=None)) as core:
        core.execute(f"{ALERT} ('there', 'n', 't', 's')")
        core.executescript(
            "CREATE TABLE alerts (id TEXT PRIMARY KEY, name, alert_type, symbol) WITHOUT ROWID;"
            "CREATE TABLE fresh (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;"
            "INSERT INTO alerts VALUES ('new', 'n', 't', 's'), ('there', 'n', 't', 's'); INSERT INTO fresh VALUES (1, 2), (1, '2');"
        )

    done = went_back(data)

    assert {"inserted": 2} == dict(done.written["alerts.alerts"])
    assert {"core.alerts": 1, "core.fresh": 2} == dict(done.residue)
    assert [("there",)] == residue(data, "SELECT id FROM core_alerts")


def test_the_key_of_a_deleted_row_is_not_given_to_another(data):
    """Legacy code that makes its table again numbers its rows from 1; the deleted row 1 must not seem to be back."""
    with closing(sqlite3.connect(data / "llm_costs.db", isolation_level=None)) as analytics:
        (gone,) = analytics.execute("SELECT min(legacy_key) FROM lineage WHERE target = 'llm_costs'").fetchone()
        analytics.execute(
            "DELETE FROM llm_costs WHERE id = (SELECT target_id FROM lineage WHERE target = 'llm_costs' AND legacy_key = ?)",
            (gone,),
        )
        analytics.execute(
            "CREATE TABLE llm_usage (id INTEGER PRIMARY KEY, timestamp, provider, model, input_tokens, output_tokens, cost_usd, success)"
        )
        analytics.execute(
            "INSERT INTO llm_usage VALUES (?, '2026-01-01T00:00:00', 'groq', 'zanzibar', 1, 1, 0.5, 1)", (gone,)
        )

    done = went_back(data)

    assert {} == dict(done.residue), residue(data, "SELECT * FROM analytics_llm_usage")
    assert {"deleted": 1, "inserted": 1} == dict(done.written["llm_costs.llm_usage"])
    with closing(sqlite3.connect(data / "llm_costs.db")) as legacy:
        assert [] == legacy.execute("SELECT 1 FROM llm_usage WHERE id = ?", (gone,)).fetchall()
        assert 1 == len(legacy.execute("SELECT 1 FROM llm_usage WHERE model = 'zanzibar'").fetchall())


def test_a_message_that_says_nothing_beside_its_columns_is_no_residue(data):
    """The legacy table has a chat for every message, 0 where there was none: nothing is lost by it."""
    insert = "INSERT INTO telegram_messages (user_id, message, timestamp, message_type, context) VALUES (1, ?, ?, 'query', ?)"
    with closing(migrator.connect("jarvis_analytics.db", data_dir=data, isolation_level=None)) as analytics:
        analytics.execute(insert, ("zanzibar", "2026-01-01 00:00:00", None))
        analytics.execute(insert, ("quagga", "2026-01-01 00:00:00", '{"mood": "calm"}'))
        analytics.execute(insert, ("okapi", "2026-01-01 00:00:00", "{}\0more"))

    done = went_back(data)

    assert {"inserted": 3} == dict(done.written["telegram_memory.messages"])
    assert [("okapi",), ("quagga",)] == residue(data, "SELECT message FROM analytics_telegram_messages ORDER BY 1")


def test_the_proof_asks_of_each_row_only_what_hangs_on_it(data):
    """Twice as many rows take about twice the steps of SQLite's machine: by an index, not by looking through all rows."""
    steps = []

    @contextlib.contextmanager
    def counted(*arguments):
        with opened(*arguments) as connection:
            connection.set_progress_handler(lambda: steps.append(1), 1_000)
            yield connection

    opened, took = rollback_residue._opened, []
    for last in (500, 1_000, 2_000):
        home = shutil.copytree(data.parent, data.parent.with_name(f"home{last}"), symlinks=True)
        with closing(migrator.connect("jarvis_core.db", data_dir=home / "data")) as core, core:
            core.executemany(
                "INSERT INTO trades (position_id, direction, symbol, token_address, amount, amount_sol, price, status)"
                " VALUES ((SELECT max(id) FROM positions), 'buy', 'S', 'M', 1, 1, 1, 'pending')",
                [()] * last,
            )
        steps.clear()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(rollback_residue, "_opened", counted)
            assert last == went_back(home / "data").residue["core.trades"]
        took.append(len(steps))

    assert took[2] - took[1] < 3 * (took[1] - took[0]), took


@pytest.mark.parametrize("also", ["", "free"])
def test_rows_may_trade_what_is_unique(data, also):
    """In the end each is unique, in between none is: *also* is a value that a third row lets go of."""
    with closing(
        migrator.connect("jarvis_x_memory.db", schema="consolidated", data_dir=data, isolation_level=None)
    ) as analytics:
        rows = analytics.execute(
            "SELECT id, tweet_id FROM tweets WHERE tweet_id IS NOT NULL ORDER BY id LIMIT 3"
        ).fetchall()
        given = [rows[1][1], rows[2][1], also or rows[0][1]]
        for what in ([f"moment {number}" for number in range(3)], given):
            for (key, _), tweet in zip(rows, what, strict=True):
                analytics.execute("UPDATE tweets SET tweet_id = ? WHERE id = ?", (tweet, key))

    done = went_back(data)

    assert ({"updated": 3}, {}) == (dict(done.written["jarvis_x_memory.tweets"]), dict(done.residue))
    with closing(sqlite3.connect(data / "jarvis_x_memory.db")) as legacy:
        found = legacy.execute("SELECT tweet_id FROM tweets ORDER BY id").fetchall()
        assert set(given) == {tweet for (tweet,) in found} & {*given, *(tweet for _, tweet in rows)}


def test_a_row_without_a_rowid_is_found_by_its_key():
    with closing(connections.memory()) as connection:
        sql_functions.register(connection)
        connection.execute("CREATE TABLE w (a TEXT COLLATE NOCASE, b, c, PRIMARY KEY (b, a)) WITHOUT ROWID")
        connection.executemany("INSERT INTO w VALUES (?, ?, ?)", [("x", 1, 1.0), ("y", 1, None), ("y", b"1", "z")])
        rows = [
            row
            for (row,) in connection.execute(
                f"SELECT {rollback_session.handle_sql(connection, 'main', 'w')} FROM w AS t"
            )
        ]
        question = f"SELECT a, b FROM w AS t WHERE {rollback_session.found_sql(connection, 'main', 'w')}"

        assert [[("x", 1)], [("y", 1)], [("y", b"1")]] == [
            connection.execute(question, (row,)).fetchall() for row in rows
        ]
        ((*_, step),) = connection.execute(f"EXPLAIN QUERY PLAN {question}", (rows[0],))
        assert "SEARCH t USING PRIMARY KEY (b=? AND a=?)" == step


def test_a_number_that_was_given_and_deleted_while_consolidated_is_not_given_again(data):
    """A legacy table that counts goes on where the consolidated one stopped."""
    with closing(
        migrator.connect("jarvis_memory.db", schema="consolidated", data_dir=data, isolation_level=None)
    ) as memory:
        (entity,) = memory.execute("SELECT min(id) FROM ai_entities").fetchone()
        given = memory.execute("INSERT INTO ai_facts (entity_id, fact) VALUES (?, 'short')", (entity,)).lastrowid
        memory.execute("DELETE FROM ai_facts WHERE id = ?", (given,))

    assert {} == dict(went_back(data).written)

    with closing(sqlite3.connect(data / "jarvis_memory.db")) as legacy:
        assert [(given,)] == legacy.execute("SELECT seq FROM sqlite_sequence WHERE name = 'facts'").fetchall()
