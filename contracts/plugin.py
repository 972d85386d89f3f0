"""The pytest plugin: what is judged, where it is read, and the collector of ``.sql`` contracts.

Installed as the entry point ``contracts`` of ``pytest11``, so that ``pytest --pyargs contracts --consolidated-dir DIR``
works anywhere.  A packaged suite's options belong in a plugin: a conftest.py would be read too late for them.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest

from contracts import subject as subjects
from contracts.sql_contract import SUBJECT, SqlContractFile
from contracts.subject import Subject
from migrator.errors import UsageError

#: The folder that holds the contracts.
HERE = Path(__file__).parent

_NUMBERED = re.compile(r"[1-9]_[a-z]+")
_SCRATCH = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that say what is judged."""
    group = parser.getgroup("contracts", "contracts on the consolidated databases")
    group.addoption(
        "--consolidated-dir",
        metavar="DIR",
        type=Path,
        default=os.environ.get("CONSOLIDATED_DIR") or None,
        help="Judge the three databases in DIR, or the single database DIR, through private copies. "
        "Default: $CONSOLIDATED_DIR, else a set made from the specification's DDL.",
    )
    group.addoption(
        "--legacy-dir",
        metavar="DIR",
        type=Path,
        default=os.environ.get("LEGACY_DIR") or None,
        help="The legacy databases in DIR, read through private copies. Default: $LEGACY_DIR, else a specimen.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find out what is judged.

    Raises:
        pytest.UsageError: A named folder is missing or holds nothing to judge.
    """
    config.addinivalue_line("markers", "clause(id): the clause of contracts/clauses.toml that the contract proves")
    legacy = config.getoption("legacy_dir")
    if legacy is not None and not Path(legacy).is_dir():
        raise pytest.UsageError(f"--legacy-dir: {legacy}: no such folder")
    scratch = tempfile.TemporaryDirectory(prefix="contracts-")
    config.stash[_SCRATCH] = scratch
    where = config.getoption("consolidated_dir")
    supply: Callable[[], Subject] = partial(_subject, None if where is None else Path(where), Path(scratch.name))
    config.stash[SUBJECT] = supply
    if where is not None:
        try:
            supply()
        except UsageError as error:
            raise pytest.UsageError(f"--consolidated-dir: {error}") from error


@cache
def _subject(where: Path | None, scratch: Path) -> Subject:
    """Return what is judged; where nothing is named, make a set from the DDL, once a contract asks for it."""
    if where is None:
        where = scratch / "from-the-ddl"
        where.mkdir()
        subjects.make_empty_set(where)
    return subjects.subject(where, scratch)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the private copies."""
    if scratch := config.stash.get(_SCRATCH, None):
        scratch.cleanup()


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is judged."""
    named = config.getoption("consolidated_dir")
    return f"contracts: {HERE}, judging {named or 'the databases that the specified DDL makes'}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SqlContractFile | None:
    """Collect the ``.sql`` files of numbered folders: the suite's own, and any that its users keep like that."""
    if file_path.suffix == ".sql" and _NUMBERED.fullmatch(file_path.parent.name):
        return SqlContractFile.from_parent(parent, path=file_path)
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the contracts on the other databases where a single one is judged."""
    if config.getoption("consolidated_dir") is None:
        return
    judged = config.stash[SUBJECT]()
    if judged.whole:
        return
    left_out = [item for item in items if not _targets(item) <= judged.originals.keys()]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _targets(item: pytest.Item) -> set[str]:
    contract = getattr(item, "contract", None)
    if contract is not None:
        return set(contract.reads)
    callspec = getattr(item, "callspec", None)
    return {callspec.params["target"]} if callspec is not None and "target" in callspec.params else set()


@pytest.fixture(scope="session")
def judged(pytestconfig: pytest.Config) -> Subject:
    """The consolidated set under judgement."""
    return pytestconfig.stash[SUBJECT]()


@pytest.fixture(scope="session")
def legacy_dir(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The legacy set under judgement: the folder that was named, else a dirty specimen at real size."""
    named = pytestconfig.getoption("legacy_dir")
    if named is not None:
        yield Path(named)
        return
    from contracts import specimens  # noqa: PLC0415 - faker is slow to load and only needed here

    folder = tmp_path_factory.mktemp("specimen") / "data"
    specimens.make(folder, seed=7, dirty=True, wal=True)
    yield folder
