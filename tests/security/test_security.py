"""A user who may write to the data directory cannot harm migrator, and migrator reveals nothing to other users.

Links and devices where databases or our own files should be, files of other users, hostile schemas, modes of what is
written, and private values in anything that is shown or kept beside the databases.
"""

import json
import os
import re
import shutil
import socket
import sqlite3
import stat
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

import migrator
from contracts.specimens import generator
from migrator.cli import options
from migrator.config import config_file
from migrator.errors import MigratorError, Refused, SourceError, UsageError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.records.observer import Observer
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.inventory import inspect_worker
from migrator.stages.inventory.stage import inventory
from migrator.switch import env_flag
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import connections, durable_files, ownership
from migrator.system.run_lock import locked

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
#: A user who is neither root nor a user of this machine.
SOMEBODY = 12345
CANARY = "CANARY"


def run(verb, data, *arguments, umask=0o022, environment=None, given=None):
    """Run *verb* on *data* under *umask*; nothing may take longer than two minutes."""
    return subprocess.run(
        [sys.executable, "-m", "migrator", *verb.split(), "--data-dir", data, *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        umask=umask,
        env=os.environ | (environment or {}),
    )


def accept(data, umask=0o022):
    """Accept every quarantined row, those with money at stake by their keys."""
    at_stake = run("quarantine list", data, "--keys").stdout.splitlines()
    assert at_stake
    done = run("quarantine accept", data, *at_stake, umask=umask)
    assert 0 == done.returncode, done.stderr
    return done


def one_sentence(done, code):
    assert code == done.returncode, (done.stdout, done.stderr)
    assert 1 == len(done.stderr.strip().splitlines()), done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "data"
    generator.make(folder, rows=300, seed=3)
    return folder


@pytest.fixture(name="data")
def _data(made, tmp_path):
    return shutil.copytree(made, tmp_path / "home" / "data")


@pytest.fixture(name="outside")
def _outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "kept").write_text("not yours", encoding="utf-8")
    return folder


def image(folder):
    return {path: (path.lstat().st_mode, path.is_file() and path.read_bytes()) for path in folder.rglob("*")}


def workspace_of(data):
    return Workspace(data), config_file.load(data / "migrator.toml")


# ---------------------------------------------------------------- what lies under our names


def a_link_for_backups(data, outside):
    (data / "backup").symlink_to(outside)


def a_link_for_the_rest(data, outside):
    (data / ".migrator").symlink_to(outside)


def a_link_for_the_stage(data, outside):
    (data / ".migrator").mkdir(mode=0o700)
    (data / ".migrator" / "stage").symlink_to(outside)


def a_link_for_the_lock(data, outside):
    (data / ".migrator").mkdir(mode=0o700)
    (data / ".migrator" / "lock").symlink_to(outside / "kept")


def a_link_for_the_evidence(data, outside):
    (data / ".migrator").mkdir(mode=0o700)
    (data / ".migrator" / "evidence.json").symlink_to(outside / "kept")


def a_fifo_for_the_switch(data, _outside):
    (data / ".migrator").mkdir(mode=0o700)
    os.mkfifo(data / ".migrator" / "switch.json")


def a_socket_for_the_lock(data, _outside):
    (data / ".migrator").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(data / ".migrator")  # the name of a socket may have a hundred bytes
        listening.bind("lock")
        os.chdir(here)


def a_folder_that_everybody_may_change(data, _outside):
    (data / ".migrator").mkdir()
    (data / ".migrator").chmod(0o777)


OURS = [
    a_link_for_backups,
    a_link_for_the_rest,
    a_link_for_the_stage,
    a_link_for_the_lock,
    a_link_for_the_evidence,
    a_fifo_for_the_switch,
    a_socket_for_the_lock,
    a_folder_that_everybody_may_change,
]


@pytest.mark.parametrize("deed", OURS)
def test_what_cannot_be_ours_is_refused_and_nothing_goes_through_it(tmp_path, outside, deed):
    data = tmp_path / "data"
    data.mkdir()
    deed(data, outside)
    before = image(outside)

    with pytest.raises(Refused, match="to see whose it is run: ls -la"), locked(data):
        pass
    with pytest.raises(Refused, match="to see whose it is run: ls -la"):
        options.look(Workspace(data))
    assert before == image(outside)


