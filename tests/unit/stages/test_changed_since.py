"""What a legacy file may have got between the snapshot and the cutover is seen, also what is in no row; old records are understood."""

import json
import sqlite3
from contextlib import closing

import carried_set
import pytest
import small_set

from contracts.checks import finished_rollback
from migrator.errors import Refused
from migrator.stages import backup as backup_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.verify import freshness
from migrator.system import content_digest, own_files

NOTES = """
CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT);
INSERT INTO notes VALUES (1, 'one');
CREATE TABLE tags (tag TEXT);
INSERT INTO tags (rowid, tag) VALUES (2, 'a'), (5, 'b');
CREATE INDEX of_tags ON tags (tag);
CREATE TRIGGER r AFTER INSERT ON tags BEGIN SELECT 1; END;
PRAGMA user_version = 3;
"""


@pytest.fixture(name="home")
def _home(tmp_path):
    return carried_set.make(tmp_path / "home", {"notes.db": NOTES, "other.db": NOTES})


@pytest.mark.parametrize(
    "late",
    [
        "PRAGMA user_version = 42",
        "PRAGMA application_id = 42",
        "UPDATE tags SET rowid = 7 WHERE tag = 'a'",
        "UPDATE sqlite_sequence SET seq = 9",
        "DROP INDEX of_tags",
        "DROP TRIGGER r; CREATE TRIGGER r AFTER INSERT ON tags BEGIN SELECT 2; END",
    ],
)
def test_a_change_that_is_in_no_row_refuses_the_cutover(home, late):
    carried_set.write(home / "data" / "notes.db", late)

    with pytest.raises(Refused, match=r"notes\.db: has changed since the snapshot"):
        small_set.cut_over(home)


@pytest.mark.parametrize("late", ["PRAGMA user_version = 42", "UPDATE tags SET rowid = 7 WHERE tag = 'a'"])
def test_a_new_snapshot_and_build_have_it(home, late):
    """What ``--catch-up`` does: nothing of the first build may be taken for up to date."""
    carried_set.write(home / "data" / "notes.db", late)
    small_set.build(home)
    small_set.cut_over(home)

    assert {} == dict(small_set.roll_back(home).residue)
    with closing(sqlite3.connect(home / "data" / "notes.db")) as back:
        version = back.execute("PRAGMA user_version").fetchone()[0]
        rowids = [number for (number,) in back.execute("SELECT rowid FROM tags ORDER BY tag")]
    assert (version, rowids) == ((42, [2, 5]) if "PRAGMA" in late else (3, [7, 5]))


@pytest.mark.parametrize("late", ["PRAGMA user_version = 42", "UPDATE tags SET rowid = 7 WHERE tag = 'a'"])
def test_status_names_an_original_that_was_written_to(home, late):
    small_set.cut_over(home)
    last = small_set.last_switch(home)
    assert () == freshness.late_originals(last)

    carried_set.write(last.originals / "notes.db", late)

    assert (str(last.originals / "notes.db"),) == freshness.late_originals(last)


@pytest.mark.parametrize("late", ["UPDATE tags SET rowid = 7 WHERE tag = 'a'", "DROP INDEX of_tags"])
def test_a_late_write_without_another_row_is_undone_and_names_no_residue(home, late):
    small_set.cut_over(home)
    carried_set.write(small_set.last_switch(home).originals / "notes.db", late)

    done = small_set.roll_back(home)

    assert {} == dict(done.residue)
    assert (
        "notes: its original was written to after the cutover, but no row of it; its content at the cutover was used instead",
    ) == done.findings
    with closing(sqlite3.connect(home / "data" / "notes.db")) as back:
        assert [(2,), (5,)] == back.execute("SELECT rowid FROM tags ORDER BY tag").fetchall()
        assert back.execute("SELECT 1 FROM sqlite_schema WHERE name = 'of_tags'").fetchone()


@pytest.fixture(name="of_an_older_version")
def _of_an_older_version(home):
    """A set that a version with digests of format 1 has cut over."""
    small_set.cut_over(home)
    last = small_set.last_switch(home)
    paths = {name.digest: last.originals / name.place for name in last.names}
    paths |= {digest: last.installed(target) for target, digest in last.digests.items()}
    for record in (home / "data" / ".migrator" / "switch.json", last.snapshot / own_files.MANIFEST):
        text = record.read_text()
        for digest, path in paths.items():
            assert digest in text or record.name == own_files.MANIFEST
            with closing(sqlite3.connect(path)) as connection:
                text = text.replace(digest, content_digest.content(connection, former=True).digest)
        json.loads(text)
        record.write_text(text)
    return home


def test_a_cutover_that_an_older_version_recorded_is_rolled_back_without_residue(of_an_older_version):
    home = of_an_older_version
    assert () == freshness.late_originals(small_set.last_switch(home))
    carried_set.write(home / "data" / "jarvis_core.db", "INSERT INTO legacy_notes_tags VALUES ('c')")

    done = small_set.roll_back(home)

    assert ({}, ()) == (dict(done.residue), done.findings)
    assert [] == list(finished_rollback.faults(small_set.last_switch(home), home)), (
        "the judge compares with the baseline too"
    )
    with closing(sqlite3.connect(home / "data" / "notes.db")) as back:
        assert [("a",), ("b",), ("c",)] == back.execute("SELECT tag FROM tags ORDER BY rowid").fetchall()


def test_a_snapshot_of_an_older_version_is_read_back(of_an_older_version):
    home = of_an_older_version
    snapshot = small_set.last_switch(home).snapshot

    with small_set.in_this_process():
        assert snapshot == backup_stage.latest(home / "data" / "backup", read_back=inventory).folder
        carried_set.write(snapshot / "notes.db", "DELETE FROM tags")
        with pytest.raises(Refused, match="is not what it was when the snapshot was taken"):
            backup_stage.latest(home / "data" / "backup", read_back=inventory)
