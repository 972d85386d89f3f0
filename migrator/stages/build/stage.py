"""Builds the three databases in the stage, from the snapshot alone.

SQLite does the work: the sources are attached, ``INSERT ... SELECT`` fills parents before children, indexes are made after
the load, and the proof comes last.  A build is finished once all three databases are complete.  An interrupted build
starts again from the beginning; a finished one is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from migrator.config import extra_indexes as config_extra_indexes
from migrator.errors import BuildError
from migrator.mapping import lookups, sql_functions
from migrator.mapping import reader as mapping_reader
from migrator.mapping.model import TableMapping
from migrator.quarantine import decisions as quarantine_decisions
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.decisions import DecidedRow
from migrator.records.plan import Fate, Plan, PlannedTable
from migrator.schema import catalogue, specified, text_encoding
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import Statements
from migrator.schema.specified import Specification
from migrator.stages.build import carried_tables, decided_rows, row_accounts
from migrator.stages.build import load as table_load
from migrator.stages.build import proof as build_proof
from migrator.system import connections, content_digest, durable_files, error_hints
from migrator.system.serialize import plain, record

#: Called after each table with its name, its rows, and the seconds it took.
Progress = Callable[[str, int, float], None]

#: Name of the file that a finished build has, with the key of its sources.
FINISHED = "built.json"
#: Maximum number of attached sources: SQLite attaches ten databases, of which two are the target and the work tables.
SOURCES_AT_ONCE = 8
#: Cache of the target [KiB].
CACHE_KIB = 16_000
#: Cache of each of the two work databases [KiB].
WORK_CACHE_KIB = 8_000

#: Folders of a build for copies: of databases in another encoding, and of those with decided rows.
_SCRATCH = ("utf8", "decided")
_KINDS = ("CREATE VIRTUAL TABLE ", "CREATE TABLE ", "CREATE UNIQUE INDEX ", "CREATE INDEX ", "INSERT INTO ")


def build(
    plan: Plan,
    snapshot: Snapshot,
    stage: Path,
    *,
    progress: Progress | None = None,
    prove: Callable[[Built], None] = lambda _: None,
) -> Built:
    """Build the three databases of *plan* in *stage* from *snapshot*, unless a finished build of the same exists.

    Args:
        plan: The plan.
        snapshot: The snapshot.
        stage: The folder of the build.
        progress: Called after each table.
        prove: Called with the record once the databases are built; raises if the build must not be finished.

    Raises:
        BuildError: A row has no lineage for its rest, or SQLite fails, for instance on a full disk.
    """
    begun = time.monotonic()
    key = _key(plan, snapshot)
    if (finished := _finished(stage, key)) is not None:
        return finished
    durable_files.remove_folder(stage)
    durable_files.make_private_folder(stage)
    sources = _sources(plan, snapshot, stage)
    accounts = row_accounts.Accounts(plan, sources.decided)
    digests = {}
    for target in catalogue.TARGETS:
        target_db = TargetDatabase(target, stage / catalogue.TARGETS[target], sources)
        try:
            with contextlib.closing(target_db):
                _fill(target_db, plan, accounts, progress)
                finished_content = target_db.finish()
            accounts.compare_carried(target, finished_content)
            digests[target] = finished_content.digest
        except sqlite3.Error as error:
            raise BuildError(
                str(error), where=catalogue.TARGETS[target], hint=error_hints.told(error, [stage]).hint
            ) from error
    for folder in _SCRATCH:
        durable_files.remove_folder(stage / folder)
    built = accounts.built(
        run=snapshot.run, stage=stage, digests=MappingProxyType(digests), seconds=time.monotonic() - begun
    )
    prove(built)
    # This file is written last: its sync of the folder makes the names of the three durable too.
    durable_files.write(stage / FINISHED, json.dumps({"schema": 1, "key": key, **plain(built)}, indent=2) + "\n")
    return built


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the mappings read.

    Attributes:
        legacy: Database -> its file in UTF-8.
        read: The same, with the decided cells laid over.
        decided: The decisions that were applied.
    """

    legacy: dict[str, Path]
    read: dict[str, Path]
    decided: tuple[DecidedRow, ...]


def _sources(plan: Plan, snapshot: Snapshot, folder: Path) -> Sources:
    """Return what the mappings of *plan* read in *snapshot*; copies are made in *folder*."""
    utf8, decided = (folder / name for name in _SCRATCH)
    legacy = _in_utf8(plan, snapshot, utf8)
    keys = {mapping.source: mapping.key for table in plan.tables for mapping in mapping_reader.sources_of(table)}
    read, applied = decided_rows.overlaid(plan.decided, keys, legacy, decided)
    return Sources(legacy=legacy, read=read, decided=applied)


