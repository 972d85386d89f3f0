"""Inventory: finds the databases in a data directory, and gives each file one verdict; changes nothing.

Files are found by their first sixteen bytes, or by a database's name.  Links are never followed.  A child process reads
each database from a private copy (:mod:`migrator.stages.inventory.inspect_worker`), so that no lock is taken and no ``-shm``
appears beside a source, and a file that crashes SQLite does not end the run.
"""

from __future__ import annotations

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from migrator.errors import Refused, UsageError
from migrator.records.inventory import Database, Inventory, Table, Verdict
from migrator.schema import catalogue
from migrator.stages.inventory import identify, inspect_pool, scan
from migrator.stages.inventory.identify import FoundTable, Identity
from migrator.system import connections, error_hints, paths
from migrator.system.connections import folded
from migrator.system.escaping import escaped

#: Fields of a database that an answer has under the same name, as far as the file could be read.
_FACTS = (
    *("size_bytes", "wal_bytes", "journal_bytes", "hot_journal", "journal_mode"),
    *("encoding", "user_version", "application_id", "digest"),
)
#: Verdicts of files that are, or should be, legacy databases.
_LEGACY = {Verdict.SOURCE, Verdict.STANDALONE, Verdict.EMPTY, Verdict.UNREADABLE}


def inventory(
    data_dir: Path,
    *,
    include: Sequence[Path] = (),
    consolidated: bool = False,
    progress: Callable[[PurePosixPath], None] | None = None,
    deadline_s: float = inspect_pool.DEADLINE_S,
) -> Inventory:
    """Give every file below *data_dir*, and each of *include*, exactly one verdict.

    Writes and locks nothing, follows no link.  A process that holds SQLite's locks on one of the files must not call this:
    closing any descriptor of a file drops them.

    Args:
        data_dir: The folder that holds the databases.
        include: Databases outside of it, known by their base names.
        consolidated: Whether to read the consolidated databases too; their verdict is ``ours`` in either case.
        progress: Called with the path of each file that was read.
        deadline_s: Seconds for each file, plus a time for its size on disk; after that it is unreadable.

    Raises:
        UsageError: The folder or an included file does not exist.
    """
    root = _directory(data_dir)
    scanned = scan.walk(root, [_included(path) for path in include])
    by_path = {database.path: database for database in scanned.databases}
    answers = inspect_pool.examine(
        {
            path: connections.allocated_bytes(path)
            for path, database in by_path.items()
            if database.verdict is Verdict.UNKNOWN or (consolidated and _is_consolidated(database))
        },
        deadline_s=deadline_s,
        progress=(lambda path: progress(by_path[path].place)) if progress else None,
    )
    contents = {by_path[path].place: _content(answer) for path, answer in answers.items()}
    identities = identify.identities(
        {d.place: contents.get(d.place) for d in scanned.databases if not _is_consolidated(d)}
    )
    databases = _told_apart(
        _judged(d, answers.get(d.path), contents.get(d.place), identities.get(d.place)) for d in scanned.databases
    )
    findings = (*scanned.findings, *_findings(databases))
    return Inventory(data_dir=root, databases=databases, passed_over=scanned.passed_over, findings=findings)


def refuse_empty(data_dir: Path, include: Sequence[Path] = ()) -> None:
    """Check that *data_dir* holds a file that is or is called a database, unless files outside are named; changes nothing.

    Raises:
        UsageError: It is no folder, or cannot be listed.
        Refused: There is none.
    """
    root = _directory(data_dir)
    if not include and not scan.has_database(root):
        raise Refused(
            "no SQLite file here", where=escaped(root),
            hint="name the folder that holds the bot's databases with --data-dir",
        )  # fmt: skip


def _directory(data_dir: Path) -> Path:
    root = paths.resolved(data_dir)
    try:
        os.scandir(root).close()
    except OSError as error:
        hint = "name the folder of the databases with --data-dir"
        raise UsageError(error_hints.reason(error), where=escaped(data_dir), hint=hint) from None
    return root


def _included(path: Path) -> Path:
    """Return the absolute path with its folder resolved; a link as its last part is not followed."""
    absolute = paths.beside_itself(path)
    try:
        status = absolute.lstat()
    except OSError as error:
        hint = "--include names a database"
        raise UsageError(error_hints.reason(error), where=escaped(path), hint=hint) from None
    if stat.S_ISDIR(status.st_mode):
        raise UsageError("is a folder", where=escaped(path), hint="--include names a database")
    return absolute


