"""The preconditions of a migration: conditions on the files, the configuration and the disk."""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.config import extra_indexes
from migrator.config.config_file import Config, folders
from migrator.mapping import lookups
from migrator.mapping import reader as mapping_reader
from migrator.mapping.model import DECIDED, TableMapping
from migrator.records.inventory import Database, Inventory, Table, Verdict
from migrator.records.plan import Fate, PlannedTable
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import index_name
from migrator.switch import target_permissions
from migrator.system import attributes, connections, ownership, permissions
from migrator.system.connections import NOT_HERE, OF_ITS_FORMAT, folded
from migrator.system.escaping import escaped
from migrator.system.shell import quoted

#: Tables without a home in the specification that are carried over.  The bot has some ninety; a file filled with
#: tables would keep every later step busy, and its owners could not look at what they carry.
MOST_CARRIED = 2_000
#: Files of one fault that are named; of the others the number is given.
SHOWN = 5
#: SQLite's message about a collation or function that only the application registers (sqlite.org/c3ref/create_collation.html).
_OF_THE_APPLICATION = re.compile(r"(?:no such|unknown) (collation|function)(?: sequence)?: (.+?)(?:\(\)|\))?$")
#: The reason of a file that cannot be read because an index needs such a collation or function: the index, the message.
_INDEX = re.compile(rf" because of the index (.+): ({_OF_THE_APPLICATION.pattern})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the conditions are checked on.

    Attributes:
        inventory: The files.
        config: What the owners decided.
        tables: The fate of every legacy table.
        disk: The folder below which is written.
        in_use: Whether the files are those that the application uses, and not copies.
        needed_bytes: Free disk that is needed.
        free_bytes: Free disk that there is.
    """

    inventory: Inventory
    config: Config
    tables: tuple[PlannedTable, ...]
    disk: Path
    in_use: bool
    needed_bytes: int
    free_bytes: int

    def decided(self) -> Iterator[tuple[Database, Table, Fate]]:
        """Yield each table of a legacy or an unknown file that has a fate."""
        fates = {table.source: table.fate for table in self.tables}
        for database in self.inventory.with_verdict(Verdict.SOURCE, Verdict.UNKNOWN):
            for table in database.tables:
                if fate := fates.get(f"{database.known_as}.{table.name}"):
                    yield database, table, fate

    def constants(self, *, needed: bool) -> dict[str, str]:
        """Return constant that is not given -> a table with rows that need it; without *needed* a table that is empty yet."""
        rows = {table.source: table.rows or 0 for table in self.tables}
        return {
            name: mapping.source
            for mapping in self._mappings()
            for name in sorted(mapping.constants - DECIDED)
            if bool(rows.get(mapping.source)) == needed
            and (needed or not mapping.stub)
            and name not in self.config.constants
        }

    def _mappings(self) -> Iterator[TableMapping]:
        for table in self.tables:
            if table.fate is Fate.MAPPED:
                yield from mapping_reader.sources_of(table)

    def sources(self) -> dict[str, list[Path]]:
        """Return consolidated database -> files in use whose rows it may take; empty for copies."""
        if not self.in_use:
            return {}
        moved = {table.source.partition(".")[0] for table in self.tables if table.fate in (Fate.MAPPED, Fate.CARRIED)}
        named = [(database.known_as, database.path) for database in self.regular() if database.known_as in moved]
        return target_permissions.sources(named, self.tables)

    def regular(self) -> list[Database]:
        """Return the legacy and the unknown databases that are regular files."""
        databases = self.inventory.with_verdict(Verdict.SOURCE, Verdict.STANDALONE, Verdict.UNKNOWN)
        return [database for database in databases if database.path.is_file() and not database.path.is_symlink()]


def files_are_known(case: Case) -> Iterator[str]:
    """Require that each database file is known, or that [files] decides about it or its folder."""
    by_folder: dict[str, list[Database]] = {}
    for database in case.inventory.with_verdict(Verdict.UNKNOWN):
        if not case.config.fate(database):
            within = folders(database.path_in_snapshot)
            by_folder.setdefault(str(within[-1]) if within else "", []).append(database)
    single = []
    for folder, databases in by_folder.items():
        if not folder or len(databases) == 1:
            single += databases
            continue
        shown = ", ".join(escaped(database.place.relative_to(folder)) for database in databases[:SHOWN])
        yield (
            f"{escaped(folder)}: {len(databases):,} databases in this folder are not known ({shown}"
            f"{', ...' if len(databases) > SHOWN else ''}); decide in the configuration under [files] what becomes of all "
            f'of them: "{escaped(folder)}" = "ignore" or "standalone", or of each by its path'
        )
    yield from _first(
        [
            f"{escaped(database.place)}: this database is not known ({database.reason or 'no known name'}); decide in the "
            f'configuration under [files] what becomes of it: "{escaped(database.path_in_snapshot)}" = "carry:analytics", '
            '"standalone" or "ignore"'
            for database in single
        ],
        "databases are not known",
    )


def files_can_be_read(case: Case) -> Iterator[str]:
    """Require that each file that [files] does not ignore is a database, and can be read."""
    useless = [
        database
        for database in case.inventory.with_verdict(Verdict.UNREADABLE, Verdict.EMPTY)
        if case.config.fate(database) != "ignore"
    ]
    yield from _first([_useless(database) for database in useless], "files are empty or cannot be read")


def _useless(database: Database) -> str:
    """Return why a file cannot be used, and what to do unless its reason has that already."""
    where = escaped(database.place)
    ignore = f'[files] "{escaped(database.path_in_snapshot)}" = "ignore"'
    if database.reason.startswith(NOT_HERE):
        return f"{where}: {database.reason}; {_instead(database)}, or leave the file where it is: {ignore}"
    what = f"{where}: {database.verdict}, {database.reason or 'no content'}"
    if "TMPDIR" in database.reason:
        return what
    if "permission denied" in database.reason:
        return (
            f"{what}; run this as a user that may read it; to see the permissions run: namei -l {quoted(database.path)}"
        )
    return f"{what}; restore it, move it away, or leave it behind: {ignore}"


def _instead(database: Database) -> str:
    """Return what to do about the object for which SQLite cannot read the file here."""
    if index := _INDEX.search(database.reason):
        statement = f"DROP INDEX {connections.quoted(index[1])}"
        return f"{_lacking(index[2])}; to drop the index run: sqlite3 {quoted(database.path)} {quoted(statement)}"
    if lacking := _lacking(database.reason):
        return f"{lacking}; let the application make this object anew without it"
    if database.reason.startswith(NOT_HERE + OF_ITS_FORMAT):
        return "restore it if it is damaged; run the migrator with an SQLite that knows it"
    return f"drop what SQLite {sqlite3.sqlite_version} does not know, run the migrator with an SQLite that knows it"


def _lacking(problem: str) -> str:
    """Return that only the application has what SQLite lacks here; '' if it lacks no collation and no function."""
    match = _OF_THE_APPLICATION.search(problem)
    if match is None:
        return ""
    newer = f", or an SQLite newer than {sqlite3.sqlite_version} has it" if match[1] == "function" else ""
    return f"migrator has no {match[1]} {match[2]}: the application registers it{newer}"


def _first(sentences: Sequence[str], what: str) -> Iterator[str]:
    """Yield the first ``SHOWN`` of *sentences*, and the number of the others."""
    yield from sentences[:SHOWN]
    if len(sentences) > SHOWN:
        yield f"{len(sentences) - SHOWN:,} more {what}; to list them run: migrator inventory --json"


def fates_suit_and_files_are_sound(case: Case) -> Iterator[str]:
    """Require that no standalone file is carried, and that SQLite's integrity check accepts each file that is read."""
    for database in case.inventory.databases:
        where, fate = escaped(database.place), case.config.fate(database)
        if fate == "ignore" or (database.verdict is Verdict.UNKNOWN and not fate):
            continue
        if database.verdict is Verdict.STANDALONE and fate.startswith("carry:"):
            yield (
                f'{where}: "{fate}" in [files], and the specification leaves this file as it is; take the line out, or '
                'say "ignore"'
            )
        if database.integrity not in ((), ("ok",)):
            yield (
                f"{where}: SQLite's integrity check reports {escaped(database.integrity[0])}; correct these rows, or make the "
                f"index anew with REINDEX, in the file itself: sqlite3 {quoted(database.path)}"
            )


def text_can_be_written_back(case: Case) -> Iterator[str]:
    """Require that SQLite reads each text of a UTF-16 file whose tables move as it is: else no rollback could write it back."""
    for database in dict.fromkeys(
        database for database, _, fate in case.decided() if fate in (Fate.MAPPED, Fate.CARRIED)
    ):
        if database.lost_text:
            more = f", and {len(database.lost_text) - SHOWN:,} more columns" if len(database.lost_text) > SHOWN else ""
            yield (
                f"{escaped(database.place)}: its text is UTF-16, and half of a character stands alone in "
                f"{', '.join(map(escaped, database.lost_text[:SHOWN]))}{more}; SQLite reads it as another character, so that no "
                "rollback could write it back; have the application write these cells anew, or let the file stay as it is "
                f'([files] "{escaped(database.path_in_snapshot)}" = "standalone")'
            )


def paths_in_the_snapshot_differ(case: Case) -> Iterator[str]:
    """Require that no two files have the same path in a snapshot."""
    paths = Counter(
        database.path_in_snapshot
        for database in case.inventory.databases
        if database.verdict is not Verdict.OURS and case.config.fate(database) != "ignore"
    )
    for path, count in sorted(paths.items()):
        if count > 1:
            yield (
                f"{escaped(path)}: {count} files would have this path in a snapshot; rename those that are "
                "named with --include"
            )


def carried_files_have_names_of_their_own(case: Case) -> Iterator[str]:
    """Require that no two files are carried under one name."""
    for database in case.inventory.databases:
        if database.alias and case.config.fate(database).startswith("carry:"):
            yield (
                f"{escaped(database.place)}: two files would be carried under the name {escaped(database.place.stem)}; "
                'rename this file, or say "standalone" or "ignore" in [files]'
            )


def mapped_tables_have_known_shapes(case: Case) -> Iterator[str]:
    """Require that each table that a mapping reads is there in a known shape, or that [decisions] absent names it."""
    read = _read_by_mappings()
    for database in case.inventory.with_verdict(Verdict.SOURCE):
        for table in database.tables:
            if table.differs and f"{database.name}.{table.name}" in read:
                yield f"{escaped(database.place)}: {escaped(table.name)} has an unknown shape: {table.differs}"
    for database, source in missing_tables(case):
        yield (
            f"{escaped(database.place)}: the table {source.partition('.')[2]} is not there; if that is right, write in the "
            f'configuration: [decisions] absent = ["{source}"]'
        )


def missing_tables(case: Case) -> Iterator[tuple[Database, str]]:
    """Yield each table that a mapping reads and its file lacks, unless [decisions] absent names it."""
    read = _read_by_mappings()
    filled = {table.into for table in case.tables if table.variant == catalogue.SPECIFIED_VARIANT}
    # The table of the other shape replaces it: no table is missing.
    replaced = {
        f"{mapping.database}.{mapping.source_table}"
        for mapping in mapping_reader.mappings()
        if f"{mapping.target}.{mapping.table}" in filled
    }
    for database in case.inventory.with_verdict(Verdict.SOURCE):
        for missing in database.missing:
            source = f"{database.name}.{missing}"
            if source in read and source not in case.config.absent and source not in replaced:
                yield database, source


def _read_by_mappings() -> frozenset[str]:
    """Return every legacy table that a mapping or a lookup reads."""
    return frozenset(
        {f"{mapping.database}.{mapping.source_table}" for mapping in mapping_reader.mappings()}
        | {name for mapping in mapping_reader.mappings() for name in mapping.reads}
        | {source for lookup in lookups.lookups() for source, _, _ in lookup.evidence}
    )


def constants_are_given(case: Case) -> Iterator[str]:
    """Require each constant that a row needs."""
    for name, source in sorted(case.constants(needed=True).items()):
        yield f"{source} has rows that need the constant {name}; give it in the configuration under [constants]"


def targets_are_filled_from_one_shape(case: Case) -> Iterator[str]:
    """Require that no table with an integer key is filled from both shapes: their keys number different rows."""
    for into in mapping_reader.all_tables():
        target, _, name = into.partition(".")
        sources = [table for table in case.tables if table.into == into and table.fate is Fate.MAPPED]
        shapes = [shape for shape in schema_reader.target(target).tables if shape.name == name]
        integer = not shapes or any(
            column.primary_key and column.type == "INTEGER" for shape in shapes for column in shape.columns
        )
        if integer and len({table.variant for table in sources}) > 1:
            names = " and ".join(table.source for table in sources)
            yield f"{names} would both become {into}, with the same numbers for different rows; move one of them away"


def moved_tables_can_be_copied(case: Case) -> Iterator[str]:
    """Require that each table that moves can be copied whole, or that [decisions] left_behind names it."""
    for database, table, fate in case.decided():
        source = f"{database.known_as}.{table.name}"
        if table.problem and fate in (Fate.CARRIED, Fate.DERIVED) and source not in case.config.left_behind:
            yield _cannot_be_carried(database, table, source)
        # A full-text table with a home in the specification keeps its rows there.
        elif table.problem and fate is Fate.MAPPED and not table.module:
            lacking = f"{lacking}; " if (lacking := _lacking(table.problem)) else ""
            yield (
                f"{escaped(database.place)}: {escaped(table.name)}: {escaped(table.problem)}; {lacking}let the application make "
                "the table anew without it"
            )


def _cannot_be_carried(database: Database, table: Table, source: str) -> str:
    kind = f" ({table.module})" if table.module else ""
    if lacking := _lacking(table.problem):
        way_out = f"{lacking}; let the application make the table anew without it"
    else:
        way_out = "copy its rows to an ordinary table" if table.rows else "drop it"
    behind = f', leave it in the backup ([decisions] left_behind = ["{escaped(source)}"])' if table.module else ""
    return (
        f"{escaped(database.place)}: {escaped(table.name)}{kind}: {escaped(table.problem)}; "
        f"{way_out}{behind}, or let the file stay as it is "
        f'([files] "{escaped(database.path_in_snapshot)}" = "standalone")'
    )


def tables_left_behind_are_virtual(case: Case) -> Iterator[str]:
    """Require that [decisions] left_behind names only virtual tables without a home in the specification."""
    derived = {table.source for table in case.tables if table.fate is Fate.DERIVED}
    for source in case.config.left_behind:
        if source not in derived:
            yield f"decisions.left_behind: {source} is not a virtual table that can stay in the backup; take it out"


def carried_names_differ(case: Case) -> Iterator[str]:
    """Require that no two carried tables or indexes get one name: a.b_c and a_b.c are both legacy_a_b_c."""
    indexes = {
        f"{database.known_as}.{table.name}": table.indexes
        for database in case.inventory.databases
        for table in database.tables
    }
    named: dict[str, list[str]] = {}
    for table in case.tables:
        if table.fate is Fate.CARRIED:
            target, _, carried = table.into.partition(".")
            database, _, own = table.source.partition(".")
            named.setdefault(folded(table.into), []).append(escaped(table.source))
            for index in indexes[table.source]:
                into = f"{target}.{index_name(own, carried, index)}"
                named.setdefault(folded(into), []).append(f"the index {escaped(f'{database}.{index}')}")
    for ordered in case.config.extra_indexes:
        named.setdefault(folded(f"{ordered.target}.{ordered.name}"), []).append(f"the ordered index {ordered.name}")
    for into, several in sorted(named.items()):
        if len(several) > 1:
            yield f"{' and '.join(several)} would both be carried as {escaped(into)}; rename one of them"


def carried_tables_are_few(case: Case) -> Iterator[str]:
    """Require at most ``MOST_CARRIED`` carried tables."""
    carried = Counter(table.source.partition(".")[0] for table in case.tables if table.fate is Fate.CARRIED)
    if carried.total() > MOST_CARRIED:
        ((most, count),) = carried.most_common(1)
        yield (
            f"{most}: {count:,} of {carried.total():,} tables that the specification has no home for, and at most "
            f"{MOST_CARRIED:,} are carried; drop those that are not the bot's"
        )


def ordered_indexes_have_a_table(case: Case) -> Iterator[str]:
    """Require that the carried table of each index in [decisions] extra_indexes will be there."""
    carried = {folded(table.into) for table in case.tables if table.fate is Fate.CARRIED}
    for index in case.config.extra_indexes:
        into = f"{index.target}.{index.table}"
        if folded(index.table).startswith(extra_indexes.CARRIED) and folded(into) not in carried:
            yield f"decisions.extra_indexes orders {index.name} on {into}, which will not be there; take the order out"


def a_table_is_moved(case: Case) -> Iterator[str]:
    """Require that at least one table is moved."""
    if any(table.fate in (Fate.MAPPED, Fate.CARRIED) for table in case.tables) or _consolidated(case.inventory):
        return
    if sources := case.inventory.with_verdict(Verdict.SOURCE):
        what = f"none of the {len(sources)} legacy databases in this folder has a table that is moved"
    else:
        what = "no legacy database is in this folder"
    known = [str(database.place) for database in catalogue.legacy_databases() if not database.standalone]
    yield (
        f"{escaped(case.inventory.data_dir)}: {what}; name the folder of the databases with --data-dir; looked for: "
        f"{', '.join(dict.fromkeys(known))}"
    )


def names_of_the_three_are_free(case: Case) -> Iterator[str]:
    """Require that no consolidated database is in the data directory."""
    if taken := _consolidated(case.inventory):
        yield f"{', '.join(taken)}: there already; a consolidated set is not consolidated again; run: migrator status"


def _consolidated(inventory: Inventory) -> list[str]:
    names = (database.place.name for database in inventory.with_verdict(Verdict.OURS))
    return [name for name in names if name in catalogue.TARGETS.values()]


def own_folders_can_be_written(case: Case) -> Iterator[str]:
    """Require that this user can write to the data directory, and to backup and .migrator in it, and rename what is there."""
    folders = (case.disk, *(case.disk / name for name in catalogue.OUR_FOLDERS))
    yield from attributes.protected(folders)
    for folder in folders:
        if (
            not attributes.of(folder)
            and os.path.lexists(folder)
            and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK))
        ):
            yield f"{escaped(folder)}: is not a folder that this user can write to; move it away or change its permissions"


