"""Legacy code on the consolidated set, and back: after a rollback the legacy files are as if they had never moved."""

import sqlite3
from contextlib import closing

import cut_over_set
import pytest
import small_set
from legacy_model import Model, content, read_anything

from migrator.application.compat import connection as compat_connection
from migrator.switch import state as switch_state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "dirty", "variant"), [(1, True, "found"), (2, False, "found"), (3, True, "specified")]
)
def test_a_rollback_gives_back_what_was_written_through_the_legacy_schema(tmp_path, seed, dirty, variant):
    data = cut_over_set.make(tmp_path / "set", seed=seed, dirty=dirty, variant=variant)
    switch = switch_state.read(data)
    expected = {}
    for name in switch.names:
        legacy = cut_over_set.legacy_copy(data, name.database, tmp_path / f"{name.database}.db")
        with closing(legacy), closing(cut_over_set.compat(data, name.database)) as compat:
            model = Model(legacy, compat, seed=f"{seed} {name.database}")
            if not model.written:
                continue
            for _ in range(150):
                model.step()
            if legacy.in_transaction:
                model.both("COMMIT")
            model.compare()
            expected[name.place] = model.tables, content(legacy, model.tables)
    compat_connection.POOL.clear()

    small_set.roll_back(tmp_path / "set")

    assert len(expected) > 10
    for place, (tables, rows) in expected.items():
        with closing(sqlite3.connect(data / place)) as legacy:
            legacy.text_factory = read_anything
            assert rows == content(legacy, tables), place
