"""What was found out from files holds until one of them changes."""

import os

import pytest

from migrator.application import watched_files
from migrator.application.watched_files import WatchedFiles


@pytest.fixture(name="made")
def _made(tmp_path):
    (tmp_path / "flag").write_text("true")
    for name in ("other", "file"):
        (tmp_path / name).write_text(name)
    (tmp_path / "name").symlink_to("file")
    return tmp_path


def replaced(path, content):
    """Replace *path* by a new file."""
    path.with_name("new").write_text(content)
    path.with_name("new").replace(path)


def led_elsewhere(path):
    """Lead the link *path* to the other file, and restore no time."""
    path.unlink()
    path.symlink_to("other")


@pytest.mark.parametrize(
    "change",
    [
        lambda made: (made / "flag").write_text("false"),
        lambda made: replaced(made / "flag", "true"),
        lambda made: (made / "flag").unlink(),
        lambda made: (made / "flag").chmod(0),
        lambda made: (made / "missing").write_text(""),
        lambda made: led_elsewhere(made / "name"),
        lambda made: (made / "name").unlink(),
        lambda made: replaced(made / "file", "file"),
    ],
)
def test_each_change_is_seen(made, change):
    before = made / "flag"
    os.utime(before, ns=(0, 0))
    files = WatchedFiles([before, made / "missing"], [made / "name"])
    assert files.are_unchanged()

    change(made)

    assert not files.are_unchanged()


def test_what_is_written_to_an_entry_is_no_change(made):
    files = WatchedFiles([made / "flag"], [made / "name", made])
    (made / "file").write_text("more")
    (made / "beside").write_text("")

    assert files.are_unchanged()


def test_a_content_that_may_change_again_within_its_time_is_not_settled(made, monkeypatch):
    files = WatchedFiles([made / "flag", made / "missing"], [made / "name"])
    # Its own time may be set to any, that of its inode may not.
    os.utime(made / "flag", ns=(0, 0))
    assert not files.are_settled()

    monkeypatch.setattr(watched_files, "_OLD_ENOUGH_S", -1)
    assert files.are_settled()