def _in_utf8(plan: Plan, snapshot: Snapshot, folder: Path) -> dict[str, Path]:
    """Return database -> path to read in *snapshot*, or a copy in *folder* if its text is not UTF-8."""
    attached = {table.source.partition(".")[0] for table in plan.tables if table.into}
    paths = {database.known_as: database.path for database in snapshot.inventory.databases}
    for database in snapshot.inventory.databases:
        if database.known_as in attached and database.encoding not in ("", text_encoding.UTF8):
            durable_files.make_private_folder(folder)
            paths[database.known_as] = folder / f"{database.known_as}.db"
            text_encoding.write_anew(database.path, paths[database.known_as], text_encoding.UTF8)
    return paths


class TargetDatabase:
    """A target database that is being built, and the attached sources.

    Attributes:
        target: ``core``, ``analytics`` or ``cache``.
        path: Its file.
        sources: What the mappings read.
        attached: The attached legacy databases.
        connection: The connection; the target is attached under its name, the work tables as ``ids``.
        statements: Legacy database -> folded name of a table -> the statements that make it, once they were read.
    """

    def __init__(self, target: str, path: Path, sources: Sources) -> None:
        self.target = target
        self.path = path
        self.sources = sources
        self.attached: list[str] = []
        self.statements: dict[str, dict[str, Statements]] = {}
        connections.create(path).close()
        self.connection = connections.memory()
        sql_functions.register(self.connection)
        connections.attach(self.connection, path, target, mode="rw")
        # A temporary database, deleted with the connection.
        self.connection.execute("ATTACH '' AS ids")
        self.connection.execute(f"PRAGMA {target}.cache_size = -{CACHE_KIB}")
        for work in ("temp", "ids"):
            self.connection.execute(f"PRAGMA {work}.cache_size = -{WORK_CACHE_KIB}")
            # The work tables are deleted with the connection: overwriting deleted content with zeros is not needed.
            self.connection.execute(f"PRAGMA {work}.secure_delete = OFF")
        # Mappings resolve references; verify checks them.
        self.connection.execute("PRAGMA foreign_keys = OFF")
        self.connection.execute("BEGIN")

    def need(self, names: Sequence[str]) -> None:
        """Attach the sources *names*; if there are too many, commit and detach the others first.

        A commit waits for the disk several times, and SQLite has to journal the committed pages when they change again.
        """
        missing = [name for name in dict.fromkeys(names) if name not in self.attached]
        if len(self.attached) + len(missing) > SOURCES_AT_ONCE:
            self.connection.execute("COMMIT")
            for name in [name for name in self.attached if name not in names]:
                self.connection.execute(f"DETACH {connections.quoted(name)}")
                self.attached.remove(name)
            self.connection.execute("BEGIN")
        for name in missing:
            connections.attach(self.connection, self.sources.read[name], name)
            self.attached.append(name)

    def create(self, text: str, *kinds: str) -> None:
        """Run those statements of the DDL *text* in the target that begin with one of *kinds*."""
        for _, statement in schema_reader.statements(text):
            kind = next((kind for kind in _KINDS if statement.startswith(kind)), "")
            if kind in kinds:
                self.connection.execute(statement.replace(kind, f"{kind}{self.target}.", 1))

    def finish(self) -> content_digest.Content:
        """Run ANALYZE, set WAL mode with an empty WAL, and return the digests of the content.

        ``verify`` checks pages, references and the full-text index (contracts/4_build).
        """
        finished_content = content_digest.content(self.connection, self.target)
        # In an empty database it makes sqlite_stat1, which a later ANALYZE of the application fills.
        self.connection.execute(f"ANALYZE {self.target}")
        self.connection.execute(f"PRAGMA {self.target}.journal_mode = WAL")
        self.connection.execute(f"PRAGMA {self.target}.wal_checkpoint(TRUNCATE)")
        return finished_content

    def close(self) -> None:
        """Close the connection and make the file durable."""
        self.connection.close()
        durable_files.sync_file(self.path)


def refused(plan: Plan, snapshot: Snapshot, folder: Path, tables: Collection[str]) -> dict[str, int]:
    """Return target table -> rows that its constraints refuse, of *tables*; loads these alone, in the scratch *folder*.

    Raises:
        sqlite3.Error: The disk is full.
    """
    return {
        f"{target_db.target}.{table}": rows
        for target_db in loaded_alone(plan, snapshot, folder, tables)
        for table, rows in target_db.connection.execute(
            f"SELECT target, count(*) FROM {target_db.target}.quarantine GROUP BY 1"
        )
    }


