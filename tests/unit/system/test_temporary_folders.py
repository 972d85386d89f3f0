"""Private folders are deleted however a run ends, and a signal is reported as a signal."""

import signal
import threading

import pytest

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


def test_without_room_it_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(temporary_folders.tempfile, "tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(MigratorError, match="no folder for private copies: No such file or directory; set TMPDIR"):
        temporary_folders.private_folder().__enter__()


@pytest.mark.parametrize("says", [BuildError("user-defined function raised exception", where="x"), KeyboardInterrupt()])
def test_a_signal_is_told_as_one_whatever_sqlite_made_of_it(monkeypatch, capsys, says):
    """SQLite swallows what a function raises that it called, a KeyboardInterrupt too."""
    assert threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(app, "_INTERRUPTED", set())

    def ended(**_):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        # A second one does not disturb the tidying up.
        signal.raise_signal(signal.SIGTERM)
        raise says

    monkeypatch.setattr(app.cli, "main", ended)
    try:
        with pytest.raises(SystemExit) as ending:
            app.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert (1, "migrator: interrupted; run it again\n") == (ending.value.code, capsys.readouterr().err)


def test_of_a_name_of_a_million_letters_the_middle_is_left_out():
    shown = escaped("a" * 1_000_000 + "; mend it")

    assert len(shown) < LONGEST + 50
    assert shown.startswith("aaa")
    assert shown.endswith("; mend it")
    assert "[998,509 characters]" in shown
