"""Permissions of the three databases: exactly the users of their sources, also with connections of restricted users."""

import itertools
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath
from unittest import mock

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from other_users import AS_ROOT, BOT, DEPLOY, SHARED, as_user, given

import migrator
from migrator.config import config_file
from migrator.errors import Refused, UsageError
from migrator.switch import state as switch_state
from migrator.switch import target_permissions
from migrator.switch.state import Name, Switch
from migrator.system import durable_files, permissions
from migrator.system.durable_files import Access

GROUPS = (1, 2, 3)
#: Every set of groups that a user may be in.
USERS = [set(some) for length in range(4) for some in itertools.combinations(GROUPS, length)]
DIGITS = (0, 2, 4, 6)
FILES = st.builds(
    Access,
    st.sampled_from(GROUPS),
    st.builds(lambda members, others: 0o600 | members << 3 | others, *[st.sampled_from(DIGITS)] * 2),
    st.just(b""),
)


def may(user, one):
    """What a user who is in these groups, and owns nothing, may do."""
    return (one.mode >> 3 if one.group in user else one.mode) & 0o6


@drawn(st.lists(FILES, min_size=1, max_size=4))
def test_no_user_gains_and_none_loses_where_it_is_said(found):
    with mock.patch.object(permissions, "reached", lambda one, _: one):
        chosen, serves = permissions.shared(found, Path("/"))

    every = [Access(gid, 0o600 | members << 3 | others) for gid in GROUPS for members in DIGITS for others in DIGITS]
    safe = [one for one in every if all(may(user, one) & ~may(user, source) == 0 for user in USERS for source in found)]
    assert chosen in safe
    perfect = [
        one for one in safe if all(may(user, source) & ~may(user, one) == 0 for user in USERS for source in found)
    ]
    assert serves == (chosen in perfect)
    assert serves == bool(perfect)
    assert not [one for one in safe if one.group == chosen.group and one.mode | chosen.mode != chosen.mode]


def made(folder, **modes):
    for name, mode in modes.items():
        (folder / f"{name}.db").touch()
        (folder / f"{name}.db").chmod(mode)
    return [folder / f"{name}.db" for name in modes]


def test_files_with_different_permissions_are_refused_until_a_mode_is_decided(data):
    paths = made(data, jarvis=0o664, tax=0o600, alerts=0o644)

    (sentence,) = target_permissions.disagreements({"core": paths}, data, None)
    assert sentence.startswith("jarvis_core.db takes rows of files with different permissions: ")
    assert {"jarvis.db (0664", "tax.db (0600", "alerts.db (0644"} <= {
        part.strip() for part in sentence.replace(";", ",").replace(": ", ",").split(",")
    }
    assert 'set [decisions] file_mode = "0600" to leave out users who may not use each of them' in sentence
    assert [] == list(target_permissions.disagreements({"core": paths}, data, 0o600))
    assert [] == list(target_permissions.disagreements({"core": paths[:1], "cache": paths[2:]}, data, None))
    assert 0o600 == permissions.shared(paths, data, 0o666)[0].mode
    assert 0o640 == permissions.shared(paths[:1], data, 0o640)[0].mode


def test_a_folder_that_others_may_not_pass_counts_as_a_permission_of_its_files(data):
    closed = data / "closed"
    closed.mkdir(mode=0o700)
    (path,) = made(closed, file_cache=0o644)

    assert (Access(path.stat().st_gid, 0o600), True) == permissions.shared([path], data)
    (other,) = made(data, jarvis=0o644)
    assert not permissions.shared([path, other], data)[1]
    data.chmod(0o700)
    assert (Access(path.stat().st_gid, 0o600), True) == permissions.shared([path, other], data)
    closed.chmod(0o755)
    assert (Access(path.stat().st_gid, 0o644), True) == permissions.shared([path], data)


def test_a_database_without_sources_is_for_the_users_of_all_files(data):
    paths = made(data, jarvis=0o660)

    assert {"core": paths, "analytics": paths, "cache": paths} == target_permissions.sources([("jarvis", paths[0])], ())


