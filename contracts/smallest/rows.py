"""The rows of a legacy set: finds what each row needs, and writes some of them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path

from contracts.oracle.cells import Cell, Row, bound, parsed, rows
from contracts.sets.legacy import LegacySet, LegacyTable
from migrator.errors import UsageError
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.catalogue import LegacyDatabase
from migrator.system import connections
from migrator.system.connections import quoted

#: A row: its table, such as ``jarvis.trades``, and its rowid.
Place = tuple[str, int]

#: Links that the DDL does not declare: child, its column, parent, its column.
_LINKS = (
    ("jarvis.trades", "position_id", "jarvis.positions", "id"),
    ("jarvis.treasury_orders", "order_id", "jarvis.positions", "tp_order_id"),
    ("jarvis.treasury_orders", "order_id", "jarvis.positions", "sl_order_id"),
    ("jarvis.trades", "tx_signature", "treasury_trades.treasury_trades", "signature"),
    ("tax.tax_lots", "tx_id", "jarvis.trades", "tx_signature"),
    ("tax.wash_sales", "replacement_lot_id", "tax.tax_lots", "id"),
    ("tax.wash_sales", "sale_tx_id", "tax.sales", "tx_id"),
    ("call_tracking.outcomes", "call_id", "call_tracking.calls", "id"),
    ("jarvis_memory.facts", "entity", "jarvis_memory.entities", "name"),
    ("whales.whale_movements", "wallet_address", "whales.whale_wallets", "address"),
)
#: Links in a JSON list of rows: child, its column, parent, its column.
_LISTED = (("tax.sales", "lots_used_json", "tax.tax_lots", "id"),)
#: Columns of symbol and mint, in both variants; a row without a mint needs the rows with its symbol's mint.
_MINTS = (
    ("jarvis.positions", "symbol", ("token_mint", "token_address")),
    ("jarvis.trades", "symbol", ("token_mint", "token_address")),
    ("call_tracking.calls", "symbol", ("contract", "token_address")),
    ("jarvis_x_memory.token_mentions", "symbol", ("contract_address",)),
    ("whales.whale_movements", "token_symbol", ("token_mint", "token_address")),
    ("sentiment.sentiment_readings", "symbol", ("token_address",)),
)


def database_of(name: str, variants: Iterable[str]) -> LegacyDatabase:
    """Return the first known legacy database *name* with one of *variants*."""
    known = [database for database in catalogue.legacy_databases() if database.name == name]
    return next((database for database in known if database.variant in variants), known[0])


def statements_of(name: str, variants: Iterable[str]) -> Iterator[str]:
    """Yield the statements that create the legacy database *name* in one of *variants*."""
    database = database_of(name, variants)
    if catalogue.SPECIFIED_VARIANT not in variants:
        yield from (statement for _, statement in schema_reader.statements(database.ddl))
        return
    target, tables = catalogue.SPECIFIED[name]
    with closing(connections.memory()) as connection:
        connection.executescript(catalogue.target_ddl(target))
        marks = ", ".join("?" * len(tables))
        question = f"SELECT sql FROM sqlite_schema WHERE tbl_name IN ({marks}) AND sql IS NOT NULL ORDER BY rowid"
        yield from [statement for (statement,) in connection.execute(question, tables)]


class LegacyRows:
    """The rows of the known tables of a legacy set."""

    def __init__(self, legacy: LegacySet) -> None:
        self.legacy = legacy
        known = {database.name for database in catalogue.legacy_databases() if not database.standalone}
        every = [table for name in sorted(legacy.originals) if name in known for table in legacy.tables(name)]
        specified = {table.source.partition(".")[0] for table in every if table.variant == catalogue.SPECIFIED_VARIANT}
        self.tables: Mapping[str, LegacyTable] = {
            table.source: table
            for table in every
            # A full-text index over another table has no rows of its own.
            if table.variant
            and (table.kind == "table" or table.variant == catalogue.SPECIFIED_VARIANT)
            and (table.variant == catalogue.SPECIFIED_VARIANT or table.source.partition(".")[0] not in specified)
        }

    @cached_property
    def places(self) -> list[Place]:
        """Every row, by table in alphabetical order of databases."""
        return [(source, id_) for source in self.tables for (id_,) in self._cells(source, "rowid")]

    def _cells(self, source: str, *columns: str) -> Iterator[tuple[Cell, ...]]:
        name, _, table = source.partition(".")
        with self.legacy.read(name) as connection:
            listed = ", ".join(map(quoted, columns))
            yield from rows(connection, f"SELECT {listed} FROM {quoted(table)} ORDER BY rowid")

    @cached_property
    def needs(self) -> Mapping[Place, set[Place]]:
        """The rows that each row refers to, by declared and other links."""
        needs: defaultdict[Place, set[Place]] = defaultdict(set)
        for child, column, parent, named, listed in self._links():
            ids: defaultdict[Cell, list[int]] = defaultdict(list)
            for id_, name in self._cells(parent, "rowid", named):
                ids[name].append(id_)
            for id_, cell in self._cells(child, "rowid", column):
                for name in _listed(cell) if listed else [cell]:
                    if name not in {None, ""}:
                        named_by = {(parent, parent_id) for parent_id in ids.get(name, ())}
                        needs[child, id_] |= named_by
                        # The migration of a lot depends on the sales that used it.
                        for place in named_by if listed else ():
                            needs[place].add((child, id_))
        self._need_mints(needs)
        return needs

    def _need_mints(self, needs: defaultdict[Place, set[Place]]) -> None:
        known: defaultdict[str, dict[Cell, Place]] = defaultdict(dict)
        without: list[tuple[Place, str]] = []
        for source, symbols, mints in _MINTS:
            if source not in self.tables:
                continue
            column = next((name for name in mints if name in self.tables[source].columns), "")
            for id_, symbol, *rest in self._cells(source, "rowid", symbols, *filter(None, [column])):
                mint = rest[0] if rest else None
                if isinstance(symbol, str) and isinstance(mint, str) and mint:
                    # One row for each mint: the migration depends only on whether there are several.
                    known[symbol.lower()].setdefault(mint, (source, id_))
                elif isinstance(symbol, str) and symbol:
                    without.append(((source, id_), symbol.lower()))
        for place, symbol in without:
            needs[place] |= {*known[symbol].values()}

    def _links(self) -> Iterator[tuple[str, str, str, str, bool]]:
        columns = {source: {name.lower() for name in table.columns} for source, table in self.tables.items()}
        candidates = [(*link, False) for link in (*_LINKS, *self._declared())]
        candidates += [(*link, True) for link in _LISTED]
        for child, column, parent, named, listed in dict.fromkeys(candidates):
            if column.lower() in columns.get(child, ()) and named.lower() in {"rowid", *columns.get(parent, ())}:
                yield child, column, parent, named, listed

    def _declared(self) -> Iterator[tuple[str, str, str, str]]:
        for source in self.tables:
            name, _, table = source.partition(".")
            with self.legacy.read(name) as connection:
                keys = connection.execute(
                    'SELECT "table", "from", "to" FROM pragma_foreign_key_list(?) WHERE "to" IS NOT NULL', (table,)
                ).fetchall()
            for parent, column, named in keys:
                # The parent's table may be in another file.
                homes = [source_ for source_ in self.tables if source_.partition(".")[2] == parent]
                yield from ((source, column, home, named) for home in homes)

    def closed(self, places: Iterable[Place]) -> list[Place]:
        """Return *places* with all rows that they need, directly or indirectly, sorted."""
        reached, waiting = set(), list(places)
        while waiting:
            place = waiting.pop()
            if place not in reached:
                reached.add(place)
                waiting += self.needs.get(place, ())
        return sorted(reached)

    def variants(self, name: str) -> set[str]:
        """Return the variants of the tables of the database *name*."""
        return {table.variant for source, table in self.tables.items() if source.partition(".")[0] == name}

    def write(self, places: Iterable[Place], folder: Path) -> None:
        """Write a legacy set of only these rows below *folder*."""
        every = by_table(places)
        for name in dict.fromkeys(source.partition(".")[0] for source in every or [min(self.tables)]):
            tables = {source: ids for source, ids in every.items() if source.partition(".")[0] == name}
            with closing(make(name, self.variants(name), folder)) as connection:
                connections.attach(connection, self.legacy.copy(name), "whole")
                connection.execute("BEGIN")
                for source, ids in tables.items():
                    self._copy(connection, source, ids)
                connection.execute("COMMIT")

    def _copy(self, connection: sqlite3.Connection, source: str, ids: list[int]) -> None:
        table = self.tables[source]
        own = quoted(source.partition(".")[2])
        names = ", ".join(map(quoted, columns_of(table)))
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (id INTEGER PRIMARY KEY)")
        connection.execute("DELETE FROM temp.wanted")
        connection.executemany("INSERT INTO temp.wanted VALUES (?)", [(id_,) for id_ in ids])
        connection.execute(
            f"INSERT INTO main.{own} ({names}) SELECT {names} FROM whole.{own} WHERE rowid IN (SELECT id FROM wanted)"
            " ORDER BY rowid"
        )

    def read(self, places: Iterable[Place]) -> dict[str, list[Row]]:
        """Return the cells of these rows, by table."""
        cells_of: dict[str, list[Row]] = {}
        for source, ids in by_table(places).items():
            names = columns_of(self.tables[source])
            name, _, table = source.partition(".")
            with self.legacy.read(name) as connection:
                question = f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table)} WHERE rowid = ?"
                cells = [rows(connection, question, id_).fetchone() for id_ in ids]
            cells_of[source] = [dict(zip(names, row, strict=True)) for row in cells]
        return cells_of


def by_table(places: Iterable[Place]) -> dict[str, list[int]]:
    """Return the rowids of *places* by table, both sorted."""
    ids: dict[str, list[int]] = {}
    for source, id_ in sorted(places):
        ids.setdefault(source, []).append(id_)
    return ids


def columns_of(table: LegacyTable) -> list[str]:
    """Return the columns of a row of *table*, of a full-text table with the rowid."""
    return ["rowid", *table.columns] if table.kind == "virtual" else list(table.columns)


def _listed(cell: Cell) -> list[Cell]:
    value = parsed(cell)
    pairs = value if isinstance(value, list) else []
    return [pair[0] for pair in pairs if isinstance(pair, list) and pair and isinstance(pair[0], int | str)]


def make(name: str, variants: Iterable[str], folder: Path) -> sqlite3.Connection:
    """Make the legacy database *name* without rows below *folder*, and return a connection."""
    path = folder / database_of(name, variants).place
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = connections.create(path)
    # A temporary file, and legacy files did not enforce their foreign keys and CHECKs.
    for pragma in ("synchronous = OFF", "foreign_keys = OFF", "ignore_check_constraints = ON"):
        connection.execute(f"PRAGMA {pragma}")
    for statement in statements_of(name, variants):
        connection.execute(statement)
    return connection


def insert(connection: sqlite3.Connection, table: str, row: Row) -> None:
    """Insert a *row*, whose text may have any bytes.

    Raises:
        UsageError: A constraint of the table refuses the row.
    """
    placed = [bound(cell) for cell in row.values()]
    names, marks = ", ".join(map(quoted, row)), ", ".join(place for place, _ in placed)
    try:
        connection.execute(f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks})", [value for _, value in placed])
    except sqlite3.IntegrityError as error:
        raise UsageError(f"a row cannot be written: {error}", where=table) from error


def write_rows(rows_by_table: Mapping[str, Sequence[Row]], variants: Mapping[str, str], folder: Path) -> None:
    """Write a legacy set of these rows below *folder*; *variants* has variants other than found.

    Without rows it is an empty jarvis.db, because a legacy set needs a database.
    """
    for name in dict.fromkeys(source.partition(".")[0] for source in rows_by_table or ["jarvis.positions"]):
        with closing(make(name, {variants.get(name, "found")}, folder)) as connection:
            connection.execute("BEGIN")
            for source, cells in rows_by_table.items():
                if source.partition(".")[0] == name:
                    for row in cells:
                        insert(connection, source.partition(".")[2], row)
            connection.execute("COMMIT")