@pytest.mark.slow
@pytest.mark.parametrize("deed", OURS)
@pytest.mark.parametrize("verb", ["plan", "migrate", "status"])
def test_every_verb_refuses_it_in_one_sentence(data, outside, verb, deed):
    deed(data, outside)
    before = image(outside)

    one_sentence(run(verb, data), 3)
    assert before == image(outside)


@AS_ROOT
def test_our_folder_in_the_hands_of_another_user_is_refused(tmp_path):
    data = tmp_path / "data"
    (data / ".migrator").mkdir(parents=True)
    os.chown(data / ".migrator", SOMEBODY, SOMEBODY)

    with pytest.raises(Refused, match="belongs to another user"):
        ownership.guard(data)


def access_list(*entries):
    """Return an access list as the system keeps it: (kind, permissions, user or group)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def by_list(user, group_may=5, mask=7):
    """Return an access list of a folder of root's that lets *user* write."""
    none = 0xFFFFFFFF
    return access_list((1, 7, none), (2, 7, user), (4, group_may, none), (16, mask, none), (32, 5, none))


def a_folder_of_roots(tmp_path, *, database=SOMEBODY, state=SOMEBODY, mode=0o755, group=0, acl=b""):
    """Make a data directory of root's with a database and a state of users."""
    data = tmp_path / "data"
    (data / ".migrator").mkdir(parents=True)
    (data / "jarvis.db").touch()
    (data / "alerts.db").touch()
    for path, user in (("jarvis.db", database), ("alerts.db", SOMEBODY), (".migrator", state)):
        os.chown(data / path, user, user)
    os.chown(data, 0, group)
    data.chmod(mode)
    if acl:
        os.setxattr(data, "system.posix_acl_access", acl)
    return data


@AS_ROOT
def test_in_a_folder_of_roots_the_one_owner_of_the_databases_is_believed_if_no_third_user_may_write_to_it(
    tmp_path, monkeypatch
):
    ownership.guard(a_folder_of_roots(tmp_path / "alone"))
    ownership.guard(a_folder_of_roots(tmp_path / "listed", acl=by_list(SOMEBODY)))
    ownership.guard(a_folder_of_roots(tmp_path / "masked", acl=by_list(SOMEBODY + 1, mask=5)))
    bot = SimpleNamespace(pw_name="bot", pw_uid=SOMEBODY, pw_gid=777)
    monkeypatch.setattr(ownership.pwd, "getpwnam", {"bot": bot}.__getitem__)
    monkeypatch.setattr(ownership.pwd, "getpwall", lambda: [bot])
    monkeypatch.setattr(ownership.grp, "getgrgid", {777: SimpleNamespace(gr_name="bot", gr_mem=[])}.__getitem__)
    ownership.guard(a_folder_of_roots(tmp_path / "private", mode=0o2775, group=777))


@AS_ROOT
@pytest.mark.parametrize(
    "planted",
    [
        {"database": SOMEBODY + 1},
        {"state": SOMEBODY + 1},
        {"mode": 0o1777},
        {"mode": 0o2775, "group": SOMEBODY},
        {"acl": by_list(SOMEBODY + 1)},
        {"acl": by_list(SOMEBODY, group_may=7), "group": SOMEBODY},
    ],
    ids=["two owners", "another's state", "all may write", "a group may", "another may", "one user and a group may"],
)
def test_in_a_folder_of_roots_nothing_that_a_third_user_could_have_planted_is_believed(tmp_path, planted):
    data = a_folder_of_roots(tmp_path, **planted)

    with pytest.raises(Refused, match=f"belongs to another user.*chown {planted.get('state', SOMEBODY)} .*/data$"):
        ownership.guard(data)


