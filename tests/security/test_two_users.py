"""The owner of the files, a bot that is another user of their group, and a third member: migrate, cut over, connect, roll back.

Before the cutover the bot writes to the legacy files, after it to the consolidated databases, after a rollback to the
legacy files again; nothing of another user lies beside them at any time.
"""

import os
import sqlite3
import stat
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
import small_set
from other_users import AS_ROOT, BOT, DEPLOY, SHARED, THIRD, as_user, given, in_this_process, owners

import migrator
from contracts.specimens import generator
from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import status as pipeline_status
from migrator.pipeline import switchover
from migrator.switch import recovery
from migrator.switch import state as switch_state

pytestmark = AS_ROOT


@pytest.fixture(name="home")
def _home(passable):
    """A small set of DEPLOY, which members of SHARED may write to: files 0664 in folders 2775; the .env is DEPLOY's alone."""
    home = passable / "home"
    generator.make(home / "data", seed=7, rows=60, wal=True)
    for path in sorted((home / "data").rglob("*")):
        if path.is_file() and path.name.partition(".")[0] not in small_set.KEPT:
            path.unlink()
    given(home, DEPLOY, SHARED, folder_mode=0o2775, file_mode=0o664)
    (home / ".env").write_text("SECRET=1\n")
    (home / ".env").chmod(0o600)
    os.chown(home / ".env", DEPLOY, DEPLOY)
    return home


def build(home):
    with in_this_process():
        small_set.build(home)


def cut_over(home):
    with in_this_process():
        return small_set.cut_over(home, serving=True).executed


def roll_back(home):
    with in_this_process():
        return dict(small_set.roll_back(home).residue)


def through_sqlite(home, sql):
    with closing(sqlite3.connect(home / "data" / "jarvis.db")) as plain, plain:
        return plain.execute(sql).fetchall()


def through_migrator(home, sql):
    with (
        closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=home / "data")) as connection,
        connection,
    ):
        found = connection.execute(sql).fetchall()
        if hasattr(connection, "counter"):
            connection.counter.write()
        return found


def through_legacy_schema(home, sql):
    with closing(migrator.connect(home / "data" / "jarvis.db")) as connection, connection:
        return connection.execute(sql).fetchall()


def bot(home):
    """Write as the bot, by plain SQLite and by migrator.connect; return how many trades there are."""
    before = as_user(BOT, through_sqlite, home, "SELECT count(*) FROM trades", groups=[SHARED])
    for write in (through_sqlite, through_migrator, through_legacy_schema):
        assert as_user(BOT, write, home, "UPDATE trades SET symbol = symbol RETURNING 1", groups=[SHARED])
    assert before == as_user(BOT, through_migrator, home, "SELECT count(*) FROM trades", groups=[SHARED])
    return before[0][0]


def strangers(home):
    """Return what lies in the data directory and belongs to neither DEPLOY nor the group, as far as others use it."""
    return {
        place: owner
        for place, owner in owners(home / "data").items()
        if owner[0] != DEPLOY or (owner[1] != SHARED and not place.startswith((".migrator/stage", "backup")))
    }


@pytest.mark.slow
@pytest.mark.parametrize("operator", [DEPLOY, 0], ids=["owner", "root"])
def test_the_bot_can_write_before_a_cutover_after_it_and_after_a_rollback(home, operator):
    data = home / "data"
    groups = [SHARED] if operator else []
    modes = {path: path.stat().st_mode for path in data.glob("*.db")}
    trades = bot(home)

    as_user(operator, build, home, groups=groups)
    assert trades == bot(home)
    assert {} == strangers(home)

    assert as_user(operator, cut_over, home, groups=groups)
    assert {} == strangers(home)
    assert {0o664} == {
        stat.S_IMODE((data / f"jarvis_{one}.db").stat().st_mode) for one in ("core", "analytics", "cache")
    }
    assert trades == bot(home)
    assert b'"ok"' in (data / ".migrator" / "events.jsonl").read_bytes()
    assert {} == strangers(home)
    assert 0o711 == stat.S_IMODE((data / ".migrator").stat().st_mode) & 0o777

    assert {} == as_user(operator, roll_back, home, groups=groups)
    assert {} == strangers(home)
    assert modes == {path: path.stat().st_mode for path in modes}
    assert trades == bot(home)


