"""Private folders are deleted however a run ends, and a signal is reported as a signal."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from migrator.cli import app
from migrator.errors import BuildError, MigratorError
from migrator.system import temporary_folders
from migrator.system.escaping import LONGEST, escaped


def test_a_folder_is_ours_alone_and_gone_afterwards():
    with temporary_folders.private_folder() as folder:
        assert 0o700 == folder.stat().st_mode & 0o777
        (folder / "copy").write_text("x")

    assert not folder.exists()


def test_a_folder_goes_although_somebody_still_writes_there(monkeypatch):
    """A process that is just being killed may make one more file between the listing of a folder and its removal."""
    remove, tries = temporary_folders.shutil.rmtree, []

    def disturbed(path, **options):
        tries.append(path)
        remove(path, **options)
        if len(tries) < 3:
            path.mkdir()

    monkeypatch.setattr(temporary_folders.shutil, "rmtree", disturbed)
    with temporary_folders.private_folder() as folder:
        pass

    assert (3, False) == (len(tries), folder.exists())


def test_what_a_signal_left_is_tidied_up(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with (
        monkeypatch.context() as patched,
        pytest.raises(KeyboardInterrupt),
        temporary_folders.private_folder() as folder,
    ):
        patched.setattr(temporary_folders.shutil, "rmtree", interrupted)
    assert folder.exists()

    temporary_folders.tidy()

    assert not folder.exists()


#: A process that makes a private folder in TMPDIR with a copy in a folder of its own, prints its path, and waits.
HOLDER = """
import sys
from migrator.system.temporary_folders import private_folder
with private_folder() as folder:
    (folder / "legacy").mkdir()
    (folder / "legacy" / "jarvis.db").write_text("a copy")
    (folder / "a link").symlink_to(sys.argv[1])
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(name="temporary")
def _temporary(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(temporary_folders.tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(name="holder")
def _holder(temporary, tmp_path):
    """A process with a private folder in TMPDIR, and a link in it to a folder of the user's."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "diary").write_text("of the user")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, precious],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder = Path(process.stdout.readline().strip())
    assert folder.parent == temporary
    yield process, folder
    process.kill()
    process.communicate()
    assert "of the user" == (precious / "diary").read_text()


def test_the_next_command_removes_the_folder_of_a_killed_process(holder, tmp_path):
    process, folder = holder
    (tmp_path / "data").mkdir()

    CliRunner().invoke(app.cli, ["inventory", "--data-dir", str(tmp_path / "data")])
    assert (folder / "legacy" / "jarvis.db").exists(), "its process lives"
    process.kill()
    process.wait()
    CliRunner().invoke(app.cli, ["inventory", "--data-dir", str(tmp_path / "data")])

    assert [] == list(folder.parent.iterdir())


def test_a_folder_stays_while_a_forked_process_uses_it(temporary):
    with temporary_folders.private_folder() as folder:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        os.close(reading)
        temporary_folders.remove_abandoned()
        assert folder.exists()
        os.close(writing)
        os.waitpid(child, 0)
    assert [] == list(temporary.iterdir())


def without_marker(folder):
    (folder / temporary_folders._MARKER).unlink()
    return folder


def with_another_marker(folder):
    (folder / temporary_folders._MARKER).write_text("of another program")
    return folder


def with_the_marker_of_another_host(folder):
    marker = folder / temporary_folders._MARKER
    marker.write_text(marker.read_text().replace(os.uname().nodename, "elsewhere"))
    return folder


def with_a_link_for_a_marker(folder):
    (folder / temporary_folders._MARKER).rename(folder.parent / "marker")
    (folder / temporary_folders._MARKER).symlink_to(folder.parent / "marker")
    return folder


def open_to_the_group(folder):
    folder.chmod(0o770)
    return folder


def under_another_name(folder):
    return folder.rename(folder.parent / "mine")


def of_another_user(folder):
    os.chown(folder, 65534, 65534)
    return folder


def with_a_marker_of_another_user(folder):
    os.chown(folder / temporary_folders._MARKER, 65534, 65534)
    return folder


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.mark.parametrize(
    "change",
    [
        without_marker,
        with_another_marker,
        with_the_marker_of_another_host,
        with_a_link_for_a_marker,
        open_to_the_group,
        under_another_name,
        pytest.param(of_another_user, marks=AS_ROOT),
        pytest.param(with_a_marker_of_another_user, marks=AS_ROOT),
    ],
)
def test_what_may_not_be_ours_is_not_removed(holder, change):
    process, folder = holder
    process.kill()
    process.wait()
    kept = change(folder)

    temporary_folders.remove_abandoned()

    assert "a copy" == (kept / "legacy" / "jarvis.db").read_text()


def test_a_link_to_an_abandoned_folder_is_not_followed(holder):
    process, folder = holder
    process.kill()
    process.wait()
    elsewhere = folder.rename(folder.parent.parent / folder.name)
    (folder.parent / "migrator-link").symlink_to(elsewhere)

    temporary_folders.remove_abandoned()

    assert (elsewhere / "legacy" / "jarvis.db").exists()


def test_a_removal_that_was_cut_short_is_taken_up_by_the_next_command(holder, monkeypatch):
    process, folder = holder
    process.kill()
    process.wait()
    with monkeypatch.context() as patched:
        patched.setattr(temporary_folders.shutil, "rmtree", lambda *_, **__: os.close(-1))
        temporary_folders.remove_abandoned()
    assert folder.exists()

    temporary_folders.remove_abandoned()

    assert not folder.exists()


def test_where_no_file_can_be_locked_a_folder_is_made_all_the_same(temporary, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(temporary_folders.fcntl, "flock", refused)
    with temporary_folders.private_folder() as folder:
        assert [] == list(folder.iterdir())

    assert [] == list(temporary.iterdir())


def test_a_full_disk_leaves_no_folder(temporary, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(temporary_folders.os, "write", full)
    with pytest.raises(MigratorError, match="no folder for private copies: No space left on device; set TMPDIR"):
        temporary_folders.private_folder().__enter__()

    assert [] == list(temporary.iterdir())


def test_without_room_it_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(temporary_folders.tempfile, "tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(MigratorError, match="no folder for private copies: No such file or directory; set TMPDIR"):
        temporary_folders.private_folder().__enter__()


@pytest.mark.parametrize(("ending", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("says", [BuildError("user-defined function raised exception", where="x"), KeyboardInterrupt()])
def test_a_signal_is_told_as_one_whatever_sqlite_made_of_it(monkeypatch, capsys, says, ending, code):
    """SQLite swallows what a function raises that it called, a KeyboardInterrupt too."""
    assert threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(app, "_INTERRUPTED", set())

    def ended(**_):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(getattr(signal, ending))
        # A second one does not disturb the tidying up.
        signal.raise_signal(signal.SIGTERM)
        raise says

    monkeypatch.setattr(app.cli, "main", ended)
    try:
        with pytest.raises(SystemExit) as exited:
            app.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert (code, "migrator: interrupted; run it again\n") == (exited.value.code, capsys.readouterr().err)


def test_of_a_name_of_a_million_letters_the_middle_is_left_out():
    shown = escaped("a" * 1_000_000 + "; mend it")

    assert len(shown) < LONGEST + 50
    assert shown.startswith("aaa")
    assert shown.endswith("; mend it")
    assert "[998,509 characters]" in shown