@AS_ROOT
def test_a_group_with_another_member_is_no_private_one(tmp_path, monkeypatch):
    bot = SimpleNamespace(pw_name="bot", pw_uid=SOMEBODY, pw_gid=777)
    other = SimpleNamespace(pw_name="other", pw_uid=SOMEBODY + 1, pw_gid=777)
    monkeypatch.setattr(ownership.pwd, "getpwnam", {"bot": bot}.__getitem__)
    data = a_folder_of_roots(tmp_path, mode=0o2775, group=777)
    for users, members in (([bot, other], []), ([bot], ["other"])):
        monkeypatch.setattr(ownership.pwd, "getpwall", lambda users=users: users)
        known = SimpleNamespace(gr_name="bot", gr_mem=members)
        monkeypatch.setattr(ownership.grp, "getgrgid", {777: known}.__getitem__)
        with pytest.raises(Refused, match="belongs to another user"):
            ownership.guard(data)


def test_what_we_and_a_switch_under_way_leave_is_ours(tmp_path):
    data = tmp_path / "data"
    (data / ".migrator" / "new").mkdir(parents=True)
    (data / ".migrator" / "new" / "jarvis.db").symlink_to("../../jarvis_core.db")
    (data / ".migrator" / "active").symlink_to("new")
    # What a process leaves that is killed right before it turns the pointer.
    (data / ".migrator" / ".active.draft").symlink_to("new")
    (data / "backup" / "0001" / "originals").mkdir(parents=True)

    ownership.guard(data)
    ownership.guard(tmp_path / "nowhere")


def test_a_data_directory_may_itself_be_reached_by_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "real")

    with locked(tmp_path / "data"):
        assert (tmp_path / "real" / ".migrator" / "lock").is_file()


def test_a_link_is_not_used_as_a_folder(tmp_path, outside):
    (tmp_path / "ours").symlink_to(outside)
    before = image(outside)

    with pytest.raises(OSError, match="link"):
        durable_files.make_private_folder(tmp_path / "ours")
    assert before == image(outside)


# ---------------------------------------------------------------- sources


def test_a_source_swapped_for_a_link_after_the_inventory_is_not_followed(data, outside):
    shutil.copy(data / "tax.db", outside / "tax.db")
    workspace, configuration = workspace_of(data)
    planned = pipeline_migrate.plan(workspace, configuration)
    (data / "tax.db").unlink()
    (data / "tax.db").symlink_to(outside / "tax.db")

    with pytest.raises(SourceError, match="not a regular file"):
        backup_stage.backup(backup_stage.wanted(planned), workspace.backups, read_back=inventory)
    assert [] == list(outside.glob("tax.db-*"))


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_link_beside_a_database_leads_nowhere(data, outside, suffix):
    (data / f"tax.db{suffix}").symlink_to(outside / "kept")
    before = image(outside)

    (found,) = [one for one in inventory(data).databases if one.place.name == "tax.db"]

    assert f"its {suffix}: a symbolic link, which is not followed" == found.reason
    assert before == image(outside)
    with pytest.raises(Refused):
        pipeline_migrate.backup(pipeline_migrate.plan(*workspace_of(data)), workspace_of(data)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../outside/x.db", "/etc/x.db", "a/../../x.db", "\0", "x\ny"])
def test_a_name_in_the_configuration_reaches_no_file(data, outside, name):
    shutil.copy(data / "custom.db", outside / "x.db")
    with (data / "migrator.toml").open("a", encoding="utf-8") as toml:
        toml.write(f'\n[files]\n{json.dumps(name)} = "carry:core"\n')
    try:
        planned = pipeline_migrate.plan(*workspace_of(data))
    except UsageError:
        return
    assert not [one for one in planned.inventory.databases if one.place.name == "x.db"]
    assert any("which is not there" in finding for finding in planned.findings)


def test_dots_in_an_included_path_are_resolved_and_a_link_is_not_followed(data, outside):
    shutil.copy(data / "custom.db", outside / "notes.db")
    (outside / "linked.db").symlink_to(outside / "notes.db")
    (data.parent / "way").symlink_to(outside)

    included = inventory(data, include=[data.parent / "way" / ".." / "outside" / "notes.db"])
    linked = inventory(data, include=[outside / "linked.db"])

    assert [outside.resolve() / "notes.db"] == [one.path for one in included.databases if one.place.name == "notes.db"]
    (found,) = [one for one in linked.databases if one.place.name == "linked.db"]
    assert "unreadable" == found.verdict.value


# ---------------------------------------------------------------- the stage and the .env


@pytest.fixture(name="staged", scope="module")
def _staged(made, tmp_path_factory):
    folder = shutil.copytree(made, tmp_path_factory.mktemp("staged") / "data")
    workspace, configuration = workspace_of(folder)
    pipeline_migrate.build(
        workspace, configuration, pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace)
    )
    return folder