@AS_ROOT
def test_a_group_that_this_user_cannot_give_is_refused(passable):
    (path,) = made(given(passable, DEPLOY, DEPLOY), jarvis=0o660)
    os.chown(path, DEPLOY, SHARED)

    def refusals():
        return list(target_permissions.disagreements({"core": [path]}, passable, None))

    (sentence,) = as_user(DEPLOY, refusals)
    assert f"has to belong to group #{SHARED}, and user #{DEPLOY} is not in it" in sentence
    assert [] == as_user(DEPLOY, refusals, groups=[SHARED])
    assert [] == refusals()


@AS_ROOT
def test_a_group_that_may_do_no_more_than_all_others_need_not_be_given(passable):
    (path,) = made(given(passable, DEPLOY, DEPLOY), jarvis=0o644)
    os.chown(path, DEPLOY, SHARED)

    assert [] == as_user(DEPLOY, lambda: list(target_permissions.disagreements({"core": [path]}, passable, None)))


def test_writers_who_may_not_write_to_the_data_directory_are_not_left_out_silently(data):
    folder = data / "cache"
    folder.mkdir()
    folder.chmod(0o775)
    paths = made(folder, file_cache=0o664)

    (sentence,) = target_permissions.disagreements({"cache": paths}, data, None)
    assert f"users who may write to {paths[0]} may not write to {data}, where SQLite keeps files beside it" in sentence
    assert '[decisions] file_mode = "0644"' in sentence
    assert [] == list(target_permissions.disagreements({"cache": paths}, data, 0o644))
    data.chmod(0o775)
    assert [] == list(target_permissions.disagreements({"cache": paths}, data, None))


@AS_ROOT
def test_a_folder_that_does_not_pass_its_group_on_is_a_finding(passable):
    paths = made(given(passable, DEPLOY, SHARED, folder_mode=0o775), jarvis=0o664)
    os.chown(paths[0], DEPLOY, SHARED)

    (sentence,) = target_permissions.findings({"core": paths, "cache": paths}, passable, None)
    assert f"(chgrp #{SHARED} and chmod g+s on that folder)" in sentence
    assert [] == list(target_permissions.findings({"core": paths}, passable, 0o644))
    passable.chmod(0o2775)
    assert [] == list(target_permissions.findings({"core": paths}, passable, None))
    os.chown(passable, 0, 0)
    os.chown(paths[0], 0, 0)
    passable.chmod(0o775)
    assert [] == list(target_permissions.findings({"core": paths}, passable, None))


@pytest.mark.parametrize("mode", ["0770", "777", "rw", "0640x", "060", ""])
def test_a_mode_that_is_none_is_a_usage_error(tmp_path, mode):
    (tmp_path / "migrator.toml").write_text(f'[decisions]\nfile_mode = "{mode}"\n', encoding="utf-8")

    with pytest.raises(UsageError, match=r"decisions.file_mode is '.*'; write a mode such as"):
        config_file.load(tmp_path / "migrator.toml")


def test_a_mode_is_read_in_octal(tmp_path):
    (tmp_path / "migrator.toml").write_text('[decisions]\nfile_mode = "0660"\n', encoding="utf-8")

    assert 0o660 == config_file.load(tmp_path / "migrator.toml").file_mode


# ---------------------------------------------------------------- access lists


def acl_of(*entries):
    """Return an access list as Linux keeps it: entries of tag, permissions and id (acl(5), posix_acl_xattr.h)."""
    return (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, bits, who in entries
    )


#: Owner rw, BOT rw, group none, mask rw, others none.
FOR_BOT = acl_of((0x01, 6, -1), (0x02, 6, BOT), (0x04, 0, -1), (0x10, 6, -1), (0x20, 0, -1))


@pytest.fixture(name="listed")
def _listed(passable):
    paths = made(passable, jarvis=0o600, tax=0o600)
    try:
        os.setxattr(paths[0], "system.posix_acl_access", FOR_BOT)
    except OSError:
        pytest.skip("this file system keeps no access lists")
    return passable, paths


