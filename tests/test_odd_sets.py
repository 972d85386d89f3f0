"""Sets that are odd and sound: the contracts find nothing against what was built from them.  Each was once a false alarm."""

import sqlite3
from contextlib import closing

import pytest

from contracts import specimens
from migrator import config, pipeline

pytestmark = pytest.mark.slow

ODD = {
    "jarvis.db": (
        # An UPDATE of an AUTOINCREMENT id moves no mark.
        "UPDATE pick_performance SET id = 1700000000 WHERE id = (SELECT max(id) FROM pick_performance)",
        # Nothing is left in which a lost link could be planted.
        "UPDATE trades SET position_id = NULL",
    ),
    # A count that is no INTEGER, since none is so large.
    "metrics.db": ("UPDATE metrics_1h SET total_requests = 1e30 WHERE id = (SELECT min(id) FROM metrics_1h)",),
}


def test_odd_and_sound_is_go(tmp_path):
    specimens.make(tmp_path / "data", seed=5, rows=1500)
    for name, statements in ODD.items():
        with closing(sqlite3.connect(tmp_path / "data" / name, isolation_level=None)) as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount > 0, statement
    place, toml = pipeline.Place(tmp_path / "data"), tmp_path / "data" / "migrator.toml"

    done = pipeline.migrate(place, config.load(toml), toml)

    assert [] == [one.name for one in done.verified.broken]
    assert done.built.holds
    assert done.verified.skipped == 1
