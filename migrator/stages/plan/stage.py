"""Plan: what would happen to every table of every file, and why it may not happen.

The plan is frozen data; build executes this very object, so that what was shown is what is done.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from migrator.config import extra_indexes
from migrator.config.config_file import Config, folders
from migrator.errors import Refused
from migrator.mapping import lookups
from migrator.mapping import reader as mapping_reader
from migrator.mapping.model import TableMapping
from migrator.records.inventory import Database, Inventory, Table, Verdict
from migrator.records.plan import Fate, Plan, PlannedTable
from migrator.schema import catalogue, text_encoding
from migrator.schema import reader as schema_reader
from migrator.stages.plan import carry_checks
from migrator.switch import shared_access
from migrator.system import ownership, permissions
from migrator.system.connections import NOT_HERE
from migrator.system.serialize import escaped
from migrator.system.shell import quoted

#: Free disk asked for, in sizes of all sources: the snapshot, the stage, the copies of both on which the way back is proved, and
#: SQLite's own work files.
DISK_FACTOR = 6
#: Files that are named where many have the same fault; of the others their number is given.
SHOWN = 5


def plan(inventory: Inventory, config: Config, *, disk: Path, in_place: bool = False) -> Plan:
    """Return what would happen to *inventory* under *config*, writing below *disk*; nothing is touched.

    With *in_place* its files are the ones in use: this process has to be able to lock them, and their users to use the three.
    Reasons against it are collected in the plan, so that all of them can be mended at once; :func:`refuse` raises them.

    Raises:
        MappingError: A mapping file of the package is wrong.
    """
    decided = [_decide(database, config) for database in inventory.databases]
    tables = tuple(sorted((table for part in decided for table in part), key=lambda table: table.source))
    size_bytes = sum((database.size_bytes or 0) + (database.wal_bytes or 0) for database in inventory.databases)
    free_bytes = shutil.disk_usage(disk).free
    mapped = [source for table in tables if table.fate is Fate.MAPPED for source in mapping_reader.sources_of(table)]
    sources = _sources(inventory, tables) if in_place else {}
    return Plan(
        inventory=inventory,
        order=mapping_reader.all_tables(),
        tables=tables,
        constants=MappingProxyType({"order_amount_sol": config.order_amount_sol, **config.constants}),
        needed_bytes=DISK_FACTOR * size_bytes,
        free_bytes=free_bytes,
        refusals=(
            *_refused_files(inventory, config),
            *_refused_tables(inventory, tables, config),
            *_missing_constants(mapped, tables, config),
            *_doubled(tables),
            *carry_checks.refusals(inventory, tables, config),
            *_nothing_to_index(tables, config),
            *_nothing_to_move(inventory, tables),
            *_taken_names(inventory),
            *_in_the_way(disk),
            *(_users(inventory, config) if in_place else ()),
            *shared_access.disagreements(sources, inventory.data_dir, config.file_mode),
            *(
                [
                    f"{disk}: {free_bytes:,} bytes are free, {DISK_FACTOR * size_bytes:,} are needed; make room: df -h {quoted(disk)}"
                ]
                if free_bytes < DISK_FACTOR * size_bytes
                else []
            ),
        ),
        findings=(
            *inventory.findings,
            *_findings(inventory, config),
            *carry_checks.findings(inventory, tables),
            *_constants_to_come(mapped, tables, config),
            *shared_access.findings(sources, inventory.data_dir, config.file_mode),
        ),
        left_out=frozenset(one.place for one in inventory.databases if config.fate(one) == "ignore"),
        extra_indexes=tuple(one.statement for one in config.extra_indexes),
        file_mode=config.file_mode,
    )


def refuse(planned: Plan) -> None:
    """Raise the first reason against *planned*, the number of others behind it.

    Raises:
        Refused: There is one.
    """
    if planned.refusals:
        more = f" (and {len(planned.refusals) - 1} more: migrator plan)" if len(planned.refusals) > 1 else ""
        raise Refused(f"{planned.refusals[0]}{more}")


def _decide(database: Database, config: Config) -> Iterator[PlannedTable]:
    fate = config.fate(database)
    for table in database.tables:
        source = f"{database.known_as}.{table.name}"
        if fate == "ignore":
            yield PlannedTable(source=source, fate=Fate.IGNORED, rows=table.rows)
        elif database.verdict is Verdict.STANDALONE or fate == "standalone":
            yield PlannedTable(source=source, fate=Fate.STANDALONE, rows=table.rows)
        elif database.verdict is Verdict.SOURCE or fate.startswith("carry:"):
            yield _decide_table(database, table, source, fate.partition(":")[2] or _home(database))


def _decide_table(database: Database, table: Table, source: str, home: str) -> PlannedTable:
    if table.module and table.variant != catalogue.SPECIFIED_VARIANT:
        return PlannedTable(source=source, fate=Fate.DERIVED, variant=table.variant, rows=None)
    if table.variant == catalogue.SPECIFIED_VARIANT:
        target, _ = catalogue.SPECIFIED[database.name]
        return PlannedTable(
            source=source, fate=Fate.MAPPED, into=f"{target}.{table.name}", variant=table.variant, rows=table.rows
        )
    for one in mapping_reader.mappings():
        if f"{one.database}.{one.source_table}" == source and one.variant == table.variant and not one.stub:
            return PlannedTable(
                source=source,
                fate=Fate.MAPPED,
                into=f"{one.target}.{one.table}",
                variant=table.variant,
                rows=table.rows,
            )
    into = f"{home}.legacy_{database.known_as}_{table.name}"
    return PlannedTable(source=source, fate=Fate.CARRIED, into=into, variant=table.variant, rows=table.rows)


def _home(database: Database) -> str:
    return next((one.home for one in catalogue.legacy_databases() if one.name == database.name), "")


def _read_by_mappings() -> frozenset[str]:
    """Return every legacy table that a mapping or a lookup reads."""
    return frozenset(
        {f"{one.database}.{one.source_table}" for one in mapping_reader.mappings()}
        | {name for one in mapping_reader.mappings() for name in one.reads}
        | {source for lookup in lookups.lookups() for source, _, _ in lookup.evidence}
    )


def _refused_files(inventory: Inventory, config: Config) -> Iterator[str]:
    yield from _strangers(inventory, config)
    useless = [
        f"{escaped(one.place)}: {one.reason}; drop what SQLite {sqlite3.sqlite_version} does not know, run the migrator with an "
        f'SQLite that knows it, or leave the file where it is: [files] "{escaped(one.path_in_snapshot)}" = "ignore"'
        if one.reason.startswith(NOT_HERE)
        else f"{escaped(one.place)}: {one.verdict}, {one.reason or 'no content'}{_way_out(one)}"
        for one in inventory.with_verdict(Verdict.UNREADABLE, Verdict.EMPTY)
        if config.fate(one) != "ignore"
    ]
    yield from _first(useless, "files are empty or cannot be read")
    for database in inventory.databases:
        shown, fate = escaped(database.place), config.fate(database)
        if fate == "ignore" or (database.verdict is Verdict.UNKNOWN and not fate):
            continue
        if database.verdict is Verdict.STANDALONE and fate.startswith("carry:"):
            yield (
                f'{shown}: "{fate}" in [files], and the specification leaves this file as it is; take the line out, or '
                'say "ignore"'
            )
        if database.integrity not in ((), ("ok",)):
            yield (
                f"{shown}: SQLite's integrity check reports {escaped(database.integrity[0])}; correct these rows, or make the "
                f"index anew with REINDEX, in the file itself: sqlite3 {quoted(database.path)}"
            )
    copied = [one for one in inventory.databases if one.verdict is not Verdict.OURS and config.fate(one) != "ignore"]
    paths = Counter(one.path_in_snapshot for one in copied)
    for path, count in sorted(paths.items()):
        if count > 1:
            yield (
                f"{escaped(path)}: {count} files would have this path in a snapshot; rename those that are "
                "named with --include"
            )
    for database in inventory.databases:
        if database.alias and config.fate(database).startswith("carry:"):
            yield (
                f"{escaped(database.place)}: two files would be carried under the name {escaped(database.place.stem)}; "
                'rename this file, or say "standalone" or "ignore" in [files]'
            )


def _way_out(useless: Database) -> str:
    """Return what to do about a file that is empty or cannot be read, where its reason does not hold that already."""
    if "TMPDIR" in useless.reason:
        return ""
    if "permission denied" in useless.reason:
        return f"; run this as a user that may read it; to see the permissions run: namei -l {quoted(useless.path)}"
    return f'; restore it, move it away, or leave it behind: [files] "{escaped(useless.path_in_snapshot)}" = "ignore"'


def _strangers(inventory: Inventory, config: Config) -> Iterator[str]:
    """Yield a sentence for each file, or folder of files, that is not known and that the configuration is silent on."""
    by_folder: dict[str, list[Database]] = {}
    for database in inventory.with_verdict(Verdict.UNKNOWN):
        if not config.fate(database):
            within = folders(database.path_in_snapshot)
            by_folder.setdefault(str(within[-1]) if within else "", []).append(database)
    alone = []
    for folder, strangers in by_folder.items():
        if not folder or len(strangers) == 1:
            alone += strangers
            continue
        shown = ", ".join(escaped(one.place.relative_to(folder)) for one in strangers[:SHOWN])
        yield (
            f"{escaped(folder)}: {len(strangers):,} databases in this folder are not known ({shown}"
            f"{', ...' if len(strangers) > SHOWN else ''}); decide in the configuration under [files] what becomes of all "
            f'of them: "{escaped(folder)}" = "ignore" or "standalone", or of each by its path'
        )
    yield from _first(
        [
            f"{escaped(one.place)}: this database is not known ({one.reason or 'no known name'}); decide in the configuration "
            f'under [files] what becomes of it: "{escaped(one.path_in_snapshot)}" = "carry:analytics", '
            '"standalone" or "ignore"'
            for one in alone
        ],
        "databases are not known",
    )


def _first(sentences: Sequence[str], what: str) -> Iterator[str]:
    """Yield the first of *sentences*, and how many files more they are about."""
    yield from sentences[:SHOWN]
    if len(sentences) > SHOWN:
        yield f"{len(sentences) - SHOWN:,} more {what}; to list them run: migrator inventory --json"


def _refused_tables(inventory: Inventory, tables: Sequence[PlannedTable], config: Config) -> Iterator[str]:
    read = _read_by_mappings()
    filled = {table.into for table in tables if table.variant == catalogue.SPECIFIED_VARIANT}
    # Where the table of the other shape is there in its stead, nothing is missing.
    replaced = {
        f"{one.database}.{one.source_table}"
        for one in mapping_reader.mappings()
        if f"{one.target}.{one.table}" in filled
    }
    for database in inventory.with_verdict(Verdict.SOURCE):
        for table in database.tables:
            if table.differs and f"{database.name}.{table.name}" in read:
                yield f"{escaped(database.place)}: {escaped(table.name)} has an unknown shape: {table.differs}"
        for missing in database.missing:
            source = f"{database.name}.{missing}"
            if source in read and source not in config.absent and source not in replaced:
                yield (
                    f"{escaped(database.place)}: the table {missing} is not there; if that is right, write in the "
                    f'configuration: [decisions] absent = ["{source}"]'
                )


def _missing_constants(mapped: Sequence[TableMapping], tables: Sequence[PlannedTable], config: Config) -> Iterator[str]:
    rows = {table.source: table.rows or 0 for table in tables}
    wanted = {
        name: one.source
        for one in mapped
        for name in one.constants - {"order_amount_sol"}
        if rows.get(one.source) and name not in config.constants
    }
    for name, source in sorted(wanted.items()):
        yield f"{source} has rows that need the constant {name}; give it in the configuration under [constants]"


def _constants_to_come(mapped: Sequence[TableMapping], tables: Sequence[PlannedTable], config: Config) -> Iterator[str]:
    """Yield a sentence for each constant that no row needs yet: going back builds once more, with what came since."""
    rows = {table.source: table.rows or 0 for table in tables}
    empty = {
        name: one.source
        for one in mapped
        for name in one.constants - {"order_amount_sol"}
        if not rows.get(one.source) and not one.stub and name not in config.constants
    }
    for name, source in sorted(empty.items()):
        yield (
            f"{source} is empty, so no row needs the constant {name} yet; rows that are written after a cutover do, "
            "and without it a rollback is refused: give it before"
        )


def _doubled(tables: Sequence[PlannedTable]) -> Iterator[str]:
    """Yield a sentence for each target that would be filled from both shapes: their integer keys mean different rows."""
    for into in mapping_reader.all_tables():
        target, _, name = into.partition(".")
        sources = [table for table in tables if table.into == into and table.fate is Fate.MAPPED]
        integer = any(
            column.primary_key and column.type == "INTEGER"
            for shape in schema_reader.target(target).tables
            if shape.name == name
            for column in shape.columns
        ) or not any(shape.name == name for shape in schema_reader.target(target).tables)
        if integer and len({table.variant for table in sources}) > 1:
            names = " and ".join(table.source for table in sources)
            yield f"{names} would both become {into}, with the same numbers for different rows; move one of them away"


def _nothing_to_index(tables: Sequence[PlannedTable], config: Config) -> Iterator[str]:
    """Yield a sentence for each index that is ordered on a carried table that is not there."""
    there = {table.into.lower() for table in tables if table.fate is Fate.CARRIED}
    for one in config.extra_indexes:
        if one.table.lower().startswith(extra_indexes.CARRIED) and f"{one.target}.{one.table}".lower() not in there:
            yield (
                f"decisions.extra_indexes orders {one.name} on {one.target}.{one.table}, which will not be there; "
                "take the order out"
            )


def _nothing_to_move(inventory: Inventory, tables: Sequence[PlannedTable]) -> Iterator[str]:
    """Yield a sentence where no table is there that would be moved."""
    if any(table.fate in (Fate.MAPPED, Fate.CARRIED) for table in tables) or _consolidated(inventory):
        return
    if sources := inventory.with_verdict(Verdict.SOURCE):
        what = f"none of the {len(sources)} legacy databases in this folder has a table that is moved"
    else:
        what = "no legacy database is in this folder"
    known = [str(one.place) for one in catalogue.legacy_databases() if not one.standalone]
    yield (
        f"{escaped(inventory.data_dir)}: {what}; name the folder of the databases with --data-dir; looked for: "
        f"{', '.join(dict.fromkeys(known))}"
    )


def _taken_names(inventory: Inventory) -> Iterator[str]:
    if taken := _consolidated(inventory):
        yield f"{', '.join(taken)}: there already; a consolidated set is not consolidated again; run: migrator status"


def _consolidated(inventory: Inventory) -> list[str]:
    names = (database.place.name for database in inventory.with_verdict(Verdict.OURS))
    return [name for name in names if name in catalogue.TARGETS.values()]


def _in_the_way(disk: Path) -> Iterator[str]:
    """Yield a sentence for each folder below *disk* that this user has to write to, and cannot."""
    ours = [disk / name for name in catalogue.OUR_FOLDERS]
    for folder in (disk, *ours):
        if os.path.lexists(folder) and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            yield f"{escaped(folder)}: is not a folder that this user can write to; move it away or change its permissions"
    for path, what in ownership.complaints(disk):
        yield f"{escaped(path)}: {what}; to see whose it is run: ls -la {quoted(path.parent)}; unless you made it, move it away"


def _users(inventory: Inventory, config: Config) -> Iterator[str]:
    """Yield why this process may not work on the files of *inventory* themselves."""
    yield from permissions.refusals([
        (one.path, one.journal_mode) for one in _regular(inventory) if config.fate(one) != "ignore"
    ])  # fmt: skip


def _sources(inventory: Inventory, tables: Sequence[PlannedTable]) -> dict[str, list[Path]]:
    """Return the files whose rows may be in each consolidated database."""
    moved = {table.source.partition(".")[0] for table in tables if table.fate in (Fate.MAPPED, Fate.CARRIED)}
    named = [(one.known_as, one.path) for one in _regular(inventory) if one.known_as in moved]
    return shared_access.sources(named, tables)


def _regular(inventory: Inventory) -> list[Database]:
    found = inventory.with_verdict(Verdict.SOURCE, Verdict.STANDALONE, Verdict.UNKNOWN)
    return [one for one in found if one.path.is_file() and not one.path.is_symlink()]


def _findings(inventory: Inventory, config: Config) -> Iterator[str]:
    there = {database.path_in_snapshot for database in inventory.databases}
    there |= {folder for path in there for folder in folders(path)}
    for named in config.files:
        if PurePosixPath(named) not in there:
            yield f"the configuration names {escaped(named)}, which is not there"
    for database in inventory.with_verdict(Verdict.SOURCE, Verdict.UNKNOWN):
        fate = config.fate(database)
        carried = fate.startswith("carry:") or (database.verdict is Verdict.SOURCE and not fate)
        if carried and database.encoding not in ("", text_encoding.UTF8):
            yield (
                f"{escaped(database.place)}: its text is {database.encoding}; the three hold it in UTF-8, and a rollback "
                f"puts it back into {database.encoding}"
            )
        for what, names in (("views", database.views), ("triggers", database.triggers)):
            if names:
                shown = ", ".join(escaped(name) for name in names)
                yield f"{escaped(database.place)}: {what} stay in the backup and are not executed: {shown}"
