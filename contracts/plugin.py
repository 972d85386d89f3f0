"""The pytest plugin: what is judged, where it is read, and the collector of ``.sql`` contracts.

Installed as the entry point ``contracts`` of ``pytest11``, so that ``pytest --pyargs contracts --consolidated-dir DIR``
works anywhere.  A packaged suite's options belong in a plugin: a conftest.py would be read too late for them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from contracts.pair import Pair
from contracts.session import NO_PAIR, SESSION, Session
from contracts.sql_contract import SqlContractFile
from contracts.subject import Subject
from migrator.errors import UsageError

#: The folder that holds the contracts.
HERE = Path(__file__).parent

_NUMBERED = re.compile(r"[1-9]_[a-z]+")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that say what is judged."""
    group = parser.getgroup("contracts", "contracts on the consolidated databases")
    group.addoption(
        "--consolidated-dir",
        metavar="DIR",
        type=Path,
        default=os.environ.get("CONSOLIDATED_DIR") or None,
        help="Judge the three databases in DIR, or the single database DIR, through private copies. "
        "Default: $CONSOLIDATED_DIR, else what a migration makes of the legacy set.",
    )
    group.addoption(
        "--legacy-dir",
        metavar="DIR",
        type=Path,
        default=os.environ.get("LEGACY_DIR") or None,
        help="The legacy databases in DIR, a data directory or a snapshot of one, read through private copies. "
        "Default: $LEGACY_DIR, else a dirty specimen, unless --consolidated-dir is given.",
    )
    group.addoption(
        "--show-values",
        action="store_true",
        help="Show what cells hold, private values included, where they are wrong.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find out what is judged.

    Raises:
        pytest.UsageError: A named folder is missing or holds nothing to judge.
    """
    config.addinivalue_line("markers", "clause(id): the clause of contracts/clauses.toml that the contract proves")
    legacy, consolidated = config.getoption("legacy_dir"), config.getoption("consolidated_dir")
    if legacy is not None and not Path(legacy).is_dir():
        raise pytest.UsageError(f"--legacy-dir: {legacy}: no such folder")
    session = config.stash[SESSION] = Session(
        None if legacy is None else Path(legacy),
        None if consolidated is None else Path(consolidated),
        show_values=config.getoption("show_values"),
    )
    if consolidated is not None:
        try:
            _ = session.judged
        except UsageError as error:
            session.close()
            raise pytest.UsageError(f"--consolidated-dir: {error}") from error


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the private copies."""
    if session := config.stash.get(SESSION, None):
        session.close()


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is judged."""
    return f"contracts: {HERE}, judging {config.stash[SESSION].describe()}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SqlContractFile | None:
    """Collect the ``.sql`` files of numbered folders: the suite's own, and any that its users keep like that."""
    if file_path.suffix == ".sql" and _NUMBERED.fullmatch(file_path.parent.name):
        return SqlContractFile.from_parent(parent, path=file_path)
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the contracts on the other databases where a single one is judged."""
    session = config.stash[SESSION]
    if session.consolidated is None or session.judged.whole:
        return
    left_out = [item for item in items if not _can_judge(session, item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _can_judge(session: Session, item: pytest.Item) -> bool:
    """Tell whether *item* can judge a single database: it asks for no other, and for a pair only of that one."""
    targets = _targets(item)
    contract = getattr(item, "contract", None)
    of_pair = bool(contract.legacy) if contract is not None else "pair" in getattr(item, "fixturenames", ())
    return targets <= session.judged.originals.keys() and not (of_pair and not (session.has_pair and targets))


def _targets(item: pytest.Item) -> set[str]:
    contract = getattr(item, "contract", None)
    if contract is not None:
        return set(contract.reads)
    callspec = getattr(item, "callspec", None)
    return {callspec.params["target"]} if callspec is not None and "target" in callspec.params else set()


@pytest.fixture(scope="session")
def judged(pytestconfig: pytest.Config) -> Subject:
    """The consolidated set under judgement."""
    return pytestconfig.stash[SESSION].judged


@pytest.fixture(scope="session")
def legacy_dir(pytestconfig: pytest.Config) -> Path:
    """The legacy set under judgement: the folder that was named, else a dirty specimen at real size."""
    return pytestconfig.stash[SESSION].legacy_dir


@pytest.fixture(scope="session")
def pair(pytestconfig: pytest.Config) -> Pair:
    """The legacy set and the consolidated set under judgement, side by side."""
    session = pytestconfig.stash[SESSION]
    if not session.has_pair:
        pytest.skip(NO_PAIR)
    if missing := session.pair.without_lineage():
        pytest.fail(
            f"{', '.join(missing)}: has no lineage and quarantine that say which legacy row became which row, so rows "
            "cannot be matched and nothing about them is proved",
            pytrace=False,
        )
    return session.pair
