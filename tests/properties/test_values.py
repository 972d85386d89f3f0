"""Properties of what the pipeline is made of: times, cells inside JSON, and declarations without foreign keys."""

import contextlib
import json
import sqlite3
from datetime import datetime, timedelta

import generated
from hypothesis import assume, example, given
from hypothesis import strategies as st

from contracts.oracle import times as oracle_times
from contracts.specimens.drawn.cells import anything
from contracts.specimens.drawn.declarations import create_tables
from contracts.specimens.drawn.model import OddText
from migrator.mapping import reverse_sql, sql_functions
from migrator.schema import declaration
from migrator.schema import reader as schema_reader
from migrator.system import connections


def parts(largest, *, digits=2):
    """Numbers with this many digits, also those that no calendar or clock has."""
    return st.integers(min_value=0, max_value=largest).map(lambda number: f"{number:0{digits}d}")


@st.composite
def spelled_times(draw):
    """A spelling of a time, and the time in UTC as datetime alone reckons it, or None."""
    date = [draw(parts(9999, digits=4)), draw(parts(13)), draw(parts(32))]
    if draw(st.booleans()):
        return "-".join(date), _reckoned(date, ["00", "00", "00"], "", "", [])
    clock = [draw(parts(25)), draw(parts(61)), draw(parts(61))]
    fraction = draw(st.none() | st.text("0123456789", min_size=1, max_size=9))
    sign = draw(st.sampled_from(["", "Z", "+", "-"]))
    away = [draw(parts(25)), draw(parts(61))] if sign in ("+", "-") and sign else []
    colon = draw(st.sampled_from([":", ""]))
    text = "-".join(date) + draw(st.sampled_from("T ")) + ":".join(clock)
    text += "" if fraction is None else f".{fraction}"
    return text + sign + colon.join(away), _reckoned(date, clock, fraction or "", sign, away)


def _reckoned(date, clock, fraction, sign, away):
    micro = int(f"{fraction[:6]:0<6}" or "0")
    try:
        moment = datetime(*map(int, date), *map(int, clock), micro)  # noqa: DTZ001 - reckoned by hand
        if away:
            hours, minutes = map(int, away)
            if hours > 23 or minutes > 59:
                return None
            moment += timedelta(hours=hours, minutes=minutes) * (1 if sign == "-" else -1)
    except (ValueError, OverflowError):
        return None
    return moment


@given(spelled_times())
def test_a_time_is_what_the_calendar_makes_of_it(spelled):
    text, moment = spelled

    assert (None if moment is None else moment.isoformat(" ")) == sql_functions.utc(text.encode())


@given(st.binary(max_size=30) | st.text(max_size=30).map(str.encode))
def test_what_is_no_time_is_none_and_never_an_error(octets):
    read = sql_functions.utc(octets)

    # What is one is one again.
    assert read is None or read == sql_functions.utc(read.encode())


@given(st.integers(min_value=-62_135_596_800_000_000, max_value=253_402_300_799_999_999))
def test_epoch_seconds_of_a_time_are_the_nearest_double(microseconds):
    text = (datetime(1970, 1, 1) + timedelta(microseconds=microseconds)).isoformat(" ")  # noqa: DTZ001

    assert microseconds / 1_000_000 == sql_functions.epoch_of_utc(text.encode())


@given(st.integers() | st.floats())
def test_any_number_is_an_epoch_or_none(seconds):
    read = sql_functions.utc_of_epoch(seconds)

    if read is not None:
        away = datetime.fromisoformat(read) - datetime(1970, 1, 1)  # noqa: DTZ001
        # Cut to the microsecond, exactly.
        assert 0 <= seconds * 1 - away / timedelta(seconds=1) < 0.000_1 or abs(seconds) > 2**33


@given(anything())
def test_a_cell_in_json_comes_back_bit_for_bit(cell):
    """Through the functions as rest and quarantine use them, for every storage class."""
    octets = cell.octets if isinstance(cell, OddText) else cell
    with contextlib.closing(connections.memory()) as connection:
        sql_functions.register(connection)
        connection.execute('CREATE TABLE t ("trigger")')
        connection.execute(
            f"INSERT INTO t VALUES ({'CAST(? AS TEXT)' if isinstance(cell, OddText) else '?'})", (octets,)
        )
        columns = ["trigger"]
        (row,) = connection.execute(f"SELECT {reverse_sql.row_sql('t', columns)} FROM t").fetchone()
        json.loads(row)
        query = f"SELECT {reverse_sql.from_row_sql('q.row', columns[0])} AS {connections.quoted(columns[0])} FROM (SELECT ? AS row) AS q"
        connection.execute(f"CREATE TABLE back AS {query}", (row,))

        assert generated._rows(connection, "main", "t") == generated._rows(connection, "main", "back")


@given(create_tables())
@example("CREATE TABLE t (a INT, b INTEGER -- of\nREFERENCES t(a) -- two\nGENERATED ALWAYS AS (1) STORED) STRICT")
@example(
    "CREATE TABLE t (a, CHECK (a IS NOT 'FOREIGN KEY (a) REFERENCES p'), CONSTRAINT c FOREIGN KEY (a) REFERENCES p)"
)
def test_a_declaration_loses_its_foreign_keys_and_nothing_else(sql):
    with contextlib.closing(connections.memory()) as connection:
        try:
            connection.execute(sql)
        except sqlite3.OperationalError:
            assume(False)
        schema = schema_reader.stored(connection)
        (before,) = schema.tables
        (stored,) = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'table'").fetchone()
        connection.execute("ATTACH ':memory:' AS other")
        made = declaration.renamed(declaration.Statements(stored), before.name, "carried")
        connection.execute(declaration.in_schema(made.table, "other"))
        copied = schema_reader.stored(connection, "other")
        (after,) = copied.tables

        assert () == after.foreign_keys
        assert before.columns == after.columns
        assert sorted(map(_plain, before.uniques)) == sorted(map(_plain, after.uniques))
        # SQLite does not list the checks; of a statement that sqlglot cannot read, such as a copy that keeps the name of
        # a foreign key, they are not known.
        assert before.checks == after.checks or schema.differences or copied.differences
        assert (before.without_rowid, before.strict) == (after.without_rowid, after.strict)


def _plain(unique):
    return repr((unique.columns, unique.unique, unique.origin))


@given(spelled_times())
def test_the_oracle_reads_the_same_time(spelled):
    """Written apart from the first, it has to agree on what is a time."""
    text, _ = spelled

    assert sql_functions.utc(text.encode()) == oracle_times.instant(text)


@given(st.binary(max_size=30) | st.text(max_size=30).map(str.encode))
def test_the_oracle_reads_no_other_times(octets):
    assert sql_functions.utc(octets) == oracle_times.instant(octets)
