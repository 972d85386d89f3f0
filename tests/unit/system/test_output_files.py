"""Files that a user names as outputs: a link, a device or a FIFO is never replaced by a file."""

import atexit
import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from other_users import AS_ROOT, THIRD

from migrator.application.programs import recording
from migrator.cli import app
from migrator.errors import UsageError
from migrator.system import output_files

#: The numbers of the null device and of a loop device, of which only nodes in temporary folders are made.
NULL, LOOP = os.makedev(1, 3), os.makedev(7, 0)


def census(folder, output):
    (folder / "bot.py").write_text("import sqlite3\nsqlite3.connect('jarvis.db')\n", encoding="utf-8")
    return CliRunner().invoke(app.cli, ["census", str(folder / "bot.py"), "--quiet", "--sarif", str(output)])


def test_a_regular_file_is_replaced_whole(tmp_path):
    path = tmp_path / "page"
    path.write_text("what was there, and is longer", encoding="utf-8")
    former = path.open(encoding="utf-8")

    assert output_files.write(path, "new")

    assert ("new", 0o600) == (path.read_text(encoding="utf-8"), stat.S_IMODE(path.stat().st_mode))
    with former:
        assert "what was there, and is longer" == former.read()


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_the_file_that_it_leads_to_is_written(tmp_path, exists):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "other").symlink_to("far/page")
    if exists:
        (tmp_path / "far" / "page").write_text("old", encoding="utf-8")

    assert 0 == census(tmp_path, tmp_path / "link").exit_code

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "other").is_symlink()
    assert '"2.1.0"' in (tmp_path / "far" / "page").read_text(encoding="utf-8")


@contextlib.contextmanager
def mounted(path):
    """Mount a file over the file *path*, as a container's volume of a single file is; yield the former."""
    source = path.with_name("of the host")
    source.write_text("what was there, and is longer", encoding="utf-8")
    path.touch()
    subprocess.run(["mount", "--bind", source, path], check=True)
    try:
        yield source
    finally:
        subprocess.run(["umount", path], check=True)


@AS_ROOT
def test_a_file_that_is_mounted_by_itself_is_written_in_place(tmp_path):
    """No other file can take its place."""
    path = tmp_path / "page"
    (tmp_path / "link").symlink_to("page")

    with mounted(path) as source:
        assert output_files.write(path, "new")
        assert "new" == source.read_text(encoding="utf-8")
        assert 0 == census(tmp_path, tmp_path / "link").exit_code
        assert '"2.1.0"' in source.read_text(encoding="utf-8")

    assert "" == path.read_text(encoding="utf-8")
    assert {"page", "link", "of the host", "bot.py"} == {entry.name for entry in tmp_path.iterdir()}


@AS_ROOT
def test_a_file_that_is_mounted_by_itself_is_refused_where_a_reader_must_never_see_a_part(tmp_path):
    path = tmp_path / "metrics.prom"

    with mounted(path) as source:
        done = CliRunner().invoke(app.cli, ["monitor", "--data-dir", str(tmp_path), "--prometheus", str(path)])
        with pytest.raises(
            UsageError, match=r"mounted by itself, and can only be written piece by piece.*mount its folder"
        ):
            output_files.write(path, "new", beside=())
        assert "what was there, and is longer" == source.read_text(encoding="utf-8")

    assert isinstance(done.exception, UsageError)
    assert "mount its folder" in str(done.exception)


def test_a_draft_is_not_left_where_a_file_cannot_be_replaced(tmp_path, monkeypatch):
    def busy(_, target):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(target))

    monkeypatch.setattr(Path, "rename", busy)

    with pytest.raises(OSError, match="busy"):
        output_files.write(tmp_path / "page", "new")

    assert [] == list(tmp_path.iterdir())


