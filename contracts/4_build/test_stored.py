"""Journal mode, encoding, configuration, full-text index, statistics, pragmas."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from contracts import judgement
from contracts.sets.consolidated import Subject
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections

EVERY_TARGET = pytest.mark.parametrize("target", catalogue.TARGETS)

#: Bytes 18 and 19 of the header: 2 if readers and writers use a WAL (sqlite.org/fileformat.html, section 1.3.3).
WRITE_VERSION, READ_VERSION, WAL = 18, 19, 2

#: Allowed factor between the number of rows in the statistics and in the table: a larger one may mislead the planner.
TIMES = 10


@pytest.mark.clause("S8")
@EVERY_TARGET
def test_wal_mode_is_persistent(judged: Subject, target: str) -> None:
    """The mode is stored in the file, so that every program that opens it uses it."""
    with judged.original(target).open("rb") as file:
        header = file.read(100)
    judgement.same(
        catalogue.TARGETS[target],
        "journal mode in the file's header (2 is WAL, 1 is a rollback journal)",
        expected=[WAL, WAL],
        # An empty file has no header.
        found=list(header[WRITE_VERSION : READ_VERSION + 1]),
    )


@pytest.mark.clause("S8")
@EVERY_TARGET
def test_encoding_is_utf8(judged: Subject, target: str) -> None:
    """A consolidated database is in UTF-8, in whichever encoding its sources are."""
    with judged.read(target) as connection:
        (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    judgement.same(catalogue.TARGETS[target], "encoding", expected="UTF-8", found=encoding)


@pytest.mark.clause("S7")
@pytest.mark.parametrize("target", ["core"])
def test_config_holds_the_specified_rows(judged: Subject, target: str) -> None:
    """Key, value and description are as in the DDL; the time of writing may differ."""
    question = "SELECT key, value, description FROM config ORDER BY key"
    with closing(connections.memory()) as specified:
        specified.executescript(catalogue.target_ddl(target))
        expected = specified.execute(question).fetchall()
    with judged.read(target) as connection:
        found = connection.execute(question).fetchall()
    judgement.none("core.config", "specified row is missing or differs", [row for row in expected if row not in found])
    judgement.none("core.config", "row that is not specified", [row for row in found if row not in expected])


@pytest.mark.clause("S8")
@pytest.mark.parametrize("target", ["analytics"])
def test_full_text_index_matches_its_rows(judged: Subject, target: str, tmp_path: Path) -> None:
    """FTS5's integrity-check passes, which also detects a stale index."""
    copy = judged.fresh_copy(target, tmp_path)
    with closing(connections.scratch(copy)) as connection:
        for table in schema_reader.target(target).virtual_tables:
            name = connections.quoted(table.name)
            try:
                connection.execute(f"INSERT INTO {name}({name}, rank) VALUES ('integrity-check', 1)")
            except sqlite3.DatabaseError as error:
                judgement.broken(f"{target}.{table.name}: full-text index", expected="matches its rows", found=error)


@pytest.mark.clause("S9")
@EVERY_TARGET
def test_our_connection_enforces_what_the_specification_asks(judged: Subject, target: str, tmp_path: Path) -> None:
    """The connection of migrator sets foreign_keys and synchronous as specified."""
    wanted = dict(schema_reader.target(target).pragmas)
    least = {"OFF": 0, "NORMAL": 1, "FULL": 2, "EXTRA": 3}[wanted["synchronous"].upper()]
    with closing(connections.application(judged.fresh_copy(target, tmp_path))) as connection:
        (foreign_keys,) = connection.execute("PRAGMA foreign_keys").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        (journal_mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    where = catalogue.TARGETS[target]
    judgement.same(
        where, "PRAGMA foreign_keys", expected=wanted["foreign_keys"].upper() == "ON", found=bool(foreign_keys)
    )
    judgement.same(where, "PRAGMA journal_mode", expected=wanted["journal_mode"].lower(), found=journal_mode)
    if synchronous < least:
        judgement.broken(f"{where}: PRAGMA synchronous", expected=f"at least {least}", found=synchronous)


@pytest.mark.clause("S10")
@EVERY_TARGET
def test_statistics_are_stored(judged: Subject, target: str) -> None:
    """ANALYZE stored a row for every index of every table that has rows."""
    with judged.read(target) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        judgement.same(catalogue.TARGETS[target], "sqlite_stat1", expected=True, found="sqlite_stat1" in tables)
        known = set(connection.execute("SELECT tbl, idx FROM sqlite_stat1"))
        missing = [
            f"{table.name}: index {index}"
            for table in schema_reader.target(target).tables
            if table.name in tables and connection.execute(f"SELECT 1 FROM {connections.quoted(table.name)}").fetchone()
            for (index,) in connection.execute("SELECT name FROM pragma_index_list(?)", (table.name,))
            if (table.name, index) not in known
        ]
    judgement.none(catalogue.TARGETS[target], "index without statistics (run ANALYZE)", missing)


@pytest.mark.clause("S10")
@EVERY_TARGET
def test_statistics_are_of_these_rows(judged: Subject, target: str) -> None:
    """The number of rows that ANALYZE stored is about that of the table."""
    wrong = []
    with judged.read(target) as connection:
        tables = judged.table_names(target)
        if "sqlite_stat1" not in tables:
            judgement.broken(f"{catalogue.TARGETS[target]}: statistics", expected="stored", found="no sqlite_stat1")
        for table in schema_reader.target(target).tables:
            if table.name not in tables:
                continue
            (rows,) = connection.execute(f"SELECT count(*) FROM {connections.quoted(table.name)}").fetchone()
            noted = connection.execute(
                "SELECT idx, CAST(stat AS INTEGER) FROM sqlite_stat1 WHERE tbl = ? ORDER BY idx", (table.name,)
            )
            # Rows written since ANALYZE and partial indexes change the count, so only the order of magnitude is judged.
            wrong += [
                f"{table.name}: {index or 'the table'}: {count:,} rows were counted, there are {rows:,}"
                for index, count in noted
                if count > TIMES * rows + TIMES or (index is None and rows > TIMES * count + TIMES)
            ]
    judgement.none(catalogue.TARGETS[target], "statistics of another number of rows (run ANALYZE)", wrong)
