"""``migrator compat export``: each legacy database as a file that other programs can read."""

import json
import sqlite3
from contextlib import closing

import cut_over_set
import pytest
import small_set
from click.testing import CliRunner

from migrator.cli import app


@pytest.fixture(scope="module", name="moved")
def _moved(tmp_path_factory):
    home = small_set.make(tmp_path_factory.mktemp("moved") / "set")
    for path in (home / "data").glob("*.db"):
        path.chmod(0o640)
    small_set.cut_over(home)
    return home


@pytest.fixture(name="home")
def _home(moved, tmp_path):
    return small_set.copied(moved, tmp_path / "set")


def export(home, folder, *options):
    return CliRunner().invoke(app.cli, ["compat", "export", str(folder), "--data-dir", str(home / "data"), *options])


def content(connection):
    """Return the schema and the rows of a legacy database, without the order of rows."""
    schema = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
    tables = [
        name for name, kind in connection.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")
        if kind == "table" and not name.startswith("sqlite_")
    ]  # fmt: skip
    return schema, {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr) for name in tables}


def test_each_file_equals_the_legacy_file_and_cannot_be_written(home, tmp_path):
    told = json.loads(export(home, tmp_path / "exports", "--json").output)["result"]

    assert told["consolidated"]
    assert {"jarvis", "alerts", "jarvis_memory", "file_cache"} == {file["database"] for file in told["files"]}
    for file in told["files"]:
        path = tmp_path / "exports" / file["path"]
        legacy = cut_over_set.legacy_copy(home / "data", file["database"], tmp_path / f"{file['database']}.db")
        with closing(legacy), closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as exported:
            assert content(legacy) == content(exported)
            assert [("delete",)] == exported.execute("PRAGMA journal_mode").fetchall()
            for mark in ("user_version", "application_id"):
                assert legacy.execute(f"PRAGMA {mark}").fetchall() == exported.execute(f"PRAGMA {mark}").fetchall()
    assert 0o440 == (tmp_path / "exports" / "jarvis.db").stat().st_mode & 0o777
    assert (tmp_path / "exports" / "cache" / "file_cache.db").is_file()


def test_a_file_is_replaced_while_a_program_reads_the_old_one(home, tmp_path):
    export(home, tmp_path / "exports")
    asked = "SELECT total_trades FROM scorecard"
    with closing(sqlite3.connect(tmp_path / "exports" / "jarvis.db")) as old:
        before = old.execute(asked).fetchone()
        with closing(cut_over_set.compat(home / "data", "jarvis")) as connection, connection:
            connection.execute("UPDATE scorecard SET total_trades = 4711")
        export(home, tmp_path / "exports")

        assert before == old.execute(asked).fetchone()
    with closing(sqlite3.connect(tmp_path / "exports" / "jarvis.db")) as new:
        assert (4711,) == new.execute(asked).fetchone()
    assert [] == [path for path in (tmp_path / "exports").rglob("*") if path.suffix != ".db" and path.is_file()]


def test_after_a_rollback_the_legacy_files_are_exported(home, tmp_path):
    small_set.roll_back(home)

    assert not json.loads(export(home, tmp_path / "exports", "--json").output)["result"]["consolidated"]
    with closing(sqlite3.connect(tmp_path / "exports" / "jarvis.db")) as exported:
        assert exported.execute("SELECT count(token_mint) FROM positions").fetchone()[0] > 0
    assert not connectable_for_writing(tmp_path / "exports" / "jarvis.db")


def connectable_for_writing(path):
    return bool(path.stat().st_mode & 0o222)


def test_a_file_that_is_no_export_is_kept(home, tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "jarvis.db").write_bytes(b"mine")

    done = export(home, tmp_path / "exports")

    assert f"{tmp_path / 'exports' / 'jarvis.db'}: exists and is not an exported file" in str(done.exception)
    assert [b"mine"] == [path.read_bytes() for path in (tmp_path / "exports").iterdir()]


def test_a_folder_in_the_data_directory_is_refused(home):
    assert "lies in the data directory" in str(export(home, home / "data" / "exports").exception)
    assert not (home / "data" / "exports").exists()


def test_a_set_that_was_never_switched_is_refused(tmp_path):
    small_set.write(tmp_path)

    assert "there was no cutover: the legacy files are in use" in str(export(tmp_path, tmp_path / "exports").exception)
