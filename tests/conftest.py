"""Fixtures of the tests."""

import os
import shutil
import signal
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

# pytest imports test files without their folder on the path (--import-mode=importlib).
sys.path.insert(0, str(Path(__file__).parent / "support"))

from mapping_bench import Bench

# A shell in the background starts programs that ignore these signals, and what the tests start would inherit that.
for _number, _handler in {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}.items():
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


@pytest.fixture
def bench(tmp_path):
    """A legacy set to write rows into, and to load: see mapping_bench."""
    with closing(Bench(tmp_path)) as opened:
        yield opened


@pytest.fixture
def data(tmp_path):
    """An empty folder, for a legacy set."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def passable():
    """A folder that every user may pass, unlike pytest's own; in memory where the system has a folder for that."""
    beside = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a fresh folder below it
    folder = Path(tempfile.mkdtemp(dir=beside))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _umask_stays():
    """Give the next test the umask that this one was given: the command line sets its own."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