@pytest.fixture(name="built")
def _built(staged, tmp_path):
    return shutil.copytree(staged, tmp_path / "home" / "data", symlinks=True)


def prepared(data):
    workspace, configuration = workspace_of(data)
    snapshot = backup_stage.latest(workspace.backups, read_back=inventory)
    return cutover_stage.prepare(
        pipeline_migrate.plan(workspace, configuration), snapshot, data.parent / ".env"
    ), snapshot


@pytest.mark.slow
@pytest.mark.parametrize("second", [Path.symlink_to, Path.hardlink_to])
def test_a_stage_that_has_a_second_name_is_not_installed(built, outside, second):
    core = built / ".migrator" / "stage" / "jarvis_core.db"
    wanted, snapshot = prepared(built)
    shutil.move(core, outside / "core.db")
    second(core, outside / "core.db")
    before = image(outside)

    assert 1 == len(cutover_stage.refusals(wanted))
    with pytest.raises(Refused):
        cutover_stage.cutover(wanted, snapshot, observer=Observer())
    assert before == image(outside)
    assert not (built / "jarvis.db").is_symlink()


@pytest.mark.slow
@AS_ROOT
def test_files_of_two_users_are_refused_and_what_root_makes_belongs_to_the_owner(built):
    for path in [built.parent, built, *built.rglob("*")]:
        os.chown(path, SOMEBODY, SOMEBODY, follow_symlinks=False)
    (built.parent / ".env").touch()
    wanted, snapshot = prepared(built)
    os.chown(built / "tax.db", SOMEBODY + 1, SOMEBODY)
    (said,) = cutover_stage.refusals(wanted)
    assert re.search(r"belongs to user 1234\d and .* to user 1234\d", said)

    os.chown(built / "tax.db", SOMEBODY, SOMEBODY)
    assert () == cutover_stage.refusals(wanted)
    with locked(built):
        cutover_stage.cutover(wanted, snapshot, observer=Observer())
    os.chown(built.parent / ".env", SOMEBODY, SOMEBODY)

    strangers = [path for path in built.rglob("*") if path.lstat().st_uid != SOMEBODY and not path.is_symlink()]
    assert [] == strangers


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_an_env_that_is_no_file_makes_nobody_wait(tmp_path, kind):
    path = tmp_path / ".env"
    os.mkfifo(path) if kind == "fifo" else path.mkdir()

    assert env_flag.flag(path) is False
    with pytest.raises(Refused, match="is not a regular file"):
        env_flag.set_flag(path, on=True)


def test_a_switch_file_that_is_a_fifo_makes_no_application_wait(tmp_path):
    (tmp_path / ".migrator").mkdir(mode=0o700)
    os.mkfifo(tmp_path / ".migrator" / "switch.json")

    with pytest.raises(MigratorError, match="not a regular file"):
        switch_state.read(tmp_path)


# ---------------------------------------------------------------- hostile schemas


HOSTILE = {
    "a view that loads code": "CREATE VIEW tip AS SELECT load_extension('/tmp/x.so') AS a",
    "a trigger that writes": (
        "CREATE TABLE t (a); CREATE TABLE hit (a);"
        " CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO hit VALUES (1); END; INSERT INTO t VALUES (1);"
        " DELETE FROM hit"
    ),
    "a default that calls a function": "CREATE TABLE t (a, b DEFAULT (load_extension('x'))); INSERT INTO t VALUES (1, 2)",
    "a generated column that takes long": (
        "CREATE TABLE t (a, b AS (hex(zeroblob(1000)))); INSERT INTO t (a) VALUES (1)"
    ),
    "a view that never ends": (
        "CREATE VIEW tip AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) AS a FROM r"
    ),
    "a view of itself": "CREATE VIEW tip AS SELECT * FROM tip",
    "an index over a function": "CREATE TABLE t (a); CREATE INDEX i ON t (abs(a)); INSERT INTO t VALUES (1)",
}


