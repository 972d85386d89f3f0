"""The snapshot: whole, what its manifest says, private, and enough to begin anew from."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from contracts import judgement
from contracts.checks import row_accounting
from contracts.sets import made as made_sets
from contracts.sets.case import Case
from contracts.suite import surroundings
from contracts.suite.session import SESSION
from contracts.suite.surroundings import Standing
from migrator.errors import MigratorError
from migrator.schema import catalogue
from migrator.system import connections, own_files, private_copy

#: A set of more rows is not migrated again here: the tests of the tool do it with small ones.
RESTORED_UP_TO = 50_000
Count = Callable[[str, int], None]


@pytest.fixture(name="snapshot")
def _snapshot(around: Standing, request: pytest.FixtureRequest) -> Path:
    if around.snapshot is None:
        surroundings.nothing_to_ask(request, "no finished backup lies in the legacy folder")
    return around.snapshot


@pytest.mark.clause("B1")
def test_backup_is_what_its_manifest_says(snapshot: Path, around: Standing, case: Case, count: Count) -> None:
    """Every file that it names is there, opens, is whole and holds what it held; and there is no other."""
    named: dict[str, str] = around.manifest["digests"]
    wrong = [f"{place}: is not there" for place in named if not (snapshot / place).is_file()]
    wrong += [f"{place}: is not in the manifest" for place in _databases(snapshot) if place not in named]
    # Where the backup itself is the legacy set that is judged, its copies are there already.
    copies = {path: name for name, path in case.legacy.originals.items()} if case.legacy.where == snapshot else {}
    for place, wanted in named.items():
        path = snapshot / place
        copy = case.legacy.as_found(copies[path]) if path in copies else None
        if path.is_file() and (problem := _problem(path, wanted, around.scratch, copy)):
            wrong.append(f"{place}: {problem}")
    count("files", len(named))
    judgement.none(str(snapshot), "file of the backup that cannot be relied on", wrong)


def _databases(snapshot: Path) -> list[str]:
    """Return the place of each database in the snapshot itself; what a switch keeps beside it is left out."""
    found = []
    for folder, folders, names in os.walk(snapshot):
        if Path(folder) == snapshot:
            folders[:] = [name for name in folders if not own_files.is_kept_by_switch(name)]
        paths = [Path(folder) / name for name in names]
        found += [path.relative_to(snapshot).as_posix() for path in paths if path.is_file() and _is_database(path)]
    return sorted(found)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(connections.MAGIC)) == connections.MAGIC


def _problem(path: Path, wanted: str, scratch: Path, copy: Path | None) -> str:
    """Return what is wrong with one file of the backup, looked at in a private *copy*, '' if nothing is."""
    try:
        with closing(connections.read(copy)) if copy else surroundings.opened(path, scratch) as connection:
            said = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if said != "ok":
            return f"is not whole ({said})"
        found = (surroundings.content_of_copy(copy) if copy else surroundings.content(path, scratch)).digest
    except surroundings.UNREADABLE as error:
        return f"cannot be read ({type(error).__name__})"
    return "" if found == wanted else "holds something else than when it was taken"


@pytest.mark.clause("B2")
def test_file_that_stands_alone_equals_its_backup(
    snapshot: Path, around: Standing, case: Case, request: pytest.FixtureRequest, count: Count
) -> None:
    """Schema and rows with their storage classes; it is in use, so its writer has to rest as for all that is judged."""
    if around.data_dir is None or around.switch is not None:
        surroundings.nothing_to_ask(
            request, "no data directory from before a switch was named: files in use go on changing"
        )
    alone = {
        path.relative_to(case.legacy.where).as_posix(): path
        for name, path in case.legacy.originals.items()
        if case.decided_fate(name) == row_accounting.STANDALONE
    }
    if not alone:
        surroundings.nothing_to_ask(request, "no file of the legacy set stands alone")
    count("files", len(alone))
    wrong = [f"{place}: has no copy" for place in alone if not (snapshot / place).is_file()]
    for place, path in alone.items():
        if (snapshot / place).is_file():
            differ = surroundings.unlike(
                *(surroundings.content(one, around.scratch) for one in (path, snapshot / place))
            )
            wrong += [f"{place}: {differ}: the file and its backup differ"] if differ else []
    judgement.none(str(snapshot), "file that stands alone and is not what its backup holds", wrong)


@pytest.mark.clause("B3")
def test_backup_migrates_to_the_same_set(
    snapshot: Path, around: Standing, case: Case, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Restored to an empty folder, and migrated there: three databases with the digests of those that are judged."""
    if around.switch is not None or case.lineage.missing:
        surroundings.nothing_to_ask(request, "the judged set is in use, or another tool made it")
    rows = sum(surroundings.rows_of(snapshot / place, around.scratch) for place in around.manifest["digests"])
    if rows > RESTORED_UP_TO:
        surroundings.nothing_to_ask(
            request, f"{rows:,} rows: more than {RESTORED_UP_TO:,} are not migrated a second time"
        )
    judgement.none(
        str(snapshot),
        "database that a restored set does not migrate to",
        _again(snapshot, around, case, tmp_path, request),
    )


def _again(snapshot: Path, around: Standing, judged: Case, tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    restored = tmp_path / "restored"
    for place in around.manifest["digests"]:
        (restored / place).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        private_copy.private_copy(snapshot / place, restored / place)
    session = request.config.stash[SESSION]
    try:
        stage = made_sets.migrated(restored, tmp_path, session.config_file)
    except MigratorError as error:
        judgement.fail(f"{snapshot}: a set restored from it cannot be migrated: {error}")
    wrong = []
    for target, path in judged.judged.originals.items():
        differ = surroundings.unlike(
            surroundings.content(path, around.scratch),
            surroundings.content(stage / catalogue.TARGETS[target], around.scratch),
        )
        wrong += [f"{catalogue.TARGETS[target]}: {differ}"] if differ else []
    return wrong


@pytest.mark.clause("B4")
def test_backup_is_for_its_owner_alone(
    snapshot: Path, around: Standing, request: pytest.FixtureRequest, count: Count
) -> None:
    """Folders 0700, files 0600 or what is stricter: it holds the money and the talk of the whole bot."""
    if snapshot.parent.name != "backup" or not (snapshot.parent.parent / ".migrator").is_dir():
        surroundings.nothing_to_ask(
            request, "the backup does not lie where it was made: a copy has permissions of its own"
        )
    places = [snapshot / place for place in (*around.manifest["digests"], own_files.MANIFEST)]
    every = dict.fromkeys([snapshot, *(path.parent for path in places), *places])
    count("files", len(places))
    wrong = [
        f"{path}: {stat.S_IMODE(path.stat().st_mode):04o}"
        for path in every
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    judgement.none(str(snapshot), "file or folder that others than its owner may use", wrong)
