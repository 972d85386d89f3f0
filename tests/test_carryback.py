"""What goes back into the legacy files: their triggers do not run, and what they kept in step is made anew."""

import shutil
import sqlite3
from contextlib import closing

import pytest

import migrator
from contracts import specimens
from migrator import backup as backups
from migrator import catalogue, config, cutover, pipeline, residue
from migrator.inventory import inventory

pytestmark = pytest.mark.slow

#: As the cache's writer spells it: the time of its own clock, which the specimen's configuration has at -06:00.
NOON = "2026-02-01T12:00:00.500000"


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    home = tmp_path_factory.mktemp("built")
    specimens.make(home / "data", seed=7, rows=300)
    with closing(sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)) as legacy:
        legacy.executescript(
            "CREATE TABLE told (what); CREATE TRIGGER tell AFTER DELETE ON trades BEGIN INSERT INTO told VALUES (1); END"
        )
    with closing(sqlite3.connect(home / "data" / "cache.db", isolation_level=None)) as legacy:
        (ddl,) = [one.ddl for one in catalogue.legacy_databases() if one.name == "cache_db"]
        legacy.executescript(ddl)
        legacy.execute(
            "INSERT INTO cache (key, value, created_at, accessed_at) VALUES ('old', x'00', ?, ?)", (NOON,) * 2
        )
    place, configuration = pipeline.Place(home / "data"), config.load(home / "data" / "migrator.toml")
    assert pipeline.build(place, configuration, pipeline.backup(pipeline.plan(place, configuration), place)).holds
    return home


@pytest.fixture(name="data")
def _data(built, tmp_path):
    """A set that was cut over."""
    home = shutil.copytree(built, tmp_path / "home", symlinks=True)
    place, configuration = pipeline.Place(home / "data"), config.load(home / "data" / "migrator.toml")
    snapshot = backups.latest(place.backups, read_back=inventory)
    wanted = cutover.prepare(pipeline.plan(place, configuration), snapshot, home / ".env")
    assert cutover.cutover(wanted, snapshot, waiting=pytest.fail).executed
    return home / "data"


def went_back(data):
    return pipeline.rollback(pipeline.Place(data), config.load(data / "migrator.toml"), execute=True)


def triggers(path):
    with closing(sqlite3.connect(path)) as legacy:
        return legacy.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1").fetchall()


def test_what_the_assistant_learnt_and_forgot_goes_back_and_can_be_searched(data):
    before = triggers(data / "backup" / "0001" / "jarvis_memory.db")
    with closing(migrator.connect("jarvis_memory.db", data_dir=data, isolation_level=None)) as memory:
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
    with closing(migrator.connect("jarvis.db", data_dir=data, isolation_level=None)) as core:
        core.execute("DELETE FROM trades WHERE id = (SELECT max(id) FROM trades)")

    done = went_back(data)

    assert {"deleted": 1} == dict(done.written["jarvis.trades"])
    assert before == triggers(data / "jarvis.db") != []
    with closing(sqlite3.connect(data / "jarvis.db")) as legacy:
        assert [(0,)] == legacy.execute("SELECT count(*) FROM told").fetchall()


def test_rows_deleted_from_a_carried_table_are_deleted_as_often_as_they_were(data):
    """Rows of a table without a key may be alike: as many go as went."""
    with closing(migrator.connect("jarvis.db", data_dir=data, isolation_level=None)) as core:
        core.execute("INSERT INTO legacy_jarvis_told VALUES (1), (1), (1.0), ('1')")
        core.execute("DELETE FROM legacy_jarvis_told WHERE rowid IN (SELECT min(rowid) FROM legacy_jarvis_told)")
        sizes = {
            table: core.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for (table,) in core.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'legacy_jarvis_*'")
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


def test_a_time_goes_back_as_the_clock_of_its_writer_shows_it(data):
    """The offset is the one that the set was built with, whatever the configuration says by now."""
    configured = data / "migrator.toml"
    configured.write_text(configured.read_text().replace('"-06:00"', '"+03:00"'))
    with closing(migrator.connect("cache.db", data_dir=data, isolation_level=None)) as cache:
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


def test_the_proof_finds_each_row_by_an_index(data, monkeypatch):
    """An id of lineage has no type, and compared with a column that has one it is not looked up: hours at 50,000 rows."""
    found = []

    class Explained:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, sql, *values):
            found.extend(row[3] for row in self.connection.execute(f"EXPLAIN QUERY PLAN {sql}", *values))
            return self.connection.execute(sql, *values)

    differing = residue._differing
    monkeypatch.setattr(residue, "_differing", lambda connection, *rest: differing(Explained(connection), *rest))

    assert went_back(data).executed

    searched = [step for step in found if step.startswith(("SEARCH l ", "SEARCH x ")) and "idx_lineage_target" in step]
    assert len(searched) > 20
    assert [] == [step for step in searched if "target_id=?" not in step]