@pytest.mark.slow
def test_what_root_has_made_its_owner_goes_on_with(home):
    as_user(0, build, home)

    def status():
        with in_this_process():
            return pipeline_status.status(*small_set.workspace_of(home)).run

    assert "0001" == as_user(DEPLOY, status, groups=[SHARED])
    assert as_user(DEPLOY, cut_over, home, groups=[SHARED])
    assert {} == as_user(0, roll_back, home)
    assert {} == strangers(home)
    bot(home)


def test_a_third_member_is_refused_and_leaves_nothing(home):
    def migrate():
        with in_this_process():
            workspace, configuration = small_set.workspace_of(home)
            pipeline_migrate.migrate(workspace, configuration, None)

    before = owners(home)

    with pytest.raises(
        Refused, match=f"belongs to user #{DEPLOY}.*; run this again with: sudo -u '#{DEPLOY}' -g '#{SHARED}'"
    ):
        as_user(THIRD, migrate, groups=[SHARED])
    assert before == owners(home)
    bot(home)


@pytest.mark.slow
@pytest.mark.parametrize(("pointed", "verb"), [(switch_state.LEGACY, "rollback"), (switch_state.NEW, "cutover")])
def test_during_a_switch_every_name_leads_the_bot_to_a_database(home, pointed, verb):
    """Killed before its commit or after it: by plain SQLite at once, by migrator.connect once its owner has ended it."""
    as_user(DEPLOY, build, home, groups=[SHARED])

    def die_once_all_goes_through_the_pointer(*_):
        last = small_set.last_switch(home)
        if last and switch_state.pointed(last) == pointed and all(name.path.is_symlink() for name in last.names):
            os._exit(9)

    def cut_short():
        child = os.fork()
        if child == 0:
            with small_set.after_each_step(die_once_all_goes_through_the_pointer):
                cut_over(home)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert 9 == as_user(DEPLOY, cut_short, groups=[SHARED])
    assert as_user(BOT, through_sqlite, home, "UPDATE trades SET symbol = symbol RETURNING 1", groups=[SHARED])

    def connect():
        migrator.connect("jarvis.db", schema="consolidated", timeout=0.1, data_dir=home / "data")

    with pytest.raises(Refused, match=f"run: migrator {verb} --execute; as its owner, by sudo -u '#{DEPLOY}'"):
        as_user(BOT, connect, groups=[SHARED])
    assert as_user(DEPLOY, recovery.settle, home / "data", groups=[SHARED])
    bot(home)
    assert {} == strangers(home)


def test_an_env_that_the_cutover_makes_can_be_read_by_the_bot(home):
    (home / ".env").unlink()
    as_user(DEPLOY, build, home, groups=[SHARED])
    assert as_user(DEPLOY, cut_over, home, groups=[SHARED])

    assert "USE_CONSOLIDATED_DBS=true\n" == as_user(BOT, (home / ".env").read_text)


def test_another_user_is_told_so_by_a_dry_run_too(home):
    as_user(DEPLOY, build, home, groups=[SHARED])

    def rehearsed(stage):
        workspace, configuration = small_set.workspace_of(home)
        stage(workspace, configuration, execute=False)

    for stage in (switchover.cutover, switchover.rollback):
        with pytest.raises(Refused, match=f"user #{THIRD} may not use it; run this again with: sudo -u '#{DEPLOY}'"):
            as_user(THIRD, rehearsed, stage, groups=[SHARED])


def test_connect_in_a_folder_that_this_user_may_not_enter_is_refused_with_a_sentence():
    """With an absolute path, and no data directory that is named: the folder may be of no set."""
    with tempfile.TemporaryDirectory() as name:
        closed = Path(name) / "closed"
        closed.mkdir(mode=0o700)
        Path(name).chmod(0o755)
        sqlite3.connect(closed / "jarvis.db").close()

        with pytest.raises(Refused, match=f"jarvis.db: user #{THIRD} may not use it; give that user the x permission"):
            as_user(THIRD, migrator.connect, str(closed / "jarvis.db"))
