"""docs/reference/performance.md has the measured figures, and the measures measure what they name."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from contracts.performance import bars, gate, measurement, measures, peers, profile
from contracts.performance import page as performance_page
from contracts.specimens import generator
from migrator.errors import BuildError
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.stages.build import proof as build_proof
from migrator.stages.build import proof_worker
from migrator.system import connections, private_copy

HERE = Path(__file__).parents[2]
PAGE = HERE / "docs" / "reference" / "performance.md"


def test_the_page_and_the_picture_are_what_the_figures_say(tmp_path):
    found = json.loads(PAGE.with_suffix(".json").read_text(encoding="utf-8"))
    page, picture = tmp_path / PAGE.name, tmp_path / "performance.svg"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")

    performance_page.write(found, page, picture)

    assert PAGE.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    assert PAGE.with_suffix(".svg").read_text(encoding="utf-8") == picture.read_text(encoding="utf-8")
    assert "<script" not in picture.read_text(encoding="utf-8")


def test_a_page_keeps_what_people_wrote(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(f"# Before\n\n{performance_page.BEGIN}\nold\n{performance_page.END}\n\nAfter.\n", encoding="utf-8")

    performance_page.write({}, page, tmp_path / "performance.svg")

    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Before\n")
    assert text.endswith("\n\nAfter.\n")
    assert "old" not in text


def test_bars_are_wellformed_without_scripts():
    drawn = bars.bars("x", ["a<b&", "c"], {"rows": [0, 5], "more": [1, 2]})

    tags = {node.tag.rpartition("}")[2] for node in ET.fromstring(drawn).iter()}  # noqa: S314 - drawn just now
    assert "rect" in tags
    assert "script" not in tags
    assert "a&lt;b&amp;" in drawn


def test_one_has_a_bar_and_ten_times_as_much_one_step_more():
    drawn = ET.fromstring(bars.bars("x", ["a", "b", "c"], {"rows": [1, 10, 100]}))  # noqa: S314 - drawn just now

    of_bars = [node for node in drawn.iter() if "rect reactive" in node.get("class", "")]
    short, middle, long = sorted(float(node.get("width")) for node in of_bars)
    assert 5 < short < middle < long
    assert pytest.approx(long - middle, rel=0.01) == middle - short


def test_a_ratio_is_the_median_of_the_rounds_that_had_both():
    took = {"one": [{"cpu_s": 2.0}, {"cpu_s": 9.0}, {"cpu_s": 4.0}], "other": [{"cpu_s": 1.0}, {"cpu_s": 1.0}]}

    assert 5.5 == performance_page.ratio(took, "one", "other", "cpu_s")


@pytest.mark.parametrize(
    ("name", "rows", "ordered", "rounds"),
    [
        ("build", 4_600, None, 5),
        ("build", 1_000_000, None, 2),
        ("migrate", 250_000, None, 2),
        ("migrate", 1_000_000, None, 1),
        ("migrate", 1_000_000, 9, 9),
        ("sqlite-utils", 1_000_000, None, 1),
        ("sqlite-utils", 5_000_000, None, 0),
        ("sqlite-utils", 5_000_000, 9, 0),
        ("migrate", 5_000_000, 9, 1),
    ],
)
def test_what_takes_long_is_measured_less_often_unless_rounds_are_ordered(name, rows, ordered, rounds):
    assert rounds == measurement.rounds_of(name, rows, ordered)


def test_a_profile_tells_the_statements_of_a_run_apart():
    def work():
        with closing(connections.memory()) as connection:
            connection.execute("CREATE TABLE t (a)")
            connection.executemany("INSERT INTO  t VALUES (?)", [(1,), (2,)])
            connection.execute("CREATE INDEX i ON t(a)")
            connection.execute("ANALYZE")

    connect = sqlite3.connect
    found = profile.profile(work)

    assert {"rows", "indexes", "ANALYZE"} <= found.kinds.keys()
    assert "INSERT INTO t VALUES (?)" in found.statements
    assert abs(found.cpu_s - sum(found.kinds.values())) < 0.01
    assert connect is sqlite3.connect


def test_what_is_measured_runs_in_a_process_of_its_own_and_may_not_fail():
    kept = []

    took = measures.measure(lambda: kept.append(b"x" * 2**26))

    assert [] == kept
    assert took.peak_mib > 32
    with pytest.raises(RuntimeError, match="what was measured failed"):
        measures.measure(lambda: 1 / 0)


def test_the_memory_of_a_program_that_was_started_is_told_only_where_the_kernel_knows_it():
    little, much = "pass", "x = b'x' * 2**29"

    def start(script):
        subprocess.run([sys.executable, "-c", script], check=True)

    assert measures.measure(lambda: start(little)).peak_mib is None
    assert measures.measure(lambda: start(much)).peak_mib > 512


def test_the_naive_copy_has_the_indexes_and_executemany_has_not(tmp_path):
    with closing(connections.create(tmp_path / "old.db")) as connection:
        connection.execute("CREATE TABLE t (a UNIQUE, b)")
        connection.execute("CREATE INDEX i ON t(b)")
        connection.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    for peer, expected in ((peers.naive, [("i",)]), (peers.executemany, [])):
        into = tmp_path / peer.__name__
        into.mkdir()

        peer([tmp_path / "old.db"], into)

        with closing(connections.read(into / "0.db")) as made:
            assert [(1, "one"), (2, "two")] == made.execute("SELECT a, b FROM t ORDER BY a").fetchall()
            assert (
                expected
                == made.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()
            )


@pytest.fixture(name="bench", scope="module")
def _bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proved") / "legacy"
    generator.make(folder, rows=600)
    bench = gate.Bench(folder)
    bench.build()
    return bench


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database", "statement"),
    [
        ("core", "UPDATE trades SET symbol = CAST(symbol AS BLOB) WHERE id = (SELECT min(id) FROM trades)"),
        (
            "analytics",
            "UPDATE lineage SET rest = NULL WHERE rowid = (SELECT min(rowid) FROM lineage WHERE rest IS NOT NULL)",
        ),
        (
            "analytics",
            "DELETE FROM lineage WHERE rowid = (SELECT max(rowid) FROM lineage WHERE source NOT LIKE 'stub:%')",
        ),
        ("core", "DELETE FROM quarantine WHERE rowid = 1"),
    ],
    ids=["type", "rest", "lineage", "quarantine"],
)
def test_the_proof_that_is_measured_can_fail(bench, tmp_path, database, statement):
    sources = {one.name: bench.snapshot.folder / one.place for one in catalogue.legacy_databases()}
    sources = {name: path for name, path in sources.items() if path.is_file()}
    for name in catalogue.TARGETS.values():
        private_copy.private_copy(bench.workspace.stage / name, tmp_path / name)
    measures.prove(sources, tmp_path, bench.mapped)
    with closing(connections.scratch(tmp_path / catalogue.TARGETS[database])) as connection:
        assert 1 == connection.execute(statement).rowcount

    with pytest.raises(ValueError, match="not proved"):
        measures.prove(sources, tmp_path, bench.mapped)


def test_a_row_that_differs_and_has_no_lineage_to_keep_it_stops_the_build(bench, tmp_path, monkeypatch):
    trades = next(one for one in bench.mapped if one.table == "trades")
    paths = {
        "core": private_copy.private_copy(bench.workspace.stage / catalogue.TARGETS["core"], tmp_path / "core.db"),
        trades.database: bench.snapshot.folder / "jarvis.db",
    }
    with closing(connections.memory()) as connection:
        connections.attach(connection, paths["core"], "core", mode="rw")
        connection.execute("UPDATE core.trades SET price = -1")
        # As if its row of lineage had gone since it was found.
        monkeypatch.setattr(proof_worker.Prover, "rests", lambda _self, _proof, above: [] if above else [(1, "{}", -1)])

        with pytest.raises(BuildError, match="rows differ from the rebuilt ones, 0 of them have lineage"):
            build_proof.prove(connection, "core", paths, [trades], {})


def test_a_legacy_table_has_one_target_table():
    """The accounts count its lineage by its name alone."""
    sources = [one.source for one in mapping_reader.mappings() if not one.stub]

    assert len(sources) == len(set(sources))
