"""The switch between two sets: every name goes through one pointer, and one rename of the pointer is the commit.

While a switch is under way::

    DIR/jarvis.db                    -> .migrator/active/jarvis.db        each legacy name
    DIR/.migrator/active             -> legacy | new | rolled-back        the pointer: the one truth
    DIR/.migrator/legacy/jarvis.db                                        the very file that was DIR/jarvis.db
    DIR/.migrator/new/jarvis.db      -> ../../jarvis_core.db
    DIR/.migrator/rolled-back/jarvis.db                                   the legacy file with the rows written since,
                                                                          or the one of a run that is restored

Before and after, the names stand alone: regular files, or links to a consolidated database.  If a switch is interrupted,
each name resolves to one complete set, and :mod:`migrator.switch.recovery` finds in the pointer alone which way to go on.
``switch.json`` holds what names there are, and whether the switch has come to its end; it never decides.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from migrator.errors import MigratorError
from migrator.records.decisions import DecidedRow
from migrator.records.plan import PlannedTable
from migrator.schema import catalogue
from migrator.system import connections, durable_files, own_files, permissions
from migrator.system.durable_files import Access
from migrator.system.escaping import escaped
from migrator.system.serialize import plain, record

#: Where the pointer may point.
LEGACY, NEW, ROLLED_BACK = "legacy", "new", "rolled-back"
#: Kinds of switch.
CUTOVER, ROLLBACK, RESTORE = "cutover", "rollback", "restore"

_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """The name of a legacy database, and the consolidated database behind it.

    Attributes:
        database: The legacy database, as mappings and carried tables call it.
        place: Its path below a snapshot, and below each tree of the switch.
        path: The name itself, absolute, its folders without links.
        target: The consolidated database it becomes a link to: ``core``; '' for a restore.
        journal_mode: The journal mode that the legacy database had.
        digest: The digest of its content at the cutover; '' where an older version made the cutover.  At a restore that of the
            file which is replaced, '' if it is missing or cannot be read.
        marks: Its user_version and application_id at the cutover, which a rollback compares apart; () for such a cutover.
        indexes: The digest of its full-text indexes over no stored rows in the snapshot, '' without one; None for such a
            cutover.
    """

    database: str
    place: PurePosixPath
    path: Path
    target: str
    journal_mode: str
    digest: str = ""
    marks: tuple[int, ...] = ()
    indexes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A switch under way, or the last one.

    Attributes:
        data_dir: The data directory, without links.
        kind: ``cutover``, ``rollback`` or ``restore``.
        run: The run of the snapshot that the consolidated set was built from, or whose files are restored.
        env_file: The application's .env.
        names: The legacy databases that are switched.
        tables: The fate of every legacy table in them.
        constants: The constants of the mappings, for a rollback too.
        digests: Target -> content digest of the database that was installed; empty where an older version made the cutover.
        amendments: The names of the amendments of the specification, as the set was built with them.
        extra_indexes: Statements of the indexes beyond the specification, as the set was built with them.
        decided: The rows that the owners decided about, as the set was built with the decisions.
        finished: Whether it has ended.
        file_mode: The most that the permissions of the three may be, as decided; not kept beyond the cutover.
    """

    data_dir: Path
    kind: str
    run: str
    env_file: Path
    names: tuple[Name, ...]
    tables: tuple[PlannedTable, ...]
    constants: Mapping[str, str]
    digests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    amendments: tuple[str, ...] = ()
    extra_indexes: tuple[str, ...] = ()
    decided: tuple[DecidedRow, ...] = ()
    finished: bool = False
    file_mode: int | None = None

    @property
    def consolidated(self) -> bool:
        """Whether the consolidated set is in use; a switch under way has not decided yet."""
        return self.finished and self.kind == CUTOVER

    @property
    def root(self) -> Path:
        """The folder of a switch under way."""
        return self.data_dir / ".migrator"

    @property
    def pointer(self) -> Path:
        """The link that decides."""
        return self.root / "active"

    @property
    def stage(self) -> Path:
        """Where the three databases lie before a cutover."""
        return self.root / "stage"

    @property
    def scratch(self) -> Path:
        """Where a rollback works on copies."""
        return self.root / "rollback"

    @property
    def snapshot(self) -> Path:
        """The legacy files as the consolidated set was built from them."""
        return self.data_dir / "backup" / self.run

    @property
    def originals(self) -> Path:
        """Where the legacy files lie after a cutover."""
        return self.data_dir / "backup" / self.run / "originals"

    @property
    def baseline(self) -> Path:
        """The three databases as they were installed."""
        return self.data_dir / "backup" / self.run / "consolidated"

    @property
    def baseline_to_be(self) -> Path:
        """The baseline until the commit of the cutover: before it the snapshot's folder is not changed."""
        return self.root / "baseline"

    @property
    def left_behind(self) -> Path:
        """The folder of the three databases after a rollback, with the residue."""
        return self.data_dir / "backup" / self.run / "rolled-back"

    @property
    def aside(self) -> Path:
        """The folder to which a rollback moves files that other programs made under a legacy name since the cutover."""
        return self.left_behind / "aside"

    @property
    def replaced(self) -> Path:
        """The folder to which a restore moves the files that it replaces."""
        return self.data_dir / "backup" / self.run / "replaced"

    @property
    def latch(self) -> Path:
        """The file that the monitor writes when it fires, so that it fires once for each cutover."""
        return self.root / "monitor.json"

    @property
    def watch(self) -> Path:
        """The file in which the monitor keeps the bets and counts of its watch between two runs."""
        return self.root / "watch.json"

    @property
    def targets(self) -> tuple[str, ...]:
        """The consolidated databases."""
        return tuple(catalogue.TARGETS)

    def tree(self, which: str) -> Path:
        """Return the folder that the pointer may point to."""
        return self.root / which

    def installed(self, target: str) -> Path:
        """Return the path of a consolidated database after the cutover."""
        return self.data_dir / catalogue.TARGETS[target]

    def staged(self, target: str) -> Path:
        """Return the path of a consolidated database before the cutover."""
        return self.stage / catalogue.TARGETS[target]