def own_files_have_no_other_writer(case: Case) -> Iterator[str]:
    """Require that no other user can have written what lies in backup and .migrator."""
    for path, what in ownership.complaints(case.disk):
        yield f"{escaped(path)}: {what}; to see whose it is run: ls -la {quoted(path.parent)}; unless you made it, move it away"


def files_can_be_locked(case: Case) -> Iterator[str]:
    """Require that this user can lock each file in use, and owns it or is root."""
    if case.in_use:
        yield from permissions.refusals([
            (database.path, database.journal_mode)
            for database in case.regular()
            if case.config.fate(database) != "ignore"
        ])  # fmt: skip


def users_keep_their_access(case: Case) -> Iterator[str]:
    """Require permissions for the three that serve every user of the files whose rows they take, and no other."""
    return target_permissions.disagreements(case.sources(), case.inventory.data_dir, case.config.file_mode)


def disk_has_room(case: Case) -> Iterable[str]:
    """Require the free disk that a migration needs at most."""
    if case.free_bytes < case.needed_bytes:
        yield (
            f"{case.disk}: {case.free_bytes:,} bytes are free, {case.needed_bytes:,} are needed; make room: "
            f"df -h {quoted(case.disk)}"
        )


#: The preconditions of a migration, in the order of their messages.
PLAN = (
    files_are_known,
    files_can_be_read,
    fates_suit_and_files_are_sound,
    text_can_be_written_back,
    paths_in_the_snapshot_differ,
    carried_files_have_names_of_their_own,
    mapped_tables_have_known_shapes,
    constants_are_given,
    targets_are_filled_from_one_shape,
    moved_tables_can_be_copied,
    tables_left_behind_are_virtual,
    carried_names_differ,
    carried_tables_are_few,
    ordered_indexes_have_a_table,
    a_table_is_moved,
    names_of_the_three_are_free,
    own_folders_can_be_written,
    own_files_have_no_other_writer,
    files_can_be_locked,
    users_keep_their_access,
    disk_has_room,
)
