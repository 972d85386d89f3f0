"""A rollback without what it compares with: the baseline is missing, damaged or another, and is built again."""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import generated
import pytest
import small_set
from carried_set import write

from contracts.checks import finished_rollback
from migrator.errors import RollbackFailed
from migrator.pipeline import switchover
from migrator.schema import catalogue
from migrator.stages.rollback import stage as rollback_stage
from migrator.stages.verify.freshness import digests_of
from migrator.switch import state as switch_state

#: What is written since the cutover: mapped and carried rows are changed, new and deleted, and one fits no legacy table.
SINCE = {
    "core": "UPDATE positions SET entry_price = 7.5; INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price,"
    " status, timestamp) VALUES ('buy', 'NEW', 'mint', 1.0, 1.0, 2.0, 'confirmed', '2026-03-01 10:00:00');"
    " UPDATE legacy_jarvis_pick_performance SET symbol = 'since' WHERE id = 1;"
    " DELETE FROM legacy_jarvis_pick_performance WHERE id = 2; INSERT INTO legacy_jarvis_users DEFAULT VALUES",
    "analytics": "UPDATE ai_facts SET fact = 'since'",
    "cache": "DELETE FROM cache_entries; INSERT INTO sessions (session_id, user_id) VALUES ('s', 1)",
}
FILES = tuple(catalogue.TARGETS.values())


@pytest.fixture(name="written", scope="module")
def _written():
    """A set that was cut over and written to."""
    with generated.scratch() as folder:
        home = small_set.make(folder / "built")
        small_set.cut_over(home)
        for target, script in SINCE.items():
            write(home / "data" / catalogue.TARGETS[target], script)
        yield home


@pytest.fixture(name="expected", scope="module")
def _expected(written):
    """What a rollback with the baseline that was kept gives."""
    home = small_set.copied(written, written.with_name("expected"))
    return outcome(home, small_set.roll_back(home))


@pytest.fixture(name="home")
def _home(written, tmp_path):
    home = small_set.copied(written, written.parent / tmp_path.name)
    yield home
    shutil.rmtree(home)


def baseline(home):
    return small_set.last_switch(home).baseline


def outcome(home, done):
    """Return digests of the legacy files, what was done to them, and the residue."""
    made = small_set.last_switch(home)
    paths = {name.database: name.path for name in made.names} | {"residue": made.left_behind / "residue.db"}
    return digests_of(paths), {name: dict(counts) for name, counts in done.written.items()}, dict(done.residue)


def dry_run(home):
    workspace, configuration = small_set.workspace_of(home)
    with small_set.in_this_process():
        return switchover.rollback(workspace, configuration, execute=False)


def overwrite(path, first=0.5):
    """Overwrite the pages in the middle of *path*."""
    content = bytearray(path.read_bytes())
    begin = int(len(content) * first) // 4096 * 4096
    content[begin : begin + 16384] = b"\x5a" * 16384
    path.write_bytes(content)


def damage_an_index(path):
    """Take the entries out of the indexes on lineage; every row of every table can be read as before."""
    with closing(sqlite3.connect(path, isolation_level=None)) as core:
        core.executescript(
            "CREATE TABLE empty (a, b); CREATE INDEX none ON empty(a, b); PRAGMA writable_schema = ON;"
            " UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'none')"
            " WHERE name = 'idx_lineage_target'; DELETE FROM sqlite_schema WHERE tbl_name = 'empty'"
        )


def another(path):
    """Put a database of the same tables with other rows in its place."""
    write(
        path, "UPDATE positions SET entry_price = 7.5; UPDATE lineage SET legacy_key = 'other' WHERE target = 'trades'"
    )


SPOILT = {
    "one gone": (["jarvis_core.db"], lambda path: path.unlink()),
    "another gone": (["jarvis_cache.db"], lambda path: path.unlink()),
    "all gone": (FILES, lambda path: path.unlink()),
    "the folder gone": (FILES[:1], lambda path: shutil.rmtree(path.parent)),
    "bytes overwritten": (["jarvis_core.db"], overwrite),
    "no database": (["jarvis_analytics.db"], lambda path: path.write_bytes(b"x" * 8192)),
    "an index damaged": (["jarvis_core.db"], damage_an_index),
    "another database": (["jarvis_core.db"], another),
    "a folder": (["jarvis_core.db"], lambda path: (path.unlink(), path.mkdir())),
}


#: Those that are tried in the quick suite too.
QUICK = {"all gone", "another database"}


