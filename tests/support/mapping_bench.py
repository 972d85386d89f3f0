"""A bench for mappings: legacy rows written by hand, loaded as a build loads them, and rebuilt.

    bench.add("jarvis.positions", id="e90867f9", status="open", token_mint="Mint1")
    core = bench.load("core", wallet_address="W")
    assert [("open",)] == core.rows("SELECT status FROM core.positions")

For every test, :meth:`Bench.load` itself asserts what holds for every mapping: each legacy row is mapped or
quarantined, foreign keys hold, and what is mapped is rebuilt cell by cell and storage class by storage class.
"""

from migrator.mapping import lookups, reverse_sql
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.specified import AS_WRITTEN
from migrator.stages.build import proof as build_proof
from migrator.stages.build import stage as build_stage
from migrator.system import connections

#: What a NOT NULL column holds that a test does not name.
FILLER = {"TEXT": "some text", "REAL": 1.0, "INTEGER": 1, "BLOB": b"bytes"}
AN_INSTANT = "2026-01-17T10:00:00+00:00"
OURS = catalogue.our_ddl()


class Bench:
    """A legacy set in a folder: the databases that a test has added rows to, in their shape as found."""

    def __init__(self, folder):
        self.folder = folder
        self.connections = {}
        self.loaded = []

    def close(self):
        """Close every connection that a test had."""
        for connection in (*self.connections.values(), *self.loaded):
            connection.close()

    def database(self, name):
        """Return the legacy database *name*, made empty when it is first asked for."""
        if name not in self.connections:
            found = next(one for one in catalogue.legacy_databases() if (one.name, one.variant) == (name, "found"))
            connection = connections.create(self.folder / f"{name}.db")
            careless(connection, "main")
            for _, statement in schema_reader.statements(found.ddl):
                if not statement.startswith("PRAGMA"):
                    connection.execute(statement)
            self.connections[name] = connection
        return self.connections[name]

    def add(self, table, **cells):
        """Add a row of *cells* to the legacy *table* (``jarvis.positions``) and return its rowid.

        NOT NULL columns without a default that are not named are filled; give None to leave one out.
        """
        database, _, table = table.partition(".")
        connection = self.database(database)
        filled = {}
        for name, declared, not_null, default, key in connection.execute(
            'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', (table,)
        ):
            if not_null and default is None and not key:
                filled[name] = AN_INSTANT if name.endswith(("_at", "_date", "timestamp")) else FILLER[declared]
        row = {**filled, **cells}
        names, marks = ", ".join(map(connections.quoted, row)), ", ".join("?" * len(row))
        return connection.execute(
            f"INSERT INTO {connections.quoted(table)} ({names}) VALUES ({marks})", list(row.values())
        ).lastrowid

    def load(self, target, specification=AS_WRITTEN, **constants):
        """Load every table of *target* whose source is there, as a build does, prove it, and return what came of it."""
        paths = {name: self.folder / f"{name}.db" for name in self.connections}
        sources = build_stage.Sources(legacy=paths, read=paths, decided=())
        bench = build_stage.TargetDatabase(target, self.folder / f"{target}.db", sources)
        self.loaded.append(bench.connection)
        bench.connection.execute("COMMIT")
        careless(bench.connection, target)
        bench.connection.execute("BEGIN")
        for text in (specification.ddl(target), OURS):
            bench.create(text, "CREATE TABLE ", "CREATE VIRTUAL TABLE ", "CREATE UNIQUE INDEX ", "CREATE INDEX ")
        known = [one for one in mapping_reader.mappings() if one.target == target and one.database in paths]
        for lookup in lookups.lookups():
            there = {
                (source, variant)
                for source, variant, _ in lookup.evidence
                if variant == "found" and source.partition(".")[0] in paths
            }
            bench.need([source.partition(".")[0] for source, _ in there])
            lookups.prepare(bench.connection, lookup, there)
        constants = {"order_amount_sol": "", **specification.constants, **constants}
        for table in mapping_reader.in_order(target):
            sources = [one for one in known if one.table == table]
            build_stage._load_table(bench, f"{target}.{table}", sources, constants, specification)
        bench.connection.execute("COMMIT")
        own = [one for one in known if not one.stub]
        assert {} == build_proof.prove(bench.connection, target, paths | {target: bench.path}, own, constants)
        bench.connection.execute("BEGIN")
        for one in own:
            bench.need([one.database])
            _prove(bench.connection, one, constants)
        bench.connection.execute("COMMIT")
        bench.finish()
        return Loaded(bench.connection, target, constants)


