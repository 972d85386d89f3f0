"""The surroundings of the judged sets: the snapshot, the last switch, and the files that the switch kept."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

from contracts.suite.results import WHY
from contracts.suite.session import Session
from migrator.errors import MigratorError
from migrator.stages import backup as backup_stage
from migrator.stages.verify.evidence import Why
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
from migrator.system import connections, content_digest, own_files, private_copy
from migrator.system.content_digest import Content

#: Errors that reading raises if a file is damaged or not a database.
UNREADABLE = (sqlite3.Error, UnicodeError, OSError, MigratorError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The surroundings of the judged sets, only in folders that the user named or this run made.

    Attributes:
        data_dir: The data directory with the legacy files in use; None if the user named a snapshot alone.
        snapshot: The folder of the newest finished snapshot; None without one.
        switch: The last switch made in a named folder; None without one.
        scratch: Our folder for private copies.
    """

    data_dir: Path | None
    snapshot: Path | None
    switch: Switch | None
    scratch: Path

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The snapshot's manifest; empty without a snapshot."""
        if self.snapshot is None:
            return {}
        return manifest_of(self.snapshot)


def standing(session: Session) -> Standing:
    """Return the surroundings of the sets of *session*."""
    legacy = session.legacy_dir if session.has_pair else None
    named = [folder for folder in (legacy, session.consolidated) if folder is not None and folder.is_dir()]
    is_snapshot = legacy is not None and own_files.is_snapshot(legacy)
    homes = [legacy] if legacy is not None and not is_snapshot else []
    if session.consolidated is None:
        # We migrated a private copy ourselves: its snapshot lies beside the stage.
        homes.append(session.judged.where.parent.parent)
    snapshot = legacy if is_snapshot else next(filter(None, map(_newest, homes)), None)
    return Standing(
        data_dir=None if is_snapshot else legacy,
        snapshot=snapshot,
        switch=next(filter(None, map(switch_state.read, named)), None),
        scratch=session.scratch,
    )


def _newest(data_dir: Path) -> Path | None:
    return backup_stage.newest(data_dir / "backup")


def nothing_to_ask(request: pytest.FixtureRequest, why: str) -> NoReturn:
    """Skip the contract, because the named sets have no data for it."""
    request.node.user_properties.append((WHY, Why.NO_DATA.value))
    pytest.skip(why)


def switched(standing: Standing, kind: str, request: pytest.FixtureRequest) -> Switch:
    """Return the last switch, if it is of this *kind*; else skip the contract."""
    last = standing.switch
    if last is None or last.kind != kind:
        nothing_to_ask(request, f"no {kind} was made in a named folder")
    return last


def manifest_of(snapshot: Path) -> Mapping[str, Any]:
    """Return the manifest of a snapshot."""
    manifest: dict[str, Any] = json.loads((snapshot / own_files.MANIFEST).read_text(encoding="utf-8"))
    return manifest


def half_way(made: Switch) -> list[str]:
    """Return the files and states that exist only in the middle of a switch."""
    passing = [made.tree(switch_state.LEGACY), made.tree(switch_state.ROLLED_BACK), made.baseline_to_be]
    passing += map(made.staged, made.targets)
    # After a cutover the pointer still leads to the new set, but no name leads through it.
    pointed = "" if made.kind == switch_state.ROLLBACK else switch_state.NEW
    half_done = [] if made.finished else ["switch.json: the switch is under way"]
    half_done += (
        [f"the pointer leads to {switch_state.pointed(made)}"]
        if switch_state.pointed(made) not in ("", pointed)
        else []
    )
    return half_done + [str(path.relative_to(made.data_dir)) for path in passing if os.path.lexists(path)]


@contextmanager
def opened(path: Path, scratch: Path) -> Iterator[sqlite3.Connection]:
    """Open a private copy in *scratch* of the database at *path*; delete the copy afterwards."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        copy = private_copy.private_copy(path, Path(folder) / "copy.db")
        with closing(connections.scratch(copy)) as connection:
            yield connection


@cache
def content_of_copy(copy: Path) -> Content:
    """Return the content digests of a private copy and its tables, computed once: the copy is never written to.

    Raises:
        sqlite3.Error: The copy cannot be read to its end.
    """
    with closing(connections.read(copy)) as connection:
        return content_digest.content(connection)


@cache
def content(path: Path, scratch: Path) -> Content:
    """Return the content digests of the database at *path* and its tables, computed once.

    Raises:
        sqlite3.Error: The database cannot be read to its end.
    """
    with opened(path, scratch) as connection:
        return content_digest.content(connection)


def digest_of(path: Path, scratch: Path, recorded: str = "") -> str:
    """Return the content digest of the database at *path*, *recorded* if that is its digest in an older format; '' if it cannot be read."""
    try:
        digest = content(path, scratch).digest
        if recorded in ("", digest):
            return digest
        with opened(path, scratch) as connection:
            return content_digest.as_recorded(connection, recorded)
    except UNREADABLE:
        return ""


def rows_of(path: Path, scratch: Path) -> int:
    """Return the number of rows in the database at *path*."""
    return sum(table.rows for table in content(path, scratch).tables)


def unlike(first: Content, second: Content) -> str:
    """Return the names of the tables that differ between two contents; '' if none does."""
    if first.digest == second.digest:
        return ""
    before, after = ({table.name: table for table in content.tables} for content in (first, second))
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return ", ".join(names) or "the schema"