def shown(wanted: Switch) -> Mapping[str, str]:
    """Return legacy path -> file name of the consolidated database that it stands for after a cutover.

    For a restore: -> the file that gets the name.
    """
    if wanted.kind == RESTORE:
        return MappingProxyType({str(name.place): f"backup/{wanted.run}/{name.place}" for name in wanted.names})
    return MappingProxyType({str(name.place): catalogue.TARGETS[name.target] for name in wanted.names})


def cutover_in_use(data_dir: Path) -> Switch | None:
    """Return the cutover whose consolidated set is in use in *data_dir*; None where the legacy set is.

    Raises:
        MigratorError: As :func:`read`.
    """
    last = read(data_dir)
    return last if last is not None and last.consolidated else None


def under_way(data_dir: Path) -> Switch | None:
    """Return the switch under way in *data_dir*, at work or interrupted; None without one.

    Raises:
        MigratorError: As :func:`read`.
    """
    last = read(data_dir)
    return last if last is not None and not last.finished else None


def read(data_dir: Path) -> Switch | None:
    """Return the switch that is under way in *data_dir* or was the last one, or None.

    Raises:
        MigratorError: What was written about it is not what we write.
    """
    home = data_dir.resolve()
    path = home / ".migrator" / "switch.json"
    try:
        with connections.open_source(path) as file:
            written = json.load(file)
        if written.pop("schema") != _SCHEMA:
            raise MigratorError("was written by another version", where=path, hint="use the version that wrote it")
        # The folder and the mode never come from the file; ``finished`` must.
        known = {"data_dir": home, "file_mode": None, "finished": written["finished"]}
        switch = record(written | known, Switch, partial(_from_written, home))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MigratorError(f"cannot be read ({error!r})", where=path, hint="restore it from a copy") from error
    if what := malformed(switch):
        raise MigratorError(f"was not written by migrator: {what}", where=path, hint="restore it from a copy")
    return switch


