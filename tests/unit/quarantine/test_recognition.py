"""A new row is a quarantined one by its cells; of two alike it is the one that left the quarantine."""

import sqlite3
from contextlib import closing

import pytest

from migrator.mapping import sql_functions
from migrator.quarantine import recognition


@pytest.mark.parametrize(
    ("dropped", "same"),
    [((0, 1), ((1, 2),)), ((1, 0), ((1, 1),)), ((0, 0), ((1, 1),))],
    ids=["second", "first", "none"],
)
def test_of_two_rows_alike_the_new_one_is_the_one_that_left_the_quarantine(dropped, same):
    uses = {"symbol": ("symbol",), "price": ("price",), "amount": ("amount",)}
    with closing(sqlite3.connect(":memory:")) as connection:
        sql_functions.register(connection)
        connection.execute(f"CREATE TABLE {recognition.NEW} (id, symbol, price, amount)")
        connection.execute(f"CREATE TABLE {recognition.SET_ASIDE} (id, symbol, price, amount, dropped)")
        connection.execute(f"INSERT INTO {recognition.NEW} VALUES ('new', 'SOL', 2.5, 3.5)")
        connection.executemany(
            f"INSERT INTO {recognition.SET_ASIDE} VALUES (?, 'SOL', 2.5, 3.5, ?)", zip("ab", dropped, strict=True)
        )

        found = recognition.pairs(connection.execute, ["id", *uses], uses, "id", "entry_time")

    assert (same, ()) == (found.same, found.doubtful)
