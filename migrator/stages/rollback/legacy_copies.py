"""Writes copies of the legacy files from the set in use: for a rollback, its dry run, and the proof after a build.

The legacy copies are written from the consolidated set in use, and what they cannot hold is kept in the residue.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar

from migrator.errors import BuildError, MigratorError, Refused
from migrator.mapping import reader as mapping_reader
from migrator.mapping.model import DECIDED
from migrator.records.backup import Snapshot
from migrator.records.decisions import DecidedRow
from migrator.records.inventory import Database, Inventory, Verdict
from migrator.records.plan import Fate, Plan
from migrator.schema import text_encoding
from migrator.stages.rollback import baseline as rollback_baseline
from migrator.stages.rollback import header_numbers, late_writes, readable_copies, restored_cells, write_back
from migrator.stages.rollback import residue as rollback_residue
from migrator.stages.rollback.session import Sets, WrittenBack
from migrator.switch.state import Name, Switch
from migrator.system import connections, content_digest, durable_files, private_copy
from migrator.system.escaping import escaped
from migrator.system.temporary_folders import private_folder

T = TypeVar("T")

#: How the system and SQLite name a full disk.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, "SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")


class Rebuild(Protocol):
    """Builds the consolidated set of legacy copies."""

    def __call__(
        self, folder: Path, stage: Path, *, whole: bool = False, stay: Sequence[DecidedRow] = ()
    ) -> Mapping[str, Path]:
        """Build it in *stage* of the copies in *folder*, the mapped tables alone or the *whole*; return target -> path.

        The rows *stay* keep their place before rivals.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The result of a write-back to legacy copies.

    Attributes:
        done: What was carried back.
        residue: Rows in the residue, by consolidated table, or by legacy table where an original was written to.
        baseline: Target -> the database as it was installed, with which the one in use was compared.
    """

    done: WrittenBack
    residue: Mapping[str, int]
    baseline: Mapping[str, Path]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Legacy table -> what was done to its rows, in the order of the names."""
        return {source: dict(counts) for source, counts in sorted(self.done.written.items())}


