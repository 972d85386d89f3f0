"""The snapshot is undamaged, private, and enough to build the set again."""

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
from migrator.stages.inventory import stage as inventory_stage
from migrator.system import connections, own_files

#: Largest set that is built a second time here [rows]: migrator's own tests do it with small sets.
RESTORED_UP_TO = 50_000
Count = Callable[[str, int], None]


@pytest.fixture(name="snapshot")
def _snapshot(around: Standing, request: pytest.FixtureRequest) -> Path:
    if around.snapshot is None:
        surroundings.nothing_to_ask(request, "the legacy folder has no finished backup")
    return around.snapshot


@pytest.mark.clause("B1")
def test_backup_is_what_its_manifest_says(snapshot: Path, around: Standing, case: Case, count: Count) -> None:
    """The backup has exactly the files of its manifest, undamaged, with the recorded content."""
    named: dict[str, str] = around.manifest["digests"]
    wrong = [f"{place}: is missing" for place in named if not (snapshot / place).is_file()]
    wrong += [f"{place}: is not in the manifest" for place in _databases(snapshot) if place not in named]
    # If the backup itself is the judged legacy set, private copies of it exist already.
    copies = {path: name for name, path in case.legacy.originals.items()} if case.legacy.where == snapshot else {}
    for place, wanted in named.items():
        path = snapshot / place
        copy = case.legacy.as_found(copies[path]) if path in copies else None
        if path.is_file() and (problem := _problem(path, wanted, around.scratch, copy)):
            wrong.append(f"{place}: {problem}")
    count("files", len(named))
    judgement.none(str(snapshot), "missing, additional or damaged file of the backup", wrong)


def _databases(snapshot: Path) -> list[str]:
    """Return the place of each database in the snapshot, without a switch's own files."""
    places = []
    for folder, folders, names in os.walk(snapshot):
        if Path(folder) == snapshot:
            folders[:] = [name for name in folders if not own_files.is_kept_by_switch(name)]
        paths = [Path(folder) / name for name in names]
        places += [path.relative_to(snapshot).as_posix() for path in paths if path.is_file() and _is_database(path)]
    return sorted(places)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(connections.MAGIC)) == connections.MAGIC


def _problem(path: Path, wanted: str, scratch: Path, copy: Path | None) -> str:
    """Return the problem of one file of the backup, found in a private *copy*; else ''."""
    try:
        with closing(connections.read(copy)) if copy else surroundings.opened(path, scratch) as connection:
            result = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if result != "ok":
            return f"is damaged ({result})"
        digest = (surroundings.content_of_copy(copy) if copy else surroundings.content(path, scratch)).digest
    except surroundings.UNREADABLE as error:
        return f"cannot be read ({type(error).__name__})"
    return "" if digest == wanted else "changed since the backup was made"


@pytest.mark.clause("B2")
def test_file_that_stands_alone_equals_its_backup(
    snapshot: Path, around: Standing, case: Case, request: pytest.FixtureRequest, count: Count
) -> None:
    """Schema and rows are the same; programs that write the file must be stopped."""
    if around.data_dir is None or around.switch is not None:
        surroundings.nothing_to_ask(
            request, "no data directory from before a switch was named: after a switch files change"
        )
    alone = {
        path.relative_to(case.legacy.where).as_posix(): path
        for name, path in case.legacy.originals.items()
        if case.decided_fate(name) == row_accounting.STANDALONE
    }
    if not alone:
        surroundings.nothing_to_ask(request, "the legacy set has no standalone file")
    count("files", len(alone))
    wrong = [f"{place}: has no copy" for place in alone if not (snapshot / place).is_file()]
    for place, path in alone.items():
        if (snapshot / place).is_file():
            differ = surroundings.unlike(
                *(surroundings.content(file, around.scratch) for file in (path, snapshot / place))
            )
            wrong += [f"{place}: {differ}: the file and its backup differ"] if differ else []
    judgement.none(str(snapshot), "standalone file that differs from its backup", wrong)


@pytest.mark.clause("B3")
def test_backup_migrates_to_the_same_set(
    snapshot: Path, around: Standing, case: Case, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Built again from the snapshot alone, the three databases have the judged digests."""
    if around.switch is not None or case.lineage.missing:
        surroundings.nothing_to_ask(request, "the judged set is in use, or another tool made it")
    rows = sum(case.legacy.counted().values())
    if rows > RESTORED_UP_TO:
        surroundings.nothing_to_ask(
            request, f"{rows:,} rows: a set of more than {RESTORED_UP_TO:,} is not built a second time"
        )
    session = request.config.stash[SESSION]
    looked = session.looked if session.legacy_dir == snapshot else inventory_stage.inventory(snapshot)
    try:
        stage = made_sets.built(looked, session.config, tmp_path / "stage")
    except MigratorError as error:
        judgement.fail(f"{snapshot}: three databases cannot be built from it again: {error}")
    wrong = []
    for target in case.judged.originals:
        name = catalogue.TARGETS[target]
        judged, again = (surroundings.content_of_copy(path) for path in (case.judged.copy(target), stage / name))
        wrong += [f"{name}: {differ}"] if (differ := surroundings.unlike(judged, again)) else []
    judgement.none(str(snapshot), "database that differs in a second build from the snapshot", wrong)


@pytest.mark.clause("B4")
def test_backup_is_for_its_owner_alone(
    snapshot: Path, around: Standing, request: pytest.FixtureRequest, count: Count
) -> None:
    """Folders have mode 0700, files 0600, or stricter modes."""
    if snapshot.parent.name != "backup" or not (snapshot.parent.parent / ".migrator").is_dir():
        surroundings.nothing_to_ask(request, "the backup is a copy in another place, with permissions of its own")
    places = [snapshot / place for place in (*around.manifest["digests"], own_files.MANIFEST)]
    every = dict.fromkeys([snapshot, *(path.parent for path in places), *places])
    count("files", len(places))
    wrong = [
        f"{path}: {stat.S_IMODE(path.stat().st_mode):04o}"
        for path in every
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    judgement.none(str(snapshot), "file or folder that other users may read or write", wrong)
