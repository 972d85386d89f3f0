"""Decided cells over a copy of a legacy file, cell by cell."""

import sqlite3
from contextlib import closing

import pytest

from migrator.mapping import reader, sql_functions
from migrator.records.decisions import DecidedRow, Kind
from migrator.stages.build import decided_rows
from migrator.system import connections

SET = DecidedRow(
    source="jarvis.positions",
    key="p",
    kind=Kind.SET,
    cells={"status": ("sunk", "open"), "token_mint": ("", "So1")},
)


def overlaid(folder, row, *cells):
    """Lay *row* over a legacy file with a row of *cells*; return the rows of the copy, and what was applied."""
    with closing(sqlite3.connect(folder / "jarvis.db")) as connection, connection:
        connection.execute("CREATE TABLE positions (id, status, token_mint NOT NULL)")
        connection.execute("INSERT INTO positions VALUES (?, ?, ?)", cells)
    paths, applied = decided_rows.overlaid(
        [row], {"jarvis.positions": "id"}, {"jarvis": folder / "jarvis.db"}, folder / "decided"
    )
    with closing(sqlite3.connect(paths["jarvis"])) as connection:
        return connection.execute("SELECT * FROM positions").fetchall(), [dict(one.cells) for one in applied]


@pytest.mark.parametrize(
    ("cells", "read", "applied"),
    [
        (("p", "sunk", ""), ("p", "open", "So1"), [dict(SET.cells)]),
        (("p", "closed_manual", ""), ("p", "closed_manual", "So1"), [{"token_mint": ("", "So1")}]),
        (("p", "closed_manual", "So2"), ("p", "closed_manual", "So2"), []),
        (("q", "sunk", ""), ("q", "sunk", ""), []),
    ],
    ids=["as decided", "one was written since", "both were written since", "another row"],
)
def test_a_cell_that_was_written_since_leaves_the_others_of_its_row_decided(tmp_path, cells, read, applied):
    assert overlaid(tmp_path, SET, *cells) == ([read], applied)


def test_a_row_is_made_once(tmp_path):
    row = DecidedRow(
        source="jarvis.positions", key="m", kind=Kind.MAKE, cells={"id": (None, "m"), "token_mint": (None, "So1")}
    )

    assert overlaid(tmp_path, row, "m", "open", "") == ([("m", "open", "")], [])


def test_a_row_that_the_legacy_table_refuses_is_not_made(tmp_path):
    row = DecidedRow(source="jarvis.positions", key="m", kind=Kind.MAKE, cells={"id": (None, "m")})

    assert overlaid(tmp_path, row, "p", "open", "") == ([("p", "open", "")], [])


@pytest.mark.parametrize(
    ("key", "stored"),
    [({"t": "ff41"}, ("text", b"\xffA")), ({"b": "ff41"}, ("blob", b"\xffA")), ("p", ("text", b"p")), (5, ("integer", b"5"))],
)  # fmt: skip
def test_a_decision_is_recorded_under_the_key_of_the_row_in_its_storage_class(tmp_path, key, stored):
    row = DecidedRow(
        source="jarvis.positions",
        key=key,
        kind=Kind.DROP,
        cells={"entry_price": (float("inf"), float("inf"))},
        why="over",
    )
    sqlite3.connect(tmp_path / "jarvis.db").close()
    mapping = next(one for one in reader.mappings() if one.source == row.source)
    with closing(connections.memory()) as connection:
        sql_functions.register(connection)
        connection.execute("ATTACH ':memory:' AS core")
        for table, columns in (
            ("decisions", "source, legacy_key, decision, cells, why"),
            ("quarantine", "source, legacy_key, broken, row"),
            ("lineage", "source, legacy_key"),
        ):
            connection.execute(f"CREATE TABLE core.{table} ({columns})")

        decided_rows.record(connection, [row], [mapping], {"jarvis": tmp_path / "jarvis.db"})

        recorded = (
            "SELECT typeof(legacy_key), CAST(legacy_key AS BLOB), cells ->> '$.entry_price[0]' FROM core.decisions"
        )
        assert connection.execute(recorded).fetchall() == [(*stored, float("inf"))]
