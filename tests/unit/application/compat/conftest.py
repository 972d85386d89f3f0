"""A set that was cut over, and a copy of it for each test."""

import shutil

import cut_over_set
import pytest

from migrator.application.compat import connection as compat_connection


@pytest.fixture(scope="package", name="made")
def _made(tmp_path_factory):
    """The data directory of a set; a module may have one of its own."""
    return cut_over_set.make(tmp_path_factory.mktemp("made"))


@pytest.fixture(name="data")
def _data(made, tmp_path):
    """A copy of the set that a test may write to."""
    shutil.copytree(made.parent, tmp_path / "set", symlinks=True)
    yield tmp_path / "set" / "data"
    compat_connection.POOL.clear()
