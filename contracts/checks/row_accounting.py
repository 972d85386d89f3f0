"""Counts the places of every legacy row, independently of the build's counts."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain, groupby, islice, zip_longest

from contracts.oracle.cells import Cell, Row, bound, kept_row, rows, same
from contracts.oracle.rules import Reading
from contracts.oracle.table_judge import target_key
from contracts.sets.case import Case
from contracts.sets.legacy import LegacyTable
from contracts.sets.pair import specified_tables
from migrator.errors import DdlError
from migrator.schema import catalogue, declaration
from migrator.system import rowids
from migrator.system.connections import folded, quoted

MAPPED, CARRIED, STANDALONE, DERIVED, IGNORED = "mapped", "carried", "standalone", "derived", "ignored"

#: Quarantined keys compared at a time [keys]: limits memory and the parameters of one query.
KEYS_AT_ONCE = 500

#: A cell with its storage class, for sets: 1 and 1.0 are two.
Typed = tuple[type, Cell]


def typed(cell: Cell) -> Typed:
    """Return *cell* with its storage class."""
    return type(cell), cell


def readings(case: Case) -> Iterator[Reading]:
    """Yield the reading of each mapped legacy table that the set has."""
    yield from (reading for reading in case.reader.all_readings if reading.target in case.targets)


def fate(case: Case, table: LegacyTable) -> str:
    """Return the fate that *table* must have."""
    name = table.source.partition(".")[0]
    decided = case.decided_fate(name)
    if decided in {STANDALONE, "ignore"}:
        return STANDALONE if decided == STANDALONE else IGNORED
    if table.source in {reading.source for reading in readings(case)}:
        return MAPPED
    return DERIVED if table.kind == "virtual" else CARRIED


def home(case: Case, name: str) -> str:
    """Return the consolidated database for the unspecified tables of *name*."""
    decided = case.decided_fate(name)
    if decided.startswith("carry:"):
        return decided.partition(":")[2]
    return next((database.home for database in catalogue.legacy_databases() if database.name == name), "")


def home_of(case: Case, table: LegacyTable) -> str:
    """Return the consolidated database that must have a legacy table's rows; else ''."""
    name = table.source.partition(".")[0]
    if case.decided_fate(name) in {STANDALONE, "ignore"}:
        return ""
    reading = case.reader.reading_of(table.source)
    if reading is not None:
        return reading.target.partition(".")[0]
    return "" if table.kind == "virtual" else home(case, name) or next(iter(catalogue.TARGETS))


def counted(case: Case) -> Iterator[tuple[LegacyTable, int]]:
    """Yield each legacy table that has a home, with its number of rows."""
    for database, tables in groupby(case.legacy.every_table(), key=lambda table: table.source.partition(".")[0]):
        with case.legacy.read(database) as connection:
            for table in tables:
                if home_of(case, table):
                    name = quoted(table.source.partition(".")[2])
                    yield table, connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]


def carried_name(table: LegacyTable) -> str:
    """Return the name under which a legacy table is carried."""
    return f"legacy_{table.source.replace('.', '_', 1)}"


def carried_in(case: Case, table: LegacyTable) -> list[str]:
    """Return the consolidated databases that have *table* as a carried one."""
    name = carried_name(table)
    return [target for target in case.judged.originals if name in case.judged.table_names(target)]


def recorded_targets(case: Case) -> dict[str, set[str]]:
    """Return each legacy table in lineage or quarantine, with its recorded targets."""
    targets: dict[str, set[str]] = {}
    for target in case.judged.originals:
        with case.judged.read(target) as connection:
            for table in ("lineage", "quarantine"):
                for source, into in rows(connection, f"SELECT DISTINCT source, target FROM {table}"):
                    if not str(source).startswith("stub:"):
                        targets.setdefault(source, set()).add(f"{target}.{into}")
    return targets