@pytest.mark.slow
def test_nothing_of_a_hostile_schema_runs(data):
    fates = ["[files]"]
    for number, sql in enumerate(HOSTILE.values()):
        fates.append(f'"hostile{number}.db" = "carry:core"')
        with closing(sqlite3.connect(data / f"hostile{number}.db", isolation_level=None)) as connection:
            connection.executescript(sql)
    with (data / "migrator.toml").open("a", encoding="utf-8") as added:
        added.write("\n" + "\n".join(fates) + "\n")

    workspace, configuration = workspace_of(data)
    planned = pipeline_migrate.plan(workspace, configuration)
    built = pipeline_migrate.build(workspace, configuration, pipeline_migrate.backup(planned, workspace))

    assert built.holds
    schemas = {}
    for file in catalogue.TARGETS.values():
        with closing(sqlite3.connect(workspace.stage / file)) as built_database:
            for kind, name in built_database.execute("SELECT type, name FROM sqlite_schema"):
                schemas[name] = kind
                if name.endswith("_hit"):
                    assert [] == built_database.execute(f"SELECT * FROM {name}").fetchall()
    assert {"table", "index"} == set(schemas.values())
    assert {"legacy_hostile1_hit", "legacy_hostile1_t", "legacy_hostile6_t"} <= set(schemas)


def test_a_connection_to_what_we_did_not_write_trusts_nothing(tmp_path):
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE t (a)")
        made.commit()

    for opened in (
        connections.read,
        connections.scratch,
        lambda path: connections.take_over(path, 1),
        lambda path: connections.lock(path, 1),
    ):
        with closing(opened(path)) as connection:
            assert [(1,)] == connection.execute("PRAGMA cell_size_check").fetchall(), opened
            assert connection.execute("PRAGMA mmap_size").fetchall() in ([(0,)], []), opened
            with pytest.raises(sqlite3.OperationalError, match=r"not authorized|no such function"):
                connection.execute("SELECT load_extension('x')")


def test_a_build_trusts_no_source_either(data):
    workspace, configuration = workspace_of(data)
    snapshot = pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace)
    from migrator.stages.build import stage as build_stage  # noqa: PLC0415 - the bench is an inner part of it

    paths = {one.known_as: one.path for one in snapshot.inventory.databases}
    workspace.stage.mkdir(parents=True, mode=0o700)
    sources = build_stage.Sources(legacy=paths, read=paths, decided=())
    with closing(build_stage.TargetDatabase("core", workspace.stage / "jarvis_core.db", sources)) as bench:
        bench.need(["custom"])
        assert [(1,)] == bench.connection.execute("PRAGMA cell_size_check").fetchall()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            bench.connection.execute("CREATE TABLE custom.x (a)")