def as_planned(last: Switch, folder: Path, *, whole: bool, stay: Sequence[DecidedRow] = ()) -> tuple[Plan, Snapshot]:
    """Return the plan of the cutover *last*, and the legacy copies in *folder* as a snapshot.

    The rows *stay* keep their place before rivals.  Without *whole* the plan is that for the mapped tables alone.  Nothing but what the cutover wrote down decides,
    not the present configuration.
    """
    databases = tuple(
        Database(path=folder / name.place, place=name.place, verdict=Verdict.SOURCE, name=name.database)
        for name in last.names
    )
    inventory = Inventory(data_dir=folder, databases=databases, passed_over=0, findings=())
    # A constant that no row needed before must not prevent a rollback: rows that need it go to the residue.
    stand_ins = {name: "" for mapping in mapping_reader.mappings() for name in mapping.constants - DECIDED}
    planned = Plan(
        inventory=inventory,
        order=mapping_reader.all_tables(),
        # Carried tables were compared already; lookups read them where they are.
        tables=tuple(
            replace(table, fate=Fate.STANDALONE, into="") if table.fate is Fate.CARRIED and not whole else table
            for table in last.tables
        ),
        constants=MappingProxyType(stand_ins | dict(last.constants)),
        needed_bytes=0,
        free_bytes=0,
        refusals=(),
        findings=(),
        amendments=last.amendments,
        extra_indexes=last.extra_indexes if whole else (),
        decided=(*last.decided, *stay),
    )
    return planned, Snapshot(
        run="", folder=folder, inventory=inventory, journal_modes=MappingProxyType({}), blocked_s=0.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Originals:
    """The originals that are not what the cutover left.

    Attributes:
        changed: Legacy database -> its late original, None where it cannot be read, and what the cutover had, None
            where no copy shows that.
        indexed: Legacy databases with late writes to a full-text index over no stored rows; the copy has them.
    """

    changed: Mapping[str, tuple[Path | None, Path | None]] = field(default_factory=dict)
    indexed: tuple[str, ...] = ()


def copy_originals(last: Switch, tree: Path, aside: Path) -> Originals:
    """Copy the legacy files as they were at the cutover to *tree*.

    An original with late writes, or one that is missing or cannot be read, is replaced by its copy in the snapshot; the
    former is copied to *aside*, for the residue.  Without that copy the late original itself is used.  Late writes to a full-text index over no stored rows alone stay in the
    copy: no other table has them, and nothing is written back to such an index.
    """
    changed: dict[str, tuple[Path | None, Path | None]] = {}
    indexed = []
    for name in last.names:
        original, copy, snapshot = last.originals / name.place, tree / name.place, last.snapshot / name.place
        digest = _copied(original, copy, name)
        # A cutover of an older version recorded no digest; its snapshot has one.
        recorded = name.digest or _digest_or_none(snapshot)
        late_write = digest != recorded or (not name.marks and _marks_or_none(copy) != _marks_or_none(snapshot))
        replaced = late_write and recorded and _digest_or_none(snapshot, recorded) == recorded
        if replaced:
            changed[name.database] = (None, snapshot)
            if digest:
                durable_files.make_private_folder((aside / name.place).parent)
                copy.rename(aside / name.place)
                changed[name.database] = (aside / name.place, snapshot)
            copy.unlink(missing_ok=True)
            _copy(snapshot, copy)
        elif not digest:
            raise MigratorError(
                "cannot be read, and the snapshot's copy cannot be read either",
                where=original,
                hint=f"restore one of the two; the copy is {snapshot}",
            )
        elif digest != (recorded or digest):
            durable_files.make_private_folder((aside / name.place).parent)
            _copy(original, aside / name.place)
            changed[name.database] = (aside / name.place, None)
        elif name.marks and connections.marks(copy) != name.marks:
            changed[name.database] = _as_it_was(copy, name.marks, aside / name.place)
        if not replaced:
            before = _indexes_or_none(snapshot) if name.indexes is None else name.indexes
            if before is not None and before != _indexes_or_none(copy):
                indexed.append(name.database)
        like = original if original.is_file() else snapshot
        # The owner has to write to the copy of a write-protected original; root can write to any.
        copy.chmod(like.stat().st_mode & 0o777 | (0o600 if os.geteuid() else 0))
        durable_files.give_to_owner_of(like, copy)
    return Originals(changed=changed, indexed=tuple(indexed))


def _as_it_was(copy: Path, numbers: tuple[int, ...], late_write: Path) -> tuple[Path, Path]:
    """Set the numbers in the header of the legacy *copy* back; return a copy with the late ones, and one without."""
    before = late_write.with_name(f"{late_write.name}.was")
    durable_files.make_private_folder(late_write.parent)
    copy.rename(late_write)
    for path in (copy, before):
        _copy(late_write, path)
        with connections.closing_scratch(path) as connection:
            for mark, number in zip(connections.MARKS, numbers, strict=True):
                connection.execute(f"PRAGMA {mark} = {number}")
    return late_write, before


def _copied(original: Path, copy: Path, name: Name) -> str:
    """Copy *original*; return the digest of its content, '' where it is gone or cannot be read.

    The numbers in its header count as they were at the cutover; they are compared apart, since they can be set back.
    """
    if not original.is_file():
        return ""
    try:
        _copy(original, copy)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname not in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
            raise
        return ""
    return _digest_or_none(copy, name.digest, name.marks)


def _digest_or_none(path: Path, recorded: str = "", marks: tuple[int, ...] = ()) -> str:
    """Return the digest of the database at *path*, as :func:`content_digest.as_recorded`; '' if it cannot be read."""
    return _read_or(partial(content_digest.as_recorded, recorded=recorded, marks=marks), path, "")


def _marks_or_none(path: Path) -> tuple[int, ...]:
    """Return the numbers in the header of the database at *path*, () if it cannot be read."""
    return connections.marks(path) if _digest_or_none(path) else ()


def _indexes_or_none(path: Path) -> str | None:
    """Return the digest of the indexes over no stored rows of the database at *path*, None if it cannot be read."""
    return _read_or(content_digest.index_digest, path, None)


def _read_or(read: Callable[[sqlite3.Connection], T], path: Path, default: T) -> T:
    """Return the result of *read* for the database at *path*; *default* if it cannot be read."""
    if not path.is_file():
        return default
    try:
        with contextlib.closing(connections.lenient(connections.read(path))) as connection:
            return read(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname not in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
            raise
        return default


def _in_utf8(last: Switch, tree: Path, scratch: Path) -> dict[Path, str]:
    """Rewrite each legacy copy in another encoding in UTF-8; return path -> its encoding."""
    encodings = {}
    for name in last.names:
        copy = tree / name.place
        if (encoding := text_encoding.of(copy)) != text_encoding.UTF8:
            encodings[copy] = encoding
            _write_anew(copy, scratch, text_encoding.UTF8)
    return encodings


def _in_their_encodings(encodings: Mapping[Path, str], scratch: Path) -> Iterator[str]:
    """Rewrite each legacy copy in its own encoding; yield a sentence for one that cannot hold its text any more."""
    for copy, encoding in encodings.items():
        try:
            _write_anew(copy, scratch, encoding)
        except MigratorError as error:
            yield f"{escaped(copy.name)}: stays in UTF-8, since it {error.what}"


def _write_anew(copy: Path, scratch: Path, encoding: str) -> None:
    """Rewrite the legacy *copy* in another *encoding*."""
    anew = scratch / f"{copy.name}.{encoding}"
    anew.unlink(missing_ok=True)
    text_encoding.write_anew(copy, anew, encoding)
    durable_files.take_after(copy, anew)
    durable_files.sync_file(anew)
    durable_files.replace(anew, copy)


def _copy(original: Path, copy: Path) -> None:
    durable_files.make_private_folder(copy.parent)
    # A process may still write to an original: rows in its WAL count.
    private_copy.private_copy(original, copy)
    with connections.closing_scratch(copy) as connection:
        connections.set_journal_mode(connections.lenient(connection), "delete")


def write(
    last: Switch,
    tree: Path,
    current: Mapping[str, Path],
    baseline: Mapping[str, Path],
    originals: Originals,
    rebuild: Rebuild,
    kept: Path,
) -> Written:
    """Write the legacy copies in *tree* from the private copies *current*, and keep in *kept* what they cannot hold.

    Args:
        last: The cutover.
        tree: Where the legacy copies lie.
        current: Target -> a private copy of the consolidated database as it is now, which is written.
        baseline: Target -> the database as it was installed; one that is missing is built anew.
        originals: What :func:`copy_originals` returned.
        rebuild: Builds the consolidated set of the legacy copies.
        kept: The path of the residue; no file is left without rows.

    Raises:
        MigratorError: The legacy copies do not hold what they have to.
    """
    done = WrittenBack()
    scratch = next(iter(current.values())).parent
    encodings = _in_utf8(last, tree, scratch)
    if missing := [target for target in current if target not in baseline]:
        built = rebuild(tree, scratch / "baseline", whole=True)
        for target in missing:
            done.tell(rollback_baseline.judged(last, target, built[target], current[target]))
        baseline = {**built, **baseline}
    readable_copies.make_readable(current, baseline, done)
    sets = Sets(last=last, tree=tree, current=current, baseline=baseline)
    write_back.write(sets, done)
    prove = partial(rebuild, tree, scratch / "again")
    # If no row was written, no cell has to be restored.
    proof = restored_cells.settle(sets, done, prove) if done.written or done.left else prove()
    residue = rollback_residue.keep(done, current, baseline, proof, kept)
    late = late_writes.keep({name: (now, before) for name, (now, before) in originals.changed.items() if now}, kept)
    residue |= late | header_numbers.write_back(last, tree, current, baseline, kept)
    if not residue:
        kept.unlink(missing_ok=True)
    for sentence in _in_their_encodings(encodings, scratch):
        done.tell(sentence)
    for database in originals.indexed:
        done.tell(
            f"{escaped(database)}: a full-text index over no stored rows was written to after snapshot {last.run}; the legacy "
            "file keeps what was written"
        )
    for database, (now, before) in originals.changed.items():
        noted = any(name.startswith(f"{database}.") for name in late)
        written_to = f"was written to after the cutover, {'see the residue' if noted else 'but no row of it'}"
        what = written_to if now else "is gone or damaged"
        used = (
            "its content at the cutover was used instead"
            if before
            else "the snapshot's copy cannot be read, so that all its rows are in the residue, not the late ones alone"
        )
        done.tell(f"{escaped(database)}: its original {what}; {used}")
    return Written(done=done, residue=residue, baseline=baseline)


def rehearse(last: Switch, rebuild: Rebuild) -> Written:
    """Do on copies in a private folder what a rollback would do now; changes nothing else.

    Raises:
        Refused: There is no room for the copies.
        MigratorError: The legacy copies do not hold what they have to.
    """
    try:
        return _rehearsed(last, rebuild)
    except (OSError, sqlite3.OperationalError) as error:
        if getattr(error, "errno", 0) not in _NO_ROOM and getattr(error, "sqlite_errorname", "") not in _NO_ROOM:
            raise
        raise Refused(
            f"a dry run works on copies, and there is no room for them: {error}",
            where=tempfile.gettempdir(),
            hint="set TMPDIR to a folder with room, then run this again",
        ) from error


def _rehearsed(last: Switch, rebuild: Rebuild) -> Written:
    with private_folder() as folder:
        return made_in(folder, last, rebuild)


def made_in(folder: Path, last: Switch, rebuild: Rebuild) -> Written:
    """Write to ``legacy`` in *folder* the legacy files that a rollback of *last* would give now; changes nothing else.

    Raises:
        MigratorError: They do not hold what they have to.
    """
    tree, scratch = folder / "legacy", folder / "rollback"
    durable_files.make_private_folder(scratch)
    originals = copy_originals(last, tree, scratch / "late")
    current = {}
    for target in last.targets:
        path = last.installed(target)
        current[target] = private_copy.private_copy(path, scratch / path.name)
    return write(last, tree, current, rollback_baseline.sound(last), originals, rebuild, folder / "residue.db")


def way_back(wanted: Switch, snapshot: Snapshot) -> None:
    """Prove on copies that the set in the stage leads back to *snapshot*.

    No row was written since: the write-back has to change no legacy copy, and to leave no residue.

    Raises:
        BuildError: It does not.
    """
    folder = wanted.stage / "way-back"
    tree, scratch = folder / "legacy", folder / "rollback"
    durable_files.make_private_folder(scratch)
    copied = {}
    for name in wanted.names:
        _copy(snapshot.folder / name.place, tree / name.place)
        copied[name.place] = _hash(tree / name.place)
    baseline: dict[str, Path] = {}
    current: dict[str, Path] = {}
    for target in wanted.targets:
        for copies, below in ((baseline, "installed"), (current, "now")):
            copies[target] = scratch / below / wanted.staged(target).name
            _copy(wanted.staged(target), copies[target])
    written = write(wanted, tree, current, baseline, Originals(), lambda *_, **__: baseline, folder / "residue.db")
    reasons = [
        *(f"{escaped(source)}: {counts} though nothing was written" for source, counts in written.counts.items()),
        *(f"{escaped(table)}: {rows:,} rows would go to the residue" for table, rows in written.residue.items()),
        *(
            f"{escaped(name.place)}: does not have the content of the snapshot"
            for name in wanted.names
            # Where no byte was written, the copy still has the content that it was made with.
            if _hash(tree / name.place) != copied[name.place] and not _same(name, snapshot, tree)
        ),
    ]
    durable_files.remove_folder(folder)
    if reasons:
        raise BuildError(
            f"a rollback would not restore the content of the snapshot: {reasons[0]}",
            where=wanted.stage,
            hint="nothing was put in its final place; please report this as a bug",
        )


def _hash(path: Path) -> str:
    """Return the SHA-256 of the bytes of the file at *path*."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same(name: Name, snapshot: Snapshot, tree: Path) -> bool:
    """Return whether a legacy copy after a write-back without changes has the content of the snapshot."""
    (digest,) = [database.digest for database in snapshot.inventory.databases if database.place == name.place]
    return _digest_or_none(tree / name.place) == digest