def balance(case: Case, reading: Reading) -> Iterator[str]:
    """Yield each legacy row not recorded exactly once, and each record without one."""
    if adds_up(case, reading):
        return
    target, _, table = reading.target.partition(".")
    legacy = Counter(typed(key) for (key,) in case.rows_as_found(reading.source, reading.key))
    with case.judged.read(target) as connection:
        of_source = "FROM {} WHERE source = ? AND target = ?"
        mapped = {
            typed(key)
            for (key,) in rows(
                connection, f"SELECT DISTINCT legacy_key {of_source.format('lineage')}", reading.source, table
            )
        }
        refused = Counter(
            typed(key)
            for (key,) in rows(connection, f"SELECT legacy_key {of_source.format('quarantine')}", reading.source, table)
        )
    recorded = Counter(mapped) + refused
    if recorded == legacy:
        return
    yield (
        f"{reading.source}: {legacy.total()} rows in, {len(mapped)} mapped and {refused.total()} quarantined"
        f" in {reading.target}"
    )
    yield from (f"{reading.source} {key!r}: is lost" for _, key in (legacy - recorded))
    yield from (
        f"{reading.source} {key!r}: is recorded more than once" for _, key in (recorded - legacy) if (_, key) in legacy
    )
    yield from (
        f"{reading.source} {key!r}: the legacy table has no such row"
        for _, key in (recorded - legacy)
        if (_, key) not in legacy
    )


#: Counts of legacy rows: with a key; with a key and recorded exactly once; distinct keys; without a key.  Then counts of
#: records in lineage and quarantine: with a key, and without one.
_PLACES = """
    SELECT total(s.{key} IS NOT NULL), total(s.{key} IS NOT NULL AND (
        EXISTS (
            SELECT 1 FROM {target}.lineage AS l
            WHERE l.source = :source AND l.target = :table AND l.legacy_key = +s.{key}
            AND typeof(l.legacy_key) = typeof(s.{key})
        ) + (
            SELECT count(*) FROM {target}.quarantine AS q
            WHERE q.source = :source AND q.legacy_key = +s.{key} AND q.target = :table
            AND typeof(q.legacy_key) = typeof(s.{key})
        ) = 1
    )), {different}, total(s.{key} IS NULL), (
        SELECT count(*) FROM (
            SELECT DISTINCT legacy_key, typeof(legacy_key) FROM {target}.lineage
            WHERE source = :source AND target = :table AND legacy_key IS NOT NULL
        )
    ) + (
        SELECT count(*) FROM {target}.quarantine WHERE source = :source AND target = :table AND legacy_key IS NOT NULL
    ), (
        SELECT count(*) FROM {target}.quarantine WHERE source = :source AND target = :table AND legacy_key IS NULL
    ) + EXISTS (SELECT 1 FROM {target}.lineage WHERE source = :source AND target = :table AND legacy_key IS NULL)
    FROM {legacy} AS s
"""


def adds_up(case: Case, reading: Reading) -> bool:
    """Return whether the counts show every legacy row recorded exactly once; counted once."""
    if reading.source not in case.settled:
        database, _, name = reading.source.partition(".")
        target, _, table = reading.target.partition(".")
        with case.pair.beside(database, target) as connection:
            keys = connection.execute("SELECT name FROM pragma_table_info(?, ?) WHERE pk", (name, database))
            alone = reading.key == "rowid" or keys.fetchall() == [(reading.key,)]
            different = (
                f"total(s.{quoted(reading.key)} IS NOT NULL)" if alone else f"count(DISTINCT s.{quoted(reading.key)})"
            )
            question = _PLACES.format(
                key=quoted(reading.key),
                different=different,
                target=target,
                legacy=f"{quoted(database)}.{quoted(name)}",
            )
            counts = connection.execute(question, {"source": reading.source, "table": table})
            whole, placed, keyed, keyless, places, without = counts.fetchone()
        case.settled[reading.source] = bool(whole == placed == keyed == places and keyless == without)
    return case.settled[reading.source]


def carried_unlike(case: Case, target: str) -> Iterator[str]:
    """Yield how the carried tables of *target* differ from the legacy tables."""
    for database, tables in groupby(case.legacy.every_table(), key=lambda table: table.source.partition(".")[0]):
        here = [table for table in tables if target in carried_in(case, table)]
        if here:
            with case.pair.beside(database, target) as connection:
                for table in here:
                    yield from _unlike(connection, table, target)