class Loaded:
    """A consolidated database, and the legacy ones beside it under their names."""

    def __init__(self, connection, target, constants):
        self.connection = connection
        self.target = target
        self.constants = constants

    def rows(self, query, *values):
        """Return the rows of *query*."""
        return self.connection.execute(query, values).fetchall()

    def row(self, query, *values):
        """Return the only row of *query*."""
        (only,) = self.rows(query, *values)
        return only

    def cell(self, query, *values):
        """Return the only cell of the only row of *query*."""
        (only,) = self.row(query, *values)
        return only

    def quarantined(self, table):
        """Return legacy key and broken constraint of each row that *table* refused, by key."""
        return self.rows(
            f"SELECT legacy_key, broken FROM {self.target}.quarantine WHERE target = ? ORDER BY legacy_key", table
        )

    def new_key(self, source, legacy_key):
        """Return the key of the row that the row *legacy_key* of *source* became."""
        return self.cell(
            f"SELECT target_id FROM {self.target}.lineage WHERE source = ? AND legacy_key = ?", source, legacy_key
        )

    def rest(self, source, legacy_key):
        """Return the column -> [legacy cell, rebuilt cell] in lineage of a legacy row, as text or None."""
        return self.cell(
            f"SELECT max(rest) FROM {self.target}.lineage WHERE source = ? AND legacy_key = ?", source, legacy_key
        )

    def rebuilt(self, source, legacy_key):
        """Return the legacy row that is rebuilt from the consolidated one as it is now, by column."""
        database, _, table = source.partition(".")
        wanted = (database, table, "")
        one = next(one for one in mapping_reader.mappings() if (one.database, one.source_table, one.stub) == wanted)
        query = f"SELECT * FROM ({reverse_sql.rebuilt_sql(one)}) WHERE legacy_key = :legacy_key"
        cursor = self.connection.execute(query, one.given(self.constants) | {"legacy_key": legacy_key})
        (row,) = cursor.fetchall()
        return dict(zip([name for name, *_ in cursor.description], row, strict=True))


def careless(connection, schema):
    """Spare *connection* the care for power cuts, which a test need not survive."""
    connection.execute(f"PRAGMA {schema}.synchronous = OFF")
    connection.execute(f"PRAGMA {schema}.journal_mode = MEMORY")


def _prove(connection, one, constants):
    """Assert that every row of a source is accounted for, and rebuilt from where it went."""
    assert [] == connection.execute(reverse_sql.mismatches_sql(one), one.given(constants)).fetchall(), one.file
    assert [] == connection.execute(reverse_sql.quarantine_mismatches_sql(one)).fetchall(), one.file
    query = f"""
        SELECT
            (SELECT count(*) FROM {one.database}.{one.source_table}),
            (SELECT count(DISTINCT legacy_key) FROM {one.target}.lineage WHERE source = :source AND target = :table),
            (SELECT count(*) FROM ({one.back})),
            (SELECT count(*) FROM {one.target}.quarantine WHERE source = :source AND target = :table)
    """
    given = one.given(constants) | {"source": one.source, "table": one.table}
    legacy, mapped, rebuilt, refused = connection.execute(query, given).fetchone()
    assert mapped == rebuilt, f"{one.file}: back gives {rebuilt} rows for {mapped} legacy rows"
    assert legacy == mapped + refused, f"{one.file}: {legacy} rows in, {mapped} mapped, {refused} quarantined"
