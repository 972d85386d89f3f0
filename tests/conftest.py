"""Fixtures of the tests."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

# pytest imports test files without their folder on the path (--import-mode=importlib).
sys.path.insert(0, str(Path(__file__).parent))

from mapping_bench import Bench


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