def loaded_alone(plan: Plan, snapshot: Snapshot, folder: Path, tables: Collection[str]) -> Iterator[TargetDatabase]:
    """Load *tables* alone, in the scratch *folder*, and yield each target database while it is open.

    A table comes with those that have to be loaded before it.  Nothing is proved.

    Raises:
        sqlite3.Error: The disk is full.
    """
    sources = _sources(plan, snapshot, folder)
    for target in dict.fromkeys(into.partition(".")[0] for into in plan.order if into in tables):
        with contextlib.closing(TargetDatabase(target, folder / catalogue.TARGETS[target], sources)) as target_db:
            here = [into for into in plan.order if into.startswith(f"{target}.") and into in tables]
            _create(target_db, specified.chosen(plan.amendments))
            _load(target_db, plan, here, lambda *_: None)
            yield target_db


def _create(target_db: TargetDatabase, specification: Specification) -> None:
    """Create the tables of a database, with the rows of the DDL and the constraints that are indexes."""
    # A unique index is a constraint, so it is made before the rows.
    target_db.create(
        specification.ddl(target_db.target),
        "CREATE TABLE ",
        "CREATE VIRTUAL TABLE ",
        "CREATE UNIQUE INDEX ",
        "INSERT INTO ",
    )
    target_db.create(catalogue.our_ddl(), "CREATE TABLE ")


def _load(
    target_db: TargetDatabase,
    plan: Plan,
    tables: Sequence[str],
    loaded: Callable[[str, Sequence[TableMapping], float], None],
) -> list[TableMapping]:
    """Load *tables*, parents first; call *loaded* with each, its mappings and the time it began; return all mappings."""
    specification = specified.chosen(plan.amendments)
    by_target: dict[str, list[TableMapping]] = defaultdict(list)
    for table in plan.with_fate(Fate.MAPPED):
        for mapping in mapping_reader.sources_of(table):
            by_target[f"{mapping.target}.{mapping.table}"].append(mapping)
    mapped = [mapping for into in tables for mapping in by_target[into]]
    _prepare_lookups(target_db, plan, mapped)
    for into in tables:
        begun = time.monotonic()
        _load_table(target_db, into, by_target[into], plan.constants, specification)
        loaded(into, by_target[into], begun)
    return mapped


def _fill(target_db: TargetDatabase, plan: Plan, accounts: row_accounts.Accounts, progress: Progress | None) -> None:
    specification = specified.chosen(plan.amendments)
    _create(target_db, specification)
    here = [into for into in plan.order if into.startswith(f"{target_db.target}.")]

    def loaded(into: str, sources: Sequence[TableMapping], begun: float) -> None:
        for mapping in sources:
            accounts.note_rows(target_db.connection, mapping)
        rows = accounts.note_target(target_db.connection, into, time.monotonic() - begun)
        if progress:
            progress(into, rows, time.monotonic() - begun)

    mapped = _load(target_db, plan, here, loaded)
    for table in plan.with_fate(Fate.CARRIED):
        if table.into.startswith(f"{target_db.target}."):
            _carry(target_db, table, accounts)
    for text in (specification.ddl(target_db.target), catalogue.our_ddl()):
        target_db.create(text, "CREATE INDEX ")
    for statement in extra_indexes(plan, target_db.target):
        target_db.connection.execute(statement)
    mapped = [mapping for mapping in mapped if not mapping.stub]
    accounts.note_refused(
        decided_rows.record(target_db.connection, target_db.sources.decided, mapped, target_db.sources.legacy)
    )
    _account_and_prove(target_db, accounts, here, mapped, plan.constants)


def _account_and_prove(
    target_db: TargetDatabase,
    accounts: row_accounts.Accounts,
    tables: Sequence[str],
    mapped: Sequence[TableMapping],
    constants: Mapping[str, str],
) -> None:
    """Count where each row went and came from, keep its rest, and note the rows that are not rebuilt."""
    for into in tables:
        accounts.note_lineages(target_db.connection, into)
    for mapping in mapped:
        accounts.note_source(target_db.connection, mapping)
    target_db.connection.execute("COMMIT")
    paths = target_db.sources.legacy | {target_db.target: target_db.path}
    accounts.note_mismatches(build_proof.prove(target_db.connection, target_db.target, paths, mapped, constants))


def extra_indexes(plan: Plan, target: str) -> list[str]:
    """Return the statements of the indexes that the configuration orders in *target*."""
    ordered = config_extra_indexes.read(plan.extra_indexes, specified.chosen(plan.amendments))
    return [index.statement for index in ordered if index.target == target]


