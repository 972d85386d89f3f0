"""One hint for each kind of error, with a command that works."""

import errno
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from migrator.system import error_hints

#: Commands that change something: the reader decides, and we only see that they are there.
CHANGES = {"sysctl", "ulimit", "migrator"}


@pytest.fixture(autouse=True)
def _copies(tmp_path, monkeypatch):
    """Private copies go to a folder that no other process uses."""
    (tmp_path / "copies").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "copies"))


def of_system(number, path):
    return error_hints.told(OSError(number, os.strerror(number), str(path)), [path.parent])


def of_sqlite(name, folder):
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorname = name
    return error_hints.told(error, [folder])


def command_in(hint):
    return re.search(r"(?:run|shell|host): (.*)", hint)[1]


@pytest.mark.parametrize("number", sorted(error_hints._OF_SYSTEM))
def test_an_error_of_the_system_has_a_hint_whose_command_works(tmp_path, number):
    path = tmp_path / "it's a b#.db"
    path.touch()

    told = of_system(number, path)

    assert os.strerror(number).lower() == told.what
    assert str(path) == told.where
    if "run:" in told.hint or "shell:" in told.hint:
        works(command_in(told.hint))


@pytest.mark.parametrize("name", sorted(error_hints._OF_SQLITE))
def test_an_error_of_sqlite_has_a_hint_whose_command_works(tmp_path, name):
    told = of_sqlite(f"{name}_MORE", tmp_path)

    assert "what SQLite says" == told.what
    if "run:" in told.hint:
        works(command_in(told.hint))


def works(command):
    words = shlex.split(command)
    if words[0] not in CHANGES | {"dmesg"}:
        done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
        # grep has found nothing: no process uses the file.
        assert done.returncode in ((0, 1) if "grep" in words else (0,)), done
    elif words[0] not in {"ulimit", "migrator"}:
        assert shutil.which(words[0]) or sys.platform != "linux"


def test_kinds_are_told_apart(tmp_path):
    kinds = (
        errno.EACCES,
        errno.ENOSPC,
        errno.EROFS,
        errno.ENOENT,
        errno.EMFILE,
        errno.EXDEV,
        errno.EEXIST,
        errno.EIO,
        errno.ELOOP,
    )
    sqlites = (
        "SQLITE_FULL",
        "SQLITE_IOERR_WRITE",
        "SQLITE_CANTOPEN_ISDIR",
        "SQLITE_READONLY_DIRECTORY",
        "SQLITE_BUSY_RECOVERY",
    )

    assert len(kinds) == len({of_system(number, tmp_path / "x").hint for number in kinds})
    assert len(sqlites) == len({of_sqlite(name, tmp_path).hint for name in sqlites})
    assert "dmesg" in of_sqlite("SQLITE_IOERR_WRITE", tmp_path).hint
    assert of_sqlite("SQLITE_IOERR_SHMSIZE", tmp_path).hint == of_sqlite("SQLITE_FULL", tmp_path).hint


def test_who_may_is_the_owner_and_where_room_is_missing_are_both_folders(tmp_path):
    assert f"df -h {tmp_path} {tmp_path}/copies" in of_sqlite("SQLITE_FULL", tmp_path).hint
    assert "run this as root, " in of_system(errno.EACCES, Path("/proc/1/nowhere")).hint


def test_an_error_that_is_not_known_has_a_hint_too(tmp_path):
    assert f"ls -la {tmp_path}" in of_system(errno.EPROTO, tmp_path / "x").hint
    assert f"ls -la {tmp_path}" in of_sqlite("", tmp_path).hint