def test_a_schema_written_by_hand_is_one_sentence_and_not_run(data):
    """PRAGMA writable_schema allows any text in sqlite_schema; SQLite reads its first statement."""
    with closing(sqlite3.connect(data / "custom.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a); DROP TABLE t' WHERE name = 't'")
    workspace, configuration = workspace_of(data)

    planned = pipeline_migrate.plan(workspace, configuration)

    (refusal,) = planned.refusals
    assert refusal.startswith("custom.db: t: cannot be made here (You can only execute one statement at a time.)")


def test_an_examination_may_only_read(tmp_path):
    """For any schema: the authorizer of the child refuses every statement that writes, attaches or loads."""
    assert sqlite3.SQLITE_DENY == inspect_worker._may(sqlite3.SQLITE_FUNCTION, None, "load_extension")
    assert sqlite3.SQLITE_DENY == inspect_worker._may(sqlite3.SQLITE_ATTACH, str(tmp_path))
    assert sqlite3.SQLITE_DENY == inspect_worker._may(sqlite3.SQLITE_PRAGMA, "writable_schema", "ON")
    assert sqlite3.SQLITE_DENY == inspect_worker._may(sqlite3.SQLITE_INSERT, "t")


# ---------------------------------------------------------------- modes, and what is told


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0, 0o777])
def test_whatever_the_umask_only_users_of_the_databases_read_what_is_written(made, tmp_path, umask):
    """The application may be another user of the group: the three databases, its .env, and the files of its connections."""
    data = shutil.copytree(made, tmp_path / "home" / "data")
    for path in data.rglob("*.db"):
        path.chmod(0o640)
    given = set(data.parent.rglob("*"))
    migrated = run("migrate", data, "--json", umask=umask)
    assert 0 == migrated.returncode, migrated.stderr
    accept(data, umask)
    assert 0 == run("report", data, "--output", data.parent / "page.html", umask=umask).returncode
    pair = ["--legacy", data / "backup" / "0001", "--consolidated", data / ".migrator" / "stage"]
    assert 0 == run("verify", data, *pair, "--evidence", data.parent / "pair.json", umask=umask).returncode
    there = run("cutover", data, "--execute", "--catch-up", umask=umask)
    assert 0 == there.returncode, there.stdout + there.stderr
    writes = "import migrator, sys; c = migrator.connect('jarvis.db', schema='consolidated', data_dir=sys.argv[1]); c.execute('PRAGMA user_version')"
    subprocess.run([sys.executable, "-c", writes, data], check=True, umask=umask)
    open_to_others = others_may(data.parent, given)
    back = run("monitor", data, "--events", "-", umask=umask, given='{"ok": 900, "failed": 100}\n')
    assert 4 == back.returncode, back.stderr

    # Through these folders the application reaches its databases while a switch is under way.
    passed = {name for name, mode in open_to_others.items() if mode == "0o711"}
    assert "data/.migrator" in passed
    assert all(f"{name}/".startswith(("data/.migrator/new/", "data/.migrator/")) for name in passed)
    state = {".env": "0o640", "data/.migrator/switch.json": "0o640", "data/.migrator/events.jsonl": "0o640"}
    targets = ("core", "analytics", "cache")
    three = {f"data/jarvis_{target}.db": "0o640" for target in targets}
    plans = {f"data/.migrator/compat/{target}.json": "0o640" for target in targets}
    assert {**state, **three, **plans} == {name: mode for name, mode in open_to_others.items() if name not in passed}
    shut = [path for path in data.parent.rglob("*") if stat.S_IMODE(path.lstat().st_mode) & 0o600 != 0o600]
    assert [] == shut
    assert {**state, "data/.migrator": "0o711"} == others_may(data.parent, given)
    # What went back has the mode that it had.
    assert 0o640 == stat.S_IMODE((data / "jarvis.db").stat().st_mode)


def others_may(folder, given):
    """Return the modes of what is below *folder*, was not *given*, can be reached by others than its owner and is open to them."""
    found = {}
    for here, folders, names in os.walk(folder):
        entries = [Path(here, name) for name in (*folders, *names)]
        modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in entries if not path.is_symlink()}
        folders[:] = [name for name in folders if modes.get(Path(here, name), 0) & 0o011]
        found |= {
            str(path.relative_to(folder)): oct(mode & 0o777)
            for path, mode in modes.items()
            if path not in given and mode & 0o077
        }
    return found


#: Columns that are shown on purpose: keys, names and kinds; a report is of no use without them.
SHOWN = re.compile(r"(^|_)(id|key|name|address|entity|signature|component|symbol|provider|endpoint|user_id|wallet)$")