def test_a_fifo_stays_and_its_reader_gets_the_text(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    # More than a pipe holds at once.
    long = "x" * 300_000
    with (tmp_path / "read").open("w") as into, subprocess.Popen(["/bin/cat", path], stdout=into) as reader:
        while True:
            try:
                assert not output_files.write(path, long)
            except UsageError:
                continue  # the reader has not opened it yet
            break
        assert 0 == reader.wait(timeout=30)

    assert long == (tmp_path / "read").read_text(encoding="utf-8")
    assert path.is_fifo()


def test_a_fifo_that_no_process_reads_is_refused_instead_of_waited_for(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)

    with pytest.raises(UsageError, match=r"fifo: is a FIFO that no process reads"):
        output_files.write(path, "text")

    assert path.is_fifo()


@AS_ROOT
def test_a_character_device_stays_and_is_written_to(tmp_path):
    os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, NULL)
    (tmp_path / "link").symlink_to("null")

    for name in ("null", "link"):
        assert 0 == census(tmp_path, tmp_path / name).exit_code

    assert NULL == (tmp_path / "null").lstat().st_rdev
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("folder", "is a folder"),
        ("socket", "is a socket"),
        ("loop", "is a link that leads to itself"),
        pytest.param("block", "is a block device", marks=AS_ROOT),
    ],
)
def test_what_cannot_be_an_output_is_refused_before_the_verb_begins(tmp_path, kind, what, monkeypatch):
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "block":
        os.mknod(path, stat.S_IFBLK | 0o600, LOOP)
    else:
        monkeypatch.chdir(tmp_path)  # the name of a socket has a limit
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(kind)
    before = path.lstat()

    done = census(tmp_path, path)

    assert isinstance(done.exception, UsageError)
    assert f"{path}: cannot be written ({what})" in str(done.exception)
    assert before == path.lstat()


@AS_ROOT
def test_a_link_of_one_user_to_a_file_of_another_is_refused():
    with tempfile.TemporaryDirectory() as name:
        shared, own = Path(name) / "shared", Path(name) / "own"
        shared.mkdir()
        own.write_text("root's", encoding="utf-8")
        for link, to in (("planted", own), ("to nothing", Path(name) / "new")):
            (shared / link).symlink_to(to)
            os.lchown(shared / link, THIRD, THIRD)

            with pytest.raises(UsageError, match=rf"is a link of user {THIRD} to .*, which belongs to user 0"):
                output_files.write(shared / link, "text")

        assert "root's" == own.read_text(encoding="utf-8")
        assert not (Path(name) / "new").exists()


@pytest.mark.parametrize("kind", ["pipe", "socket", "file"])
def test_the_name_of_stdout_is_stdout(tmp_path, kind):
    """Through /proc, as /dev/stdout leads: a pipe, a socket that cannot be opened, and a file that the shell appends to."""
    program = (
        "import sys; from pathlib import Path; from migrator.system import output_files;"
        "print('before'); assert not output_files.write(Path('/proc/self/fd/1'), 'text\\n'); print('after')"
    )
    command = [sys.executable, "-c", program]
    if kind == "pipe":
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    elif kind == "file":
        with (tmp_path / "out").open("a") as file:
            subprocess.run(command, stdout=file, check=True)
        said = (tmp_path / "out").read_text(encoding="utf-8")
    else:
        ours, theirs = socket.socketpair()
        subprocess.run(command, stdout=theirs, check=True)
        theirs.close()
        with ours, ours.makefile(encoding="utf-8") as file:
            said = file.read()

    assert "before\ntext\nafter\n" == said


def test_a_textfile_for_prometheus_cannot_be_a_fifo(tmp_path):
    """The watch would wait for its reader."""
    os.mkfifo(tmp_path / "fifo")

    done = CliRunner().invoke(app.cli, ["monitor", "--data-dir", str(tmp_path), "--prometheus", str(tmp_path / "fifo")])

    assert "fifo: cannot be written (is a FIFO)" in str(done.exception)


def test_statements_are_not_recorded_in_a_fifo(tmp_path, capsys):
    """It would be read first: the program would wait."""
    os.mkfifo(tmp_path / "fifo")
    record = recording.Record(tmp_path / "fifo")

    record.note("jarvis", "SELECT 1", ())
    atexit.unregister(record.write)

    assert "statements were not recorded" in capsys.readouterr().err
    assert [tmp_path / "fifo"] == list(tmp_path.iterdir())
    command = [sys.executable, "-m", "migrator.compat", "--record", tmp_path / "fifo", "-m", "this"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 2 == done.returncode
    assert "cannot be written (is a FIFO)" in done.stderr


def test_a_record_behind_a_link_is_added_to(tmp_path):
    (tmp_path / "link").symlink_to("record")
    for _ in range(2):
        record = recording.Record(tmp_path / "link")
        record.note("jarvis", "SELECT 1", ())

    assert (tmp_path / "link").is_symlink()
    assert '"count": 2' in (tmp_path / "record").read_text(encoding="utf-8")