def write(switch: Switch) -> None:
    """Write the record of *switch*, whole or not at all."""
    written = {
        "schema": _SCHEMA,
        "kind": switch.kind,
        "run": switch.run,
        "env_file": _to_written(switch.data_dir, switch.env_file),
        "finished": switch.finished,
        "names": [
            {
                "database": name.database,
                "place": str(name.place),
                "path": _to_written(switch.data_dir, name.path),
                "target": name.target,
                "journal_mode": name.journal_mode,
                "digest": name.digest,
                "marks": name.marks,
                "indexes": name.indexes,
            }
            for name in switch.names
        ],
        "tables": plain(switch.tables),
        "constants": dict(switch.constants),
        "digests": dict(switch.digests),
        "amendments": list(switch.amendments),
        "extra_indexes": list(switch.extra_indexes),
        "decided": plain(switch.decided),
    }
    # The application reads it at each connection, and it may be another user's.
    durable_files.write(switch.root / "switch.json", json.dumps(written, indent=2) + "\n", shared(switch, 0o644))
    durable_files.let_pass(switch.root, switch.data_dir)


def shared(switch: Switch, most: int) -> Access:
    """Return the access that serves the users of every database of *switch*, at most the mode *most*."""
    paths = [name.path for name in switch.names if name.path.exists()]
    return permissions.shared(paths, switch.data_dir, most)[0]


def _to_written(data_dir: Path, path: Path) -> str:
    """Return *path* as seen from *data_dir*, so that both may move, in hex, since a name may be any bytes."""
    return os.fsencode(os.path.relpath(path, data_dir)).hex()


def _from_written(data_dir: Path, written: str) -> Path:
    return Path(os.path.normpath(data_dir / os.fsdecode(bytes.fromhex(written))))


def finish(switch: Switch) -> Switch:
    """Record that *switch* has ended."""
    done = replace(switch, finished=True)
    write(done)
    return done


def forget(switch: Switch) -> None:
    """Remove the record of *switch*, which was undone."""
    durable_files.remove(switch.root / "switch.json")


def pointed(switch: Switch) -> str:
    """Return where the pointer points, '' if there is none."""
    return str(switch.pointer.readlink()) if switch.pointer.is_symlink() else ""


_RUN = re.compile(r"[0-9]{4,9}")
#: Migrator's own folders, in which no legacy database lies.
_STATE, _BACKUPS = ".migrator", "backup"


def malformed(switch: Switch) -> str:
    """Return what in the record *switch* migrator never writes, or ''; reads no other file."""
    if switch.kind not in (CUTOVER, ROLLBACK, RESTORE):
        return f"{switch.kind!r} is not a kind of switch; expected cutover, rollback or restore"
    targets = {""} if switch.kind == RESTORE else catalogue.TARGETS.keys()
    if not _RUN.fullmatch(switch.run):
        return f"run {switch.run!r} is not the number of a snapshot"
    taken: set[Path] = set()
    for name in switch.names:
        kept = switch.tree("") / name.place
        if name.target not in targets or not _is_below(switch.data_dir, name) or {name.path, kept} & taken:
            return f"{escaped(name.place)} is not a legacy database that can be switched"
        inside = name.path == switch.data_dir / name.place
        if not inside and (name.path.name != name.place.name or name.path.is_relative_to(switch.data_dir)):
            return f"{escaped(name.path)} is not the path of {escaped(name.place)}"
        taken |= {name.path, kept}
    return ""


def _is_below(data_dir: Path, name: Name) -> bool:
    """Return whether *name* is below the data directory and outside of migrator's own folders."""
    parts = name.place.parts
    return (
        not name.place.is_absolute()
        and bool(parts)
        and ".." not in parts
        and parts[0] != _STATE
        and not (parts[0] == _BACKUPS and len(parts) > 1 and own_files.is_run(data_dir / _BACKUPS / parts[1]))
        and str(name.place) not in catalogue.TARGETS.values()
    )