def _prepare_lookups(target_db: TargetDatabase, plan: Plan, mapped: Sequence[TableMapping]) -> None:
    present = {(table.source, table.variant) for table in plan.tables if table.variant}
    wanted = {name for mapping in mapped for name in mapping.reads}
    for lookup in lookups.lookups():
        if f"ids.{lookup.name}" in wanted:
            evidence = [source for source, variant, _ in lookup.evidence if (source, variant) in present]
            target_db.need([source.partition(".")[0] for source in evidence])
            lookups.prepare(target_db.connection, lookup, present)


def _load_table(
    target_db: TargetDatabase,
    into: str,
    sources: Sequence[TableMapping],
    constants: Mapping[str, str],
    specification: Specification,
) -> None:
    target, _, table = into.partition(".")
    connection = target_db.connection
    _account_for_defaults(connection, target, table)
    read = [name.partition(".")[0] for mapping in sources for name in mapping.reads]
    target_db.need(
        [*(mapping.database for mapping in sources), *(name for name in read if name in target_db.sources.read)]
    )
    marks = [
        mark
        for mapping in sources
        if not mapping.stub
        and (mark := carried_tables.high_water(connection, mapping.database, mapping.source_table)) is not None
    ]
    base = max(marks, default=0) if sources else 0
    first = quarantine_decisions.kept_first(target_db.sources.decided, sources)
    table_load.load(connection, target, table, sources, constants, base, specification, first)
    if marks and any(shape.name == table and shape.autoincrement for shape in schema_reader.target(target).tables):
        carried_tables.set_high_water(connection, target, table, max(marks))


def _account_for_defaults(connection: sqlite3.Connection, target: str, table: str) -> None:
    """Write the lineage of the rows that the DDL inserts, and set their clock columns to NULL.

    With the time of the build the same input would not give the same digest.  NULL means that no process has updated the row.
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


def _carry(target_db: TargetDatabase, table: PlannedTable, accounts: row_accounts.Accounts) -> None:
    database, _, name = table.source.partition(".")
    target_db.need([database])
    target, _, carried = table.into.partition(".")
    if database not in target_db.statements:
        # Read once for all its tables: each read takes the whole schema.
        target_db.statements[database] = carried_tables.statements(target_db.connection, database)
    carried_tables.copy(target_db.connection, database, name, target_db.statements[database], target, carried)
    accounts.note_carried(target_db.connection, table)


def _key(plan: Plan, snapshot: Snapshot) -> str:
    """Return the key of a build: the digest of all its sources."""
    made_of = {
        "run": snapshot.run,
        "content": {str(database.place): database.digest for database in snapshot.inventory.databases},
        "tables": plain(plan.tables),
        "constants": plain(plan.constants),
        "ddl": [specified.chosen(plan.amendments).ddl(target) for target in catalogue.TARGETS] + [catalogue.our_ddl()],
        "mappings": [
            mapping.forward + mapping.back + mapping.keep + mapping.number for mapping in mapping_reader.mappings()
        ],
        "extra_indexes": plan.extra_indexes,
        "decided": plain(plan.decided),
        "lookups": [plain(lookup) for lookup in lookups.lookups()],
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _finished(stage: Path, key: str) -> Built | None:
    """Return the finished build in *stage* if it has this *key* and its content is unchanged; else None."""
    try:
        own_key, built = _read(stage) or ("", None)
        return built if built and own_key == key and built.digests == _digests(stage) else None
    except (BuildError, sqlite3.Error):
        # Damaged or changed since it was written: the build starts again.
        return None


def recorded(stage: Path) -> Built | None:
    """Return the record of the finished build in *stage*, without a check of the databases; None without one."""
    key_and_record = _read(stage)
    return key_and_record[1] if key_and_record else None


def _read(stage: Path) -> tuple[str, Built] | None:
    """Return key and record of the finished build in *stage*; None without one.

    Raises:
        BuildError: The record was not written by a build.
    """
    path = stage / FINISHED
    if not path.exists():
        return None
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        key, _ = written.pop("key"), written.pop("schema")
        return key, record(written | {"stage": stage}, Built)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildError("was not written by migrator build", where=path, hint="run: migrator build") from error


def _digests(stage: Path) -> dict[str, str]:
    """Return the digest of each of the three databases in *stage*."""
    digests = {}
    for target, name in catalogue.TARGETS.items():
        with connections.closing_scratch(stage / name) as connection:
            digests[target] = content_digest.digest(connection)
    return digests
