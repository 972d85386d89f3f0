"""The contracts' own reading of decisions about rows."""

import sqlite3
from contextlib import closing

import pytest

from contracts.sets import decided


@pytest.mark.parametrize(
    ("entry", "cells"),
    [
        ({"make": {"side": "buy"}}, [{"id": (None, "a"), "side": (None, "buy")}, {"id": (None, "b"), "side": (None, "buy")}]),
        ({"drop": "x", "was": {"side": "sell"}}, [{"side": ("sell", "sell")}, {"side": ("sell", "sell")}]),
        ({"drop": "x"}, [{}, {}]),
    ],
    ids=["make", "drop with was", "drop"],
)  # fmt: skip
def test_an_entry_with_several_keys_is_a_decision_about_each(entry, cells):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE trades (id, side)")
        connection.executemany("INSERT INTO trades VALUES (?, 'sell')", [("a",), ("b",)])

        found = decided.resolved(connection, "trades", "id", [{"key": ["a", "b"], **entry}])

    assert [(row.key, dict(row.cells)) for row in found] == list(zip(("a", "b"), cells, strict=True))
