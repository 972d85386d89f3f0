"""What another user wrote about a switch, or planted in its way: nothing outside of the data directory is ever touched."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import PurePosixPath

import pytest
import small_set
from click.testing import CliRunner

import migrator
from migrator.cli import app
from migrator.errors import MigratorError, Refused
from migrator.switch import recovery, trust
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import ownership

#: The verbs that bring a switch to its end.
ENDING = (("cutover", "--execute"), ("rollback", "--execute"), ("monitor", "--for", "0"))


@pytest.fixture(name="outside")
def _outside(tmp_path):
    """What lies elsewhere, and must stay as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "app.env").write_text("SECRET=1\n")
    make(folder / "theirs.db")
    return folder


@pytest.fixture(name="home")
def _home(tmp_path):
    home = tmp_path / "home" / "data"
    (home / ".migrator").mkdir(parents=True)
    make(home / "jarvis.db")
    return home


def make(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")


def state_of(folder):
    """Return everything below *folder*: content, mode and owner."""
    return {
        path: (
            path.read_bytes() if path.is_file() and not path.is_symlink() else None,
            path.lstat().st_mode,
            path.lstat().st_uid,
            path.lstat().st_mtime_ns,
        )
        for path in (folder, *folder.rglob("*"))
    }


def plant(home, name=None, **changed):
    """Write down a rollback that was cut short after its commit: to finish it sets a flag, moves files and makes folders."""
    written = {
        "schema": 1,
        "kind": "rollback",
        "run": "0001",
        "env_file": os.fsencode("../.env").hex(),
        "finished": False,
        "names": [
            {
                "database": "jarvis",
                "place": "jarvis.db",
                "path": os.fsencode("jarvis.db").hex(),
                "target": "core",
                "journal_mode": "delete",
            }
            | (name or {})
        ],
        "tables": [],
        "constants": {},
    }
    (home / ".migrator" / "switch.json").write_text(json.dumps(written | changed))


def hexed(text):
    return os.fsencode(text).hex()


MALFORMED = {
    "run": {"run": "../../outside"},
    "kind": {"kind": "else"},
    "place": {"name": {"place": "../../outside/theirs.db", "path": hexed("../../outside/theirs.db")}},
    "absolute": {"name": {"place": "/etc/theirs.db"}},
    "state": {"name": {"place": ".migrator/lock", "path": hexed(".migrator/lock")}},
    "snapshot": {"name": {"place": "backup/0001/jarvis.db", "path": hexed("backup/0001/jarvis.db")}},
    "path": {"name": {"path": hexed("../../outside/theirs.db")}},
    "another": {"name": {"path": hexed("alerts.db")}},
    "target": {"name": {"target": "../../outside/theirs"}},
    "ours": {"name": {"place": "jarvis_core.db", "path": hexed("jarvis_core.db")}},
}
#: What may be so, if the owner names it.
NAMED = {
    "env": {"env_file": hexed("../../outside/app.env")},
    "included": {"name": {"place": "included/theirs.db", "path": hexed("../../outside/theirs.db")}},
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_migrator_never_writes_is_an_error(home, outside, kind):
    plant(home, **MALFORMED[kind])
    (home / "backup" / "0001").mkdir(parents=True)
    (home / "backup" / "0001" / "snapshot.json").touch()
    before = state_of(outside), state_of(home)

    with pytest.raises(MigratorError, match="was not written by migrator"):
        switch_state.read(home)
    with pytest.raises(MigratorError, match="was not written by migrator"):
        recovery.recover(home)

    assert before == (state_of(outside), state_of(home))


@pytest.mark.parametrize(
    "changed",
    [
        {"finished": "yes"},
        {"names": {}},
        {"tables": [{"source": "jarvis.trades", "fate": "mapped", "rows": "7"}]},
        {"tables": [{"source": "jarvis.trades", "fate": "sold", "rows": 7}]},
        {"constants": {"utc_offset": 6}},
        {"env_file": "../.env"},
        {"name": {"place": 5}},
        {"name": {"more": 5}},
        {"more": 5},
    ],
    ids=str,
)
def test_a_switch_with_other_fields_or_types_is_an_error(home, changed):
    plant(home, **changed)

    with pytest.raises(MigratorError, match=r"switch\.json: cannot be read \(.*\); restore it from a copy"):
        switch_state.read(home)


@pytest.mark.parametrize("text", ["null", "[]", "5", '"schema"', "{"])
def test_a_switch_that_is_no_object_is_an_error(home, text):
    (home / ".migrator" / "switch.json").write_text(text)

    with pytest.raises(MigratorError, match=r"switch\.json: cannot be read \(.*\); restore it from a copy"):
        switch_state.read(home)


def test_a_switch_that_lacks_whether_it_has_ended_is_an_error(home):
    plant(home)
    path = home / ".migrator" / "switch.json"
    path.write_text(path.read_text().replace('"finished": false, ', ""))

    with pytest.raises(MigratorError, match=r"cannot be read \(KeyError\('finished'\)\)"):
        switch_state.read(home)


def test_a_switch_cannot_name_its_own_folder_or_a_mode(home, outside):
    plant(home, data_dir=hexed(outside), file_mode=0o666)

    found = switch_state.read(home)

    assert (home, None) == (found.data_dir, found.file_mode)


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize("verb", ENDING)
def test_what_lies_outside_has_to_be_named(home, outside, kind, verb):
    plant(home, **NAMED[kind])
    before = state_of(outside)

    option = "--env-file" if kind == "env" else "--include"
    named = outside / ("app.env" if kind == "env" else "theirs.db")
    # A dry run refuses what --execute would refuse.
    for words in {verb, tuple(word for word in verb if word != "--execute")}:
        done = CliRunner().invoke(app.cli, [*words, "--data-dir", str(home)])

        assert 3 == getattr(done.exception, "exit_code", done.exit_code), done.output
        told = "".join(f"{done.output} {done.exception}".split())
        assert f"runthesamecommandwith{option}{named}" in told, done.output
    assert before == state_of(outside)
    with pytest.raises(Refused):
        migrator.connect("jarvis.db", schema="consolidated", data_dir=home)
    assert before == state_of(outside)

    trust.refuse(switch_state.read(home), [outside / "theirs.db"], switch_state.read(home).env_file)


@pytest.mark.parametrize("way", ["tree", "originals", "left_behind", "below"])
def test_a_link_in_the_way_of_a_switch_is_refused(home, outside, way):
    plant(home, **({"name": {"place": "cache/x.db", "path": hexed("cache/x.db")}} if way == "below" else {}))
    wanted = switch_state.read(home)
    link = {
        "tree": wanted.tree(switch_state.ROLLED_BACK),
        "originals": wanted.originals,
        "left_behind": wanted.left_behind,
        "below": home / "cache",
    }[way]
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    before = state_of(outside)

    with pytest.raises(Refused, match="is a link, or lies behind one"):
        recovery.recover(home)

    assert before == state_of(outside)


@pytest.mark.parametrize(
    "verb", [("status",), ("inventory",), ("plan",), ("report",), ("cutover",), ("rollback",), ("rehearse",)]
)
def test_a_verb_that_only_reads_changes_nothing_and_says_what_was_cut_short(home, verb, monkeypatch):
    plant(home)
    monkeypatch.setattr(
        "migrator.pipeline.rehearsal.rehearse", lambda *_, **__: (_ for _ in ()).throw(Refused("stopped"))
    )
    before = state_of(home.parent)

    done = CliRunner().invoke(app.cli, [*verb, "--data-dir", str(home)])

    told = "was cut short after its commit, and the legacy set is in use; to finish it run: migrator rollback"
    assert told in done.output, done.output
    assert before == state_of(home.parent)


@pytest.mark.parametrize("verb", ["migrate", "backup", "build", "verify"])
def test_a_verb_that_writes_is_refused_while_a_switch_is_cut_short(home, verb):
    plant(home)
    before = state_of(home.parent)

    done = CliRunner().invoke(app.cli, [verb, "--data-dir", str(home)])

    assert isinstance(done.exception, Refused)
    assert "to finish it run: migrator rollback" in str(done.exception)
    assert before == state_of(home.parent)


def test_the_owners_own_is_finished(home):
    """The same as what is refused above, with nothing in it that leads elsewhere."""
    plant(home)

    done = CliRunner().invoke(app.cli, ["rollback", "--execute", "--data-dir", str(home)])

    assert 0 == done.exit_code, done.output
    assert switch_state.read(home).finished


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("kind", ["owner", "group"])
def test_state_of_another_user_or_that_others_may_change_is_refused(home, kind):
    plant(home)
    file = home / ".migrator" / "switch.json"
    if kind == "owner":
        os.chown(file, 4321, -1)
    else:
        file.chmod(0o660)

    with pytest.raises(Refused, match=r"switch\.json: (belongs to another user|may be changed by its group)"):
        recovery.recover(home)

    assert not switch_state.read(home).finished


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_group_that_may_change_the_databases_may_change_the_state(home):
    plant(home)
    file = home / ".migrator" / "switch.json"
    for path in (home, home / ".migrator", file):
        os.chown(path, -1, 4321)
        path.chmod(path.stat().st_mode | 0o020)

    assert "it is finished" in recovery.recover(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
def test_an_env_that_is_a_link_of_one_user_to_a_file_of_another_is_refused(home, outside):
    plant(home)
    link = home.parent / ".env"
    link.symlink_to(outside / "app.env")
    os.chown(link, 4321, 4321, follow_symlinks=False)
    before = state_of(outside)

    with pytest.raises(Refused, match=r"is a link of user 4321 to .*app\.env, which belongs to user 0"):
        recovery.recover(home, Workspace(home))

    assert before == state_of(outside)


def test_a_folder_of_the_owner_in_backup_may_hold_a_database_that_is_switched(home):
    """What cutover writes down can be read again; a run of ours is known by its manifest, not by its name."""
    place = PurePosixPath("backup/2024/custom.db")
    name = switch_state.Name(
        database="custom", place=place, path=home / place, target="core", journal_mode="delete", digest="x"
    )
    wanted = switch_state.Switch(
        data_dir=home,
        kind=switch_state.CUTOVER,
        run="0001",
        env_file=home.parent / ".env",
        names=(name,),
        tables=(),
        constants={},
    )
    (home / place).parent.mkdir(parents=True)

    assert "" == switch_state.malformed(wanted)

    (home / place).with_name("snapshot.json").write_text("{}")

    assert "custom.db is not a legacy database" in switch_state.malformed(wanted)


def test_an_undone_cutover_leaves_a_stage_that_is_still_ours(tmp_path):
    """The three databases were open to the group of the legacy files, which may not write to the data directory."""
    small_set.make(tmp_path)
    data = tmp_path / "data"
    for path in data.rglob("*.db"):
        if path.parent in (data, data / "cache"):
            path.chmod(0o664)
    data.chmod(0o755)

    def stop(told):
        if "one pointer" in told:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_set.cut_over(tmp_path, tell=stop)

    ownership.guard(data)
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (data / ".migrator" / "stage").glob("*.db")}