def test_an_access_list_is_given_on_or_refused(listed):
    data, (first, second) = listed
    assert FOR_BOT == durable_files.access_of(first).acl

    (sentence,) = target_permissions.disagreements({"core": [first, second]}, data, None)
    assert "with an access list" in sentence
    os.setxattr(second, "system.posix_acl_access", FOR_BOT)
    assert [] == list(target_permissions.disagreements({"core": [first, second]}, data, None))
    (new,) = made(data, jarvis_core=0o600)
    durable_files.grant(new, permissions.shared([first, second], data)[0])
    assert durable_files.access_of(first) == durable_files.access_of(new)
    durable_files.grant(new, permissions.shared([first, second], data, 0o600)[0])
    assert (b"", 0o600) == (durable_files.access_of(new).acl, durable_files.access_of(new).mode)


@AS_ROOT
def test_a_rewritten_file_keeps_its_access_list(listed):
    _, (env, _) = listed
    durable_files.rewrite(env, b"USE_CONSOLIDATED_DBS=true\n")

    assert FOR_BOT == durable_files.access_of(env).acl
    assert b"USE_CONSOLIDATED_DBS=true\n" == as_user(BOT, env.read_bytes)


# ---------------------------------------------------------------- connections of users who may not see all of ours


@pytest.fixture(name="after")
def _after(passable):
    """A set of DEPLOY after its cutover, which every user may write to; its .env is DEPLOY's alone."""
    data = passable / "data"
    (data / ".migrator").mkdir(parents=True)
    with closing(sqlite3.connect(data / "jarvis_core.db")) as core:
        core.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x CHECK (x > 0))")
    (data / "jarvis.db").symlink_to("jarvis_core.db")
    place = PurePosixPath("jarvis.db")
    (passable / ".env").write_text("USE_CONSOLIDATED_DBS=true\n")
    given(passable, DEPLOY, SHARED, folder_mode=0o777, file_mode=0o666)
    (passable / ".env").chmod(0o600)
    switch_state.write(
        Switch(
            data_dir=data,
            kind=switch_state.CUTOVER,
            run="0001",
            env_file=passable / ".env",
            names=(Name(database="jarvis", place=place, path=data / place, target="core", journal_mode="wal"),),
            tables=(),
            constants={},
            finished=True,
        )
    )
    return data


def written_by_bot(data):
    def write():
        with closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=data, timeout=0.1)) as core, core:
            core.execute("INSERT INTO t VALUES (1)")
            with pytest.raises(sqlite3.IntegrityError):
                core.execute("INSERT INTO t VALUES (0)")
            return core.execute("PRAGMA foreign_keys").fetchone()[0]

    return as_user(BOT, write)


@AS_ROOT
def test_what_the_application_reads_is_open_to_the_users_of_its_databases(after):
    root = after / ".migrator"
    assert (0o711, 0o644) == tuple(stat.S_IMODE(one.stat().st_mode) for one in (root, root / "switch.json"))

    assert 1 == written_by_bot(after)
    (after / "jarvis_core.db").chmod(0o660)
    switch_state.write(switch_state.read(after))
    assert 0o640 == stat.S_IMODE((root / "switch.json").stat().st_mode)


@AS_ROOT
@pytest.mark.parametrize("closed", [".migrator/switch.json", ".migrator"])
def test_a_user_who_may_not_read_of_switches_goes_by_the_names(after, closed):
    (after / closed).chmod(0o600 if closed.endswith("json") else 0o700)

    assert 1 == written_by_bot(after)
    (after / "jarvis.db").unlink()
    with pytest.raises(Refused, match="there is no such database"):
        written_by_bot(after)


@AS_ROOT
def test_a_data_directory_that_a_user_may_not_pass_is_said(after):
    after.chmod(0o700)

    with pytest.raises(Refused, match=f"data.*: user #{BOT} may not use it"):
        written_by_bot(after)


@AS_ROOT
def test_a_switch_that_another_user_has_under_way_has_to_end_first(after):
    finished = switch_state.read(after)
    switch_state.write(replace(finished, finished=False))
    with pytest.raises(Refused, match="another user's switch is at work; else a cutover of run 0001 was cut short"):
        written_by_bot(after)

    switch_state.write(finished)
    assert 1 == written_by_bot(after)