def _unlike(connection: sqlite3.Connection, table: LegacyTable, target: str) -> Iterator[str]:
    """Yield how columns and rows of the carried copy of *table* in *target* differ.

    A rowid that SQL can read in addition to the columns is compared too: another table may refer to it.
    """
    database, _, name = table.source.partition(".")
    carried = carried_name(table)
    shape = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?, ?)'
    was = connection.execute(shape, (name, database)).fetchall()
    now = connection.execute(shape, (carried, target)).fetchall()
    if was != now:
        yield f"{target}.{carried}: columns are not those of {table.source}"
        return
    number = rowids.rowid(connection, database, name)
    if number != rowids.rowid(connection, target, carried):
        yield f"{target}.{carried}: only one of it and {table.source} has rowids"
        return
    columns = [quoted(column) for column in table.columns]
    several = [[number, *columns] if number else columns]
    if number and len(columns) == rowids.MOST_COLUMNS:
        # SQLite's limit of columns: two queries together compare each column with the rowid.
        several = [[number, *columns[1:]], [number, *columns[:-1]]]
    for names in several:
        yield from _other_rows(connection, ", ".join(names), f"{quoted(database)}.{quoted(name)}", target, carried)


def _other_rows(connection: sqlite3.Connection, names: str, legacy: str, target: str, carried: str) -> Iterator[str]:
    """Yield the rows that only one of a carried table and its legacy table has."""
    both = [f"SELECT {names} FROM {where} NOT INDEXED" for where in (legacy, f"{quoted(target)}.{quoted(carried)}")]
    # Usually both have the same order; otherwise they are compared as multisets.
    if all(_same_row(was, now) for was, now in zip_longest(*(rows(connection, question) for question in both))):
        return
    before, here = (Counter(tuple(map(typed, cells)) for cells in rows(connection, question)) for question in both)
    for differing, fault in (before - here, "is missing or differs"), (here - before, "is not in the legacy table"):
        yield from (f"{target}.{carried}: row {shown_key(cells)} {fault}" for cells in differing)


def declared_unlike(case: Case, table: LegacyTable, target: str, ordered: Collection[str]) -> Iterator[str]:
    """Yield how the declaration of a carried table in *target* differs from that of *table*.

    The owners' extra indexes, *ordered*, are ignored.
    """
    database, _, name = table.source.partition(".")
    carried = carried_name(table)
    now = case.judged.statements(target)[folded(carried)]
    with case.judged.read(target) as connection:
        references = connection.execute("SELECT 1 FROM pragma_foreign_key_list(?)", (carried,)).fetchone()
    was = case.legacy.statements(database)[folded(name)]
    if references:
        yield f"{target}.{carried}: has a foreign key, which would refer to another table here"
    for what, before, after in (
        ("constraints, collations or generated columns", was._replace(indexes=()), now._replace(indexes=())),
        ("indexes", was, now._replace(indexes=tuple(index for index in now.indexes if index[0] not in ordered))),
    ):
        try:
            same = declaration.meaning(before) == declaration.meaning(after)
        except DdlError as error:
            yield f"{target}.{carried}: {error.what}"
            return
        if not same:
            yield f"{target}.{carried}: {what} are not those of {table.source}"
            return


def shown_key(cells: tuple[Typed, ...]) -> str:
    """Return the first cell of a row, which names it in a report."""
    return repr(cells[0][1]) if cells else ""


def _same_row(first: tuple[Cell, ...] | None, second: tuple[Cell, ...] | None) -> bool:
    return first is not None and second is not None and all(map(same, first, second))


def stray_carried(case: Case) -> Iterator[str]:
    """Yield carried tables that are copies of no legacy table."""
    expected = {carried_name(table) for table in case.legacy.every_table()}
    for target in case.judged.originals:
        for name in case.judged.table_names(target):
            if name.startswith("legacy_") and name not in expected:
                yield f"{target}.{name}"


def keys_held(case: Case, reading: Reading) -> Iterator[Cell]:
    """Yield the key of each legacy row of *reading* that has a NULL key or is in quarantine."""
    database, _, name = reading.source.partition(".")
    target, _, table = reading.target.partition(".")
    key = quoted(reading.key)
    held = f"SELECT legacy_key FROM {target}.quarantine WHERE source = ? AND target = ?"
    question = f"SELECT {key} FROM {quoted(database)}.{quoted(name)} WHERE {key} IS NULL OR +{key} IN ({held})"
    with case.pair.beside(database, target) as connection:
        yield from (cell for (cell,) in rows(connection, question, reading.source, table))


