"""The deeds of the worker in a folder; each gets a function that it calls once something is durable."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from unittest import mock

import legacy_writes as writes
import small_set

from migrator.pipeline import migrate as pipeline_migrate
from migrator.stages.verify import stage as verify_stage
from migrator.switch import recovery
from migrator.system.temporary_folders import private_folder


def migrate(home, _tell):
    """Take the snapshot and build the three databases from it."""
    small_set.build(home)


def verify(home, tell):
    """Write the evidence again, from ``judged``: the contracts run in a process of their own, which writes elsewhere."""

    class Judging:
        def __init__(self, folder):
            self.folder = folder

        def judge(self, _legacy, _consolidated, _config, _progress):
            tell("withdrawn")
            shutil.copytree(home / "judged", self.folder, dirs_exist_ok=True)
            return subprocess.CompletedProcess((), 0, "", "")

    @contextmanager
    def started():
        with private_folder() as folder:
            yield Judging(folder)

    with mock.patch.object(verify_stage, "started", started):
        pipeline_migrate.verify_stage(small_set.workspace_of(home)[0], None)


def cutover(home, tell):
    """Switch to the consolidated set."""
    small_set.cut_over(home, tell)


def rollback(home, tell):
    """Switch back."""
    small_set.roll_back(home, tell)


def restore(home, tell):
    """Put the files of the first snapshot back."""
    done = small_set.restore(home, tell)
    assert done.executed, done


def recover(home, tell):
    """Do what every command does first; return its message, '' without anything to do."""
    said = recovery.settle(home / "data")
    tell(said)
    return said


def cutover_beside_a_writer(home, tell):
    """Switch while a process has a legacy file open, and writes a row once every name leads through the pointer."""
    asked, answered = os.pipe(), os.pipe()
    writer = os.fork()
    if writer == 0:
        try:
            # Its own end of the pipe would keep it waiting for ever.
            os.close(asked[1])
            connection = sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)
            connection.execute("SELECT count(*) FROM positions").fetchone()
            os.write(answered[1], b"o")
            if os.read(asked[0], 1):
                connection.execute("UPDATE positions SET symbol = 'late row'")
                os.write(answered[1], b"w")
        finally:
            os._exit(0)
    os.close(asked[0])
    os.close(answered[1])
    assert os.read(answered[0], 1) == b"o"

    def telling(text):
        tell(text)
        if "one pointer" in text:
            os.write(asked[1], b"!")
            if os.read(answered[0], 1) == b"w":
                tell("a row is written")

    try:
        small_set.cut_over(home, telling)
    finally:
        os.close(asked[1])
        os.waitpid(writer, 0)


#: Transactions of a calibration, each of which changes every row of several pages.
TRANSACTIONS = 5


def prepare(home, mode):
    """Make the database of a calibration."""
    with closing(sqlite3.connect(home / "file.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode.partition(' ')[0]}")
        connection.execute("CREATE TABLE work (number, filling)")
        connection.executemany("INSERT INTO work VALUES (0, ?)", [("x" * 900,)] * 20)


def transactions(mode, home, tell):
    """Do them in a *mode*: ``wal NORMAL``."""
    with closing(sqlite3.connect(home / "file.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA synchronous = {mode.partition(' ')[2]}")
        for number in range(1, TRANSACTIONS + 1):
            connection.execute("UPDATE work SET number = ?", (number,))
            tell(f"transaction {number}")
        # The process dies here: to close would checkpoint.
        os._exit(0)


def legacy_writes(home, tell):
    """Write through the legacy schema, with a wait for the disk at each commit."""
    writes.write(home, tell)


def hasty_legacy_writes(home, tell):
    """Write through the legacy schema without that wait: a commit may be lost."""
    writes.write(home, tell, synchronous="NORMAL")