def plant_canaries(folder):
    """Put a canary into every text that is not a key or a fixed word; return how many."""
    planted = 0
    for path in sorted(folder.glob("**/*.db")):
        if {"backup", ".migrator"} & set(path.parts):
            continue
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.text_factory = bytes
            tables = connection.execute(
                "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
            for (name,) in tables:
                table = connections.quoted(name.decode())
                for column, kind, key in connection.execute(
                    "SELECT name, type, pk FROM pragma_table_info(?)", (name.decode(),)
                ).fetchall():
                    if key or kind.upper() not in (b"TEXT", b"") or SHOWN.search(column.decode()):
                        continue
                    cell = connections.quoted(column.decode())
                    try:
                        planted += connection.execute(
                            f"UPDATE {table} SET {cell} = {CANARY!r} || {cell} WHERE typeof({cell}) = 'text'"
                            f" AND rowid % 3 = 0 AND {cell} LIKE '% %'"
                        ).rowcount
                        planted += connection.execute(
                            f"UPDATE {table} SET {cell} = {CANARY!r} || rowid WHERE rowid IN"
                            f" (SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT 1)"
                        ).rowcount
                    except sqlite3.Error:
                        continue  # a shadow table, or a constraint of the legacy file refuses it
    return planted


def tattling(folder, *said):
    """Return files below *folder* other than databases, and outputs, that have a canary."""
    found = [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
        and not path.read_bytes().startswith(connections.MAGIC)
        and not path.name.endswith(("-wal", "-shm"))
        and CANARY.encode() in path.read_bytes()
    ]
    return found + [one for done in said for one in (done.stdout, done.stderr) if CANARY in one]


@pytest.mark.slow
def test_no_private_value_is_told(tmp_path):
    """Neither when all is well nor when contracts are broken, a switch is refused, or the monitor goes back."""
    home = tmp_path / "home"
    data = home / "data"
    generator.make(data, rows=300, seed=3, dirty=True)
    assert plant_canaries(data) > 50
    (home / "told").write_text(CANARY, encoding="utf-8")
    assert ["told"] == tattling(home)
    (home / "told").unlink()
    said = [run("inventory", data, "--json"), run("plan", data, "--json")]
    said += [run("migrate", data, "--json")]
    quarantined = sum(
        sum(one["quarantined"].values()) for one in json.loads(said[-1].stdout)["result"]["built"]["targets"]
    )
    assert quarantined > 0
    # A broken contract of each kind: values, rows, text.
    for target in ("core", "analytics"):
        with closing(sqlite3.connect(data / ".migrator" / "stage" / f"jarvis_{target}.db")) as staged:
            tables = [
                name
                for (name,) in staged.execute(
                    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
                )
            ]
            for name in tables:
                for column, kind in staged.execute("SELECT name, type FROM pragma_table_info(?)", (name,)).fetchall():
                    if kind == "TEXT" and not SHOWN.search(column) and name not in ("lineage", "quarantine", "config"):
                        staged.execute(
                            f"UPDATE OR IGNORE {connections.quoted(name)} SET {connections.quoted(column)} = ? WHERE rowid ="
                            f" (SELECT min(rowid) FROM {connections.quoted(name)})",
                            (f"{CANARY} spoilt",),
                        )
            staged.commit()
    said += [
        run("verify", data),
        run("verify", data, "--json"),
        run("report", data, "--format", "json", "--output", "-"),
        run("status", data),
    ]
    assert [1, 1, 0, 0] == [done.returncode for done in said[-4:]]
    assert [] == tattling(home, *said)
    said = [run("report", data, "--format", "markdown", "--output", "-"), run("cutover", data, "--execute")]
    said += [accept(data)]
    said += [run("cutover", data, "--execute", "--catch-up")]
    assert 0 == said[-1].returncode, said[-1].stdout + said[-1].stderr
    with closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=data, isolation_level=None)) as core:
        core.execute("UPDATE trades SET error_message = ?", (f"{CANARY} written since",))
        core.execute("INSERT INTO config (key, value) VALUES ('secret', ?)", (f"{CANARY} secret",))
        for _ in range(3):
            with pytest.raises(sqlite3.Error):
                core.execute("INSERT INTO trades (id, status) VALUES ((SELECT max(id) FROM trades), ?)", (CANARY,))
    said += [run("monitor", data, "--json", "--events", "-", given='{"ok": 900, "failed": 100}\n')]
    assert 4 == said[-1].returncode, said[-1].stderr
    assert [] == tattling(home, *said)