def parts_let_in(case: Case, reading: Reading) -> int:
    """Count the target rows that the legacy rows of *reading* become."""
    if reading.parts is None:
        name, _, table = reading.source.partition(".")
        with case.legacy.read(name) as connection:
            (whole,) = connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()
        return int(whole) - sum(1 for _ in keys_held(case, reading))
    columns = tuple(dict.fromkeys((*reading.columns, reading.key)))
    held = set(map(typed, keys_held(case, reading)))
    legacy = (dict(zip(columns, cells, strict=True)) for cells in case.rows_as_found(reading.source, *columns))
    return sum(len(reading.parts(row)) for row in legacy if typed(row[reading.key]) not in held)


def rows_of(case: Case, target: str) -> int:
    """Count the rows of a consolidated table."""
    database, _, table = target.partition(".")
    with case.judged.read(database) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0])


def quarantined(case: Case, reading: Reading) -> Iterator[tuple[Cell, list[tuple[str, Row]], list[Row]]]:
    """Yield each quarantined key of *reading* with its quarantined and its legacy rows.

    Each quarantined row comes with its broken constraint.  :data:`KEYS_AT_ONCE` keys are in memory at a time.
    """
    database, _, name = reading.source.partition(".")
    target, _, table = reading.target.partition(".")
    names = list(dict.fromkeys((*reading.columns, reading.key)))
    of_legacy = (
        f"SELECT {', '.join(map(quoted, names))} FROM {quoted(database)}.{quoted(name)} WHERE {quoted(reading.key)}"
    )
    question = (
        f"SELECT legacy_key, broken, row FROM {target}.quarantine WHERE source = ? AND target = ? ORDER BY legacy_key"
    )
    with case.pair.beside(database, target) as connection:
        groups = groupby(rows(connection, question, reading.source, table), key=lambda row: row[0])
        while batch := [list(group) for _, group in islice(groups, KEYS_AT_ONCE)]:
            kept: dict[Typed, list[tuple[str, Row]]] = {}
            for key, broken, row in chain.from_iterable(batch):
                kept.setdefault(typed(key), []).append((broken, kept_row(row)))
            placed = [bound(key) for _, key in kept]
            legacy_rows: dict[Typed, list[Row]] = {}
            # Because of affinity the query may return rows with other keys too, but misses none.
            for condition, values in (
                (f"IN ({', '.join(place for place, _ in placed)})", [value for _, value in placed]),
                *([("IS NULL", [])] if typed(None) in kept else []),
            ):
                for cells in rows(connection, f"{of_legacy} {condition}", *values):
                    legacy = dict(zip(names, cells, strict=True))
                    legacy_rows.setdefault(typed(legacy[reading.key]), []).append(legacy)
            yield from ((key[1], kept_rows, legacy_rows.get(key, [])) for key, kept_rows in kept.items())


def lineage_faults(case: Case, target: str) -> Iterator[str]:
    """Yield each row and each lineage entry of *target* that do not match one to one."""
    with case.judged.read(target) as connection:
        known = specified_tables(target)
        for (name,) in connection.execute("SELECT DISTINCT target FROM lineage"):
            if name not in known:
                yield f"{target}.lineage: names {name}, which is not a specified table"
        for table in known:
            key, name = quoted(target_key(f"{target}.{table}")), quoted(table)
            of_table = "FROM lineage AS l WHERE l.target = ? AND l.target_id"
            for question, fault in (
                (
                    f"SELECT t.{key} FROM {name} AS t WHERE NOT EXISTS (SELECT 1 {of_table} = +t.{key})",
                    "has no lineage",
                ),
                (
                    f"SELECT l.target_id {of_table} NOT IN (SELECT t.{key} FROM {name} AS t WHERE t.{key} IS NOT NULL)",
                    "has a lineage but is missing",
                ),
                (f"SELECT l.target_id {of_table} IS NOT NULL GROUP BY 1 HAVING count(*) > 1", "has several lineages"),
            ):
                for (id_,) in rows(connection, question, table).fetchmany(100):
                    yield f"{target}.{table} {id_!r}: {fault}"