@pytest.mark.parametrize(
    "spoilt", [pytest.param(one, marks=[] if one in QUICK else [pytest.mark.slow]) for one in SPOILT]
)
def test_a_rollback_builds_the_baseline_anew_and_does_what_it_would_have_done(home, expected, spoilt):
    names, spoil = SPOILT[spoilt]
    gone = FILES if "folder gone" in spoilt else names
    for name in names:
        spoil(baseline(home) / name)

    tried = dry_run(home)
    done = small_set.roll_back(home)

    assert expected == outcome(home, done)
    assert () == tried.refusals
    assert expected[1:] == (
        {name: dict(counts) for name, counts in tried.written.items()},
        dict(tried.residue),
    )
    for said in (tried.findings, done.findings):
        told = [one for one in said if one.endswith("with the content that the cutover recorded")]
        assert sorted(gone) == sorted(one.partition(": ")[0].rpartition("/")[2] for one in told), said
    put_back = {target: baseline(home) / name for target, name in catalogue.TARGETS.items()}
    assert small_set.last_switch(home).digests == digests_of(put_back)
    damaged = {path.name for path in baseline(home).glob("*.damaged")}
    assert damaged == (set() if spoilt.endswith("gone") else {f"{name}.damaged" for name in names})
    assert [] == list(finished_rollback.faults(small_set.last_switch(home), home)), "the judge compares with it too"


def recorded(home, **changed):
    """Change ``switch.json`` to what another version may have written."""
    path = home / "data" / ".migrator" / "switch.json"
    said = json.loads(path.read_text())
    for key, value in changed.items():
        if value is None:
            del said[key]
        else:
            said[key] = value
    path.write_text(json.dumps(said))


@pytest.mark.slow
@pytest.mark.parametrize("digests", [None, {"core": "0" * 64}])
def test_what_can_not_be_compared_with_a_record_is_told_where_the_row_numbers_agree(home, expected, digests):
    recorded(home, digests=digests)
    (baseline(home) / "jarvis_core.db").unlink()

    tried, done = dry_run(home), small_set.roll_back(home)

    assert expected == outcome(home, done)
    why = "the cutover recorded no digest" if digests is None else "its content differs from what the cutover recorded"
    for said in (tried.findings, done.findings):
        assert [
            one for one in said if "jarvis_core.db: is gone; it was built anew" in one and f"not proved: {why};" in one
        ]
    (fault,) = finished_rollback.faults(small_set.last_switch(home), home)
    assert "jarvis_core.db" in fault, "no judge can compare with what is not there"


@pytest.mark.slow
def test_what_has_other_row_numbers_than_the_set_in_use_is_refused_with_a_way_out(home):
    recorded(home, digests=None)
    shutil.copy(baseline(home) / "jarvis_core.db", home / "copy")
    (baseline(home) / "jarvis_core.db").unlink()
    write(home / "data" / "jarvis_core.db", "UPDATE lineage SET target_id = target_id + 1 WHERE target = 'trades'")

    for deed in (dry_run, small_set.roll_back):
        with pytest.raises(RollbackFailed, match=r"other row numbers than the set in use.*restore it from a copy"):
            deed(home)

    assert small_set.last_switch(home).consolidated
    shutil.copy(home / "copy", baseline(home) / "jarvis_core.db")
    assert small_set.roll_back(home).executed


@pytest.mark.slow
def test_a_late_write_to_an_original_is_kept_though_an_older_version_recorded_nothing(home):
    """Neither the originals nor the baseline: the snapshot has what the cutover had."""
    names = json.loads((home / "data" / ".migrator" / "switch.json").read_text())["names"]
    recorded(home, digests=None, extra_indexes=None, names=[{**one, "digest": ""} for one in names])
    (baseline(home) / "jarvis_core.db").unlink()
    write(small_set.last_switch(home).originals / "jarvis.db", "UPDATE positions SET symbol = 'late'")

    done = small_set.roll_back(home)

    assert 2 == done.residue["jarvis.positions"], "the row as it was, and as it was written"
    with closing(sqlite3.connect(home / "data" / "jarvis.db")) as legacy:
        assert [] == legacy.execute("SELECT 1 FROM positions WHERE symbol = 'late'").fetchall()


def test_the_cutover_records_what_it_installed(home):
    kept = {target: baseline(home) / name for target, name in catalogue.TARGETS.items()}

    assert small_set.last_switch(home).digests == digests_of(kept)


def test_what_the_baseline_was_built_with_is_recorded(home):
    """The indexes that the owners ordered then, not those of the present configuration."""
    index = "CREATE INDEX core.by_symbol ON trades(symbol)"
    last = replace(small_set.last_switch(home), extra_indexes=(index,))
    switch_state.write(last)

    assert (index,) == switch_state.read(home / "data").extra_indexes
    assert (index,) == rollback_stage.as_planned(last, home, whole=True)[0].extra_indexes
