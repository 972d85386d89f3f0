"""Build: the three databases, from the snapshot only, into a stage.

Everything is pushed down to SQLite: sources attached, ``INSERT ... SELECT``, parents first, indexes after the load, then
the proof.  Nothing has a final name until all three are whole; a build that was cut short is begun anew, one that
is finished is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from migrator.config import extra_indexes as config_extra_indexes
from migrator.errors import BuildError
from migrator.mapping import lookups, sql_functions
from migrator.mapping import reader as mapping_reader
from migrator.mapping.model import TableMapping
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.plan import Fate, Plan, PlannedTable
from migrator.schema import catalogue, text_encoding
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import Statements
from migrator.stages.build import carried_tables, row_accounts
from migrator.stages.build import load as table_load
from migrator.stages.build import proof as build_proof
from migrator.system import connections, content_digest, durable_files, error_hints
from migrator.system.serialize import plain, record

#: Called with the table that is done, its rows, and seconds.
Progress = Callable[[str, int, float], None]

#: The file that tells a finished build from one that was cut short, and what it was made of.
FINISHED = "built.json"
#: SQLite attaches ten at once: the target and the work tables are two of them.
SOURCES_AT_ONCE = 8
#: Pages in memory while loading, in KiB.
CACHE_KIB = 16_000
#: The same for the work tables, each of two files.
WORK_CACHE_KIB = 8_000

_KINDS = ("CREATE VIRTUAL TABLE ", "CREATE TABLE ", "CREATE INDEX ", "INSERT INTO ")


def build(
    plan: Plan,
    snapshot: Snapshot,
    stage: Path,
    *,
    progress: Progress | None = None,
    prove: Callable[[], None] = lambda: None,
) -> Built:
    """Build the three databases of *plan* in *stage* from *snapshot*; a finished build of the same is left as it is.

    *prove* is called once the databases are built, and raises if the build may not be finished.

    Raises:
        BuildError: A row cannot keep its rest, or SQLite cannot go on (such as a full disk).
    """
    begun = time.monotonic()
    key = _key(plan, snapshot)
    if (finished := _finished(stage, key)) is not None:
        return finished
    durable_files.remove_folder(stage)
    durable_files.make_private_folder(stage)
    paths = _in_utf8(plan, snapshot, stage / "utf8")
    accounts = row_accounts.Accounts(plan)
    digests = {}
    for target in catalogue.TARGETS:
        bench = Bench(target, stage / catalogue.TARGETS[target], paths)
        try:
            with contextlib.closing(bench):
                _fill(bench, plan, accounts, progress)
                finished_content = bench.finish()
            accounts.compare_carried(target, finished_content)
            digests[target] = finished_content.digest
        except sqlite3.Error as error:
            raise BuildError(
                str(error), where=catalogue.TARGETS[target], hint=error_hints.told(error, [stage]).hint
            ) from error
    durable_files.remove_folder(stage / "utf8")
    built = accounts.built(
        run=snapshot.run, stage=stage, digests=MappingProxyType(digests), seconds=time.monotonic() - begun
    )
    prove()
    # The names of the three are durable with this file's, which is written last.
    durable_files.write(stage / FINISHED, json.dumps({"schema": 1, "key": key, **plain(built)}, indent=2) + "\n")
    return built


def _in_utf8(plan: Plan, snapshot: Snapshot, folder: Path) -> dict[str, Path]:
    """Return where the databases of *snapshot* are read, by name: a copy in *folder* of one whose text is not UTF-8."""
    attached = {table.source.partition(".")[0] for table in plan.tables if table.into}
    paths = {database.known_as: database.path for database in snapshot.inventory.databases}
    for database in snapshot.inventory.databases:
        if database.known_as in attached and database.encoding not in ("", text_encoding.UTF8):
            durable_files.make_private_folder(folder)
            paths[database.known_as] = folder / f"{database.known_as}.db"
            text_encoding.write_anew(database.path, paths[database.known_as], text_encoding.UTF8)
    return paths


class Bench:
    """One target database under construction, with the sources it needs attached.

    Attributes:
        target: ``core``, ``analytics`` or ``cache``.
        connection: Its connection; the target is attached under its name, the work tables as ``ids``.
        statements: Legacy database -> folded name of a table -> what makes it, once it was read.
    """

    def __init__(self, target: str, path: Path, paths: dict[str, Path]) -> None:
        self.target = target
        self.path = path
        self.paths = paths
        self.attached: list[str] = []
        self.statements: dict[str, dict[str, Statements]] = {}
        connections.create(path).close()
        self.connection = connections.memory()
        sql_functions.register(self.connection)
        connections.attach(self.connection, path, target, mode="rw")
        # A temporary database of its own: gone with the connection.
        self.connection.execute("ATTACH '' AS ids")
        self.connection.execute(f"PRAGMA {target}.cache_size = -{CACHE_KIB}")
        for work in ("temp", "ids"):
            self.connection.execute(f"PRAGMA {work}.cache_size = -{WORK_CACHE_KIB}")
            # Work tables are gone with the connection: to overwrite them with zeros before would hide nothing.
            self.connection.execute(f"PRAGMA {work}.secure_delete = OFF")
        # The mappings see to every reference; what they miss, verify finds.
        self.connection.execute("PRAGMA foreign_keys = OFF")
        self.connection.execute("BEGIN")

    def need(self, names: Sequence[str]) -> None:
        """Attach the sources *names*; where there are too many, commit and let all others go.

        Each commit waits for the disk several times, and what it has written has to be journaled from then on.
        """
        missing = [name for name in dict.fromkeys(names) if name not in self.attached]
        if len(self.attached) + len(missing) > SOURCES_AT_ONCE:
            self.connection.execute("COMMIT")
            for name in [name for name in self.attached if name not in names]:
                self.connection.execute(f"DETACH {connections.quoted(name)}")
                self.attached.remove(name)
            self.connection.execute("BEGIN")
        for name in missing:
            connections.attach(self.connection, self.paths[name], name)
            self.attached.append(name)

    def create(self, text: str, *kinds: str) -> None:
        """Run the statements of the DDL *text* that are of these kinds, in the target."""
        for _, statement in schema_reader.statements(text):
            kind = next((kind for kind in _KINDS if statement.startswith(kind)), "")
            if kind in kinds:
                self.connection.execute(statement.replace(kind, f"{kind}{self.target}.", 1))

    def finish(self) -> content_digest.Content:
        """Analyse, and leave the file in WAL mode with nothing in the WAL; return its digests.

        Pages, references and the full-text index are not checked here: they do not depend on how the file was built, and
        ``verify`` checks them (contracts/4_build).
        """
        finished_content = content_digest.content(self.connection, self.target)
        # An empty pattern of rows still leaves sqlite_stat1 behind, for the rows to come.
        self.connection.execute(f"ANALYZE {self.target}")
        self.connection.execute(f"PRAGMA {self.target}.journal_mode = WAL")
        self.connection.execute(f"PRAGMA {self.target}.wal_checkpoint(TRUNCATE)")
        return finished_content

    def close(self) -> None:
        """Close the connection and make the file durable."""
        self.connection.close()
        durable_files.sync_file(self.path)


def _fill(bench: Bench, plan: Plan, accounts: row_accounts.Accounts, progress: Progress | None) -> None:
    text = catalogue.target_ddl(bench.target)
    ours = catalogue.our_ddl()
    bench.create(text, "CREATE TABLE ", "CREATE VIRTUAL TABLE ", "INSERT INTO ")
    bench.create(ours, "CREATE TABLE ")
    by_target: dict[str, list[TableMapping]] = defaultdict(list)
    for table in plan.with_fate(Fate.MAPPED):
        for one in mapping_reader.sources_of(table):
            by_target[f"{one.target}.{one.table}"].append(one)
    here = [into for into in plan.order if into.startswith(f"{bench.target}.")]
    mapped = [one for into in here for one in by_target[into]]
    _prepare_lookups(bench, plan, mapped)
    for into in here:
        begun = time.monotonic()
        _load_table(bench, into, by_target[into], plan.constants)
        for one in by_target[into]:
            accounts.note_rows(bench.connection, one)
        rows = accounts.note_target(bench.connection, into, time.monotonic() - begun)
        if progress:
            progress(into, rows, time.monotonic() - begun)
    for table in plan.with_fate(Fate.CARRIED):
        if table.into.startswith(f"{bench.target}."):
            _carry(bench, table, accounts)
    bench.create(text, "CREATE INDEX ")
    bench.create(ours, "CREATE INDEX ")
    for statement in extra_indexes(plan, bench.target):
        bench.connection.execute(statement)
    _account_and_prove(bench, accounts, here, [one for one in mapped if not one.stub], plan.constants)


def _account_and_prove(
    bench: Bench,
    accounts: row_accounts.Accounts,
    tables: Sequence[str],
    mapped: Sequence[TableMapping],
    constants: Mapping[str, str],
) -> None:
    """Say where every row is and where it came from, keep what back cannot know of it, and see that each is rebuilt."""
    for into in tables:
        accounts.note_lineages(bench.connection, into)
    for one in mapped:
        accounts.note_source(bench.connection, one)
    bench.connection.execute("COMMIT")
    paths = bench.paths | {bench.target: bench.path}
    accounts.note_mismatches(build_proof.prove(bench.connection, bench.target, paths, mapped, constants))


def extra_indexes(plan: Plan, target: str) -> list[str]:
    """Return the statements of the indexes that the owners order in *target*."""
    return [one.statement for one in config_extra_indexes.read(plan.extra_indexes) if one.target == target]


def _prepare_lookups(bench: Bench, plan: Plan, mapped: Sequence[TableMapping]) -> None:
    present = {(table.source, table.variant) for table in plan.tables if table.variant}
    wanted = {name for one in mapped for name in one.reads}
    for lookup in lookups.lookups():
        if f"ids.{lookup.name}" in wanted:
            evidence = [source for source, variant, _ in lookup.evidence if (source, variant) in present]
            bench.need([source.partition(".")[0] for source in evidence])
            lookups.prepare(bench.connection, lookup, present)


def _load_table(bench: Bench, into: str, sources: Sequence[TableMapping], constants: Mapping[str, str]) -> None:
    target, _, table = into.partition(".")
    connection = bench.connection
    _account_for_defaults(connection, target, table)
    read = [name.partition(".")[0] for one in sources for name in one.reads]
    bench.need([*(one.database for one in sources), *(name for name in read if name in bench.paths)])
    marks = [
        mark
        for one in sources
        if not one.stub and (mark := carried_tables.high_water(connection, one.database, one.source_table)) is not None
    ]
    table_load.load(connection, target, table, sources, constants, max(marks, default=0) if sources else 0)
    if marks and any(shape.name == table and shape.autoincrement for shape in schema_reader.target(target).tables):
        carried_tables.set_high_water(connection, target, table, max(marks))


def _account_for_defaults(connection: sqlite3.Connection, target: str, table: str) -> None:
    """Give the rows that the DDL itself inserts their lineage, and take the clock out of them.

    Their time would be that of the build, and the same input would not give the same digest; NULL means that no process has
    updated them.
    """
    schema = schema_reader.target(target)
    key = connections.quoted(mapping_reader.target_key(schema, table))
    connection.execute(
        f"INSERT INTO {target}.lineage (source, target, target_id) SELECT 'stub:specified default', ?, {key}"
        f" FROM {target}.{connections.quoted(table)} ORDER BY 3",
        (table,),
    )
    for shape in schema.tables:
        for column in shape.columns:
            if shape.name == table and column.default == "CURRENT_TIMESTAMP":
                name = connections.quoted(column.name)
                connection.execute(f"UPDATE {target}.{connections.quoted(table)} SET {name} = NULL")


def _carry(bench: Bench, table: PlannedTable, accounts: row_accounts.Accounts) -> None:
    database, _, name = table.source.partition(".")
    bench.need([database])
    target, _, carried = table.into.partition(".")
    if database not in bench.statements:
        # Once for all its tables: each look-up would read the whole schema.
        bench.statements[database] = carried_tables.statements(bench.connection, database)
    carried_tables.copy(bench.connection, database, name, bench.statements[database], target, carried)
    accounts.note_carried(bench.connection, table)


def _key(plan: Plan, snapshot: Snapshot) -> str:
    """Return what a finished build is known by: everything that it was made of."""
    made_of = {
        "run": snapshot.run,
        "content": {str(database.place): database.digest for database in snapshot.inventory.databases},
        "tables": plain(plan.tables),
        "constants": plain(plan.constants),
        "ddl": [catalogue.target_ddl(target) for target in catalogue.TARGETS] + [catalogue.our_ddl()],
        "mappings": [one.forward + one.back + one.keep + one.number for one in mapping_reader.mappings()],
        "extra_indexes": plan.extra_indexes,
        "lookups": [plain(lookup) for lookup in lookups.lookups()],
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _finished(stage: Path, key: str) -> Built | None:
    """Return the finished build in *stage* if it was made of the same and is still there; else None."""
    try:
        known_as, built = _read(stage) or ("", None)
        return built if built and known_as == key and built.digests == _digests(stage) else None
    except (BuildError, sqlite3.Error):
        # Damaged or changed since it was written: the build begins anew.
        return None


def told(stage: Path) -> Built | None:
    """Return what the finished build in *stage* says of itself, unchecked; None if there is none."""
    found = _read(stage)
    return found[1] if found else None


def _read(stage: Path) -> tuple[str, Built] | None:
    """Return the key of the finished build in *stage* and what it says of itself; None if there is none."""
    path = stage / FINISHED
    if not path.exists():
        return None
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        known_as, _ = written.pop("key"), written.pop("schema")
        return known_as, record(written | {"stage": stage}, Built)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildError("is not what a build wrote", where=path, hint="run migrator build again") from error


def _digests(stage: Path) -> dict[str, str]:
    """Return the digest of each of the three databases in *stage*."""
    digests = {}
    for target, name in catalogue.TARGETS.items():
        with connections.closing_scratch(stage / name) as connection:
            digests[target] = content_digest.digest(connection)
    return digests