def _is_consolidated(database: Database) -> bool:
    return database.verdict is Verdict.OURS and database.place.name in catalogue.TARGETS.values()


def _content(answer: Mapping[str, Any]) -> list[FoundTable] | None:
    """Return the tables of an answer, None if the file could not be read."""
    if answer["reason"]:
        return None
    return [
        FoundTable(
            Table(**described | {of: tuple(described.get(of, ())) for of in ("indexes", "parents")}),
            frozenset((folded(name), declared.upper()) for name, declared in columns),
        )
        for described, columns in answer["tables"]
    ]


def _judged(
    database: Database,
    answer: Mapping[str, Any] | None,
    content: list[FoundTable] | None,
    identity: Identity | None,
) -> Database:
    """Return *database* with its verdict and all facts about it."""
    name = identity.name if identity else ""
    if answer is None:
        return replace(database, name=name)
    ours = _is_consolidated(database)
    database = replace(
        database,
        name=name,
        verdict=Verdict.UNREADABLE,
        reason=escaped(answer["reason"]),
        page_size_bytes=answer.get("page_size"),
        integrity=tuple(escaped(message) for message in answer.get("integrity", ())),
        lost_text=tuple(answer.get("lost_text", ())),
        views=tuple(answer.get("views", ())),
        triggers=tuple(answer.get("triggers", ())),
        **{fact: answer[fact] for fact in _FACTS if fact in answer},
    )
    if content is None:
        return database
    rows = sum(table.rows or 0 for table, _ in content)
    if ours:
        return replace(database, verdict=Verdict.OURS, reason="a consolidated database", rows=rows)
    if not name:
        reason = identity.reason if identity else ""
        return replace(
            database,
            verdict=Verdict.UNKNOWN,
            reason=reason,
            rows=rows,
            tables=tuple(sorted((table for table, _ in content), key=lambda table: table.name)),
        )
    tables, missing = identify.tables(name, content)
    standalone = any(known.standalone for known in catalogue.legacy_databases() if known.name == name)
    return replace(
        database,
        verdict=Verdict.STANDALONE if standalone else Verdict.SOURCE,
        rows=rows,
        tables=tuple(sorted(tables, key=lambda table: table.name)),
        missing=missing,
    )


def _told_apart(databases: Iterable[Database]) -> tuple[Database, ...]:
    """Give each file that no legacy database is, and whose stem another file has, a name made of its path."""
    databases = tuple(databases)
    # SQLite ignores letter case in names.
    stems = Counter(folded(database.known_as) for database in databases if database.verdict is not Verdict.OURS)
    return tuple(
        replace(database, alias=identify.name_from(database.place))
        if database.verdict is Verdict.UNKNOWN and stems[folded(database.known_as)] > 1
        else database
        for database in databases
    )


def _findings(databases: Sequence[Database]) -> Iterable[str]:
    present = {database.name for database in databases}
    absent = sorted(str(path) for path, name in identify.known_paths().items() if name not in present)
    if absent:
        yield f"not there: {', '.join(absent)}"
    inodes = defaultdict(list)
    for database in databases:
        shown = escaped(database.place)
        if database.verdict is Verdict.OURS:
            continue
        status = database.path.lstat() if os.path.lexists(database.path) else None
        if status and stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            inodes[status.st_dev, status.st_ino].append(shown)
        if database.verdict in _LEGACY and (database.mode or 0) & stat.S_IWOTH:
            yield f"{shown}: every user may write to it (mode {database.mode:04o})"
        yield from _inside(database, shown)
    for names in inodes.values():
        beyond = "" if len(names) > 1 else ", and the other name is not here"
        yield f"{' and '.join(names)}: a file with several names{beyond}; what is written to one is written to all"


def _inside(database: Database, shown: str) -> Iterable[str]:
    if database.hot_journal and database.verdict is not Verdict.UNREADABLE:
        yield f"{shown}: a transaction was cut short; it counts as undone, as its journal says"
    if database.digest and database.integrity != ("ok",):
        yield f"{shown}: rows break a promise of its schema: {'; '.join(database.integrity)}"
    for table in database.tables:
        name = f"{shown}: table {escaped(table.name)}"
        if table.differs:
            yield f"{name} has a shape that is not known: {table.differs}"
        if table.unexpected:
            yield f"{name} is not known here ({'no' if table.rows is None else f'{table.rows:,}'} rows)"
    if database.missing:
        yield f"{shown}: lacks {', '.join(map(escaped, database.missing))}"
