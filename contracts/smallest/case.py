"""A counterexample as a test: how it is judged, and how it is written down."""

from __future__ import annotations

import os
import pprint
import re
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import pytest

from contracts.oracle.cells import Row
from contracts.smallest import consolidated as others
from contracts.smallest import rows
from contracts.suite import in_process, results
from contracts.suite.results import named
from contracts.suite.tracebacks import CANNOT
from migrator.errors import MigratorError, UsageError

#: Rows of tables: ``jarvis.trades`` or ``core.trades`` -> its rows, column -> cell.
Rows = Mapping[str, Sequence[Row]]

_ID = re.compile(r"(?P<stage>[a-z]+)/(?P<name>\w+)(?P<case>\[[^\]]+\])?")
_WIDTH = 112


class NotAskedError(MigratorError):
    """A contract could not be asked of a set: it neither holds nor is broken."""


class _Asked:
    """A pytest plugin that leaves one contract, and takes down what it says."""

    def __init__(self, contract: str) -> None:
        self.contract = contract
        self.asked = 0
        self.said: list[str] = []
        self.trouble = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the one."""
        items[:] = [item for item in items if (name := named(item)) and name.id == self.contract]
        self.asked = len(items)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell a broken contract from one that could not be asked."""
        report = yield
        if call.excinfo is not None and report.failed:
            said = str(call.excinfo.value)
            if call.excinfo.errisinstance(pytest.fail.Exception) and not said.startswith(CANNOT):
                self.said.append(said)
            else:
                self.trouble = f"{type(call.excinfo.value).__name__}: {said}"
        return report


def judge(contract: str, legacy: Path, *, config: Path | None = None, consolidated: Path | None = None) -> list[str]:
    """Ask one *contract*, ``verify/row_says_what_was_decided[core.trades]``, of a pair; return what it says if broken.

    Args:
        contract: Its name, as reports and the evidence have it.
        legacy: The legacy set.
        config: The owners' configuration.
        consolidated: The consolidated set; None to migrate *legacy*.

    Raises:
        UsageError: There is no such contract.
        NotAskedError: The set cannot be migrated, or the contract met an error of its own.
    """
    match = _ID.fullmatch(contract)
    folders = list(results.HERE.glob(f"[1-9]_{match['stage']}")) if match else []
    if not folders:
        raise UsageError(
            "no such contract", where=contract, hint="name it as the report does: verify/name[core.trades]"
        )
    arguments = [
        *(str(folders[0]), "--import-mode=importlib", "--rootdir", str(legacy), "-c", os.devnull, "-s", "-q"),
        *("-p", "no:cacheprovider", "--legacy-dir", str(legacy)),
        *(("--contracts-config", str(config)) if config else ()),
        *(("--consolidated-dir", str(consolidated)) if consolidated else ()),
    ]
    asked = _Asked(contract)
    code, printed = in_process.run(arguments, asked)
    if not asked.asked:
        hint = "name it as the report does: verify/name[core.trades]"
        if code == pytest.ExitCode.USAGE_ERROR:
            raise UsageError(printed.strip().splitlines()[-1], where=contract)
        raise UsageError("no such contract", where=contract, hint=hint)
    if asked.trouble:
        raise NotAskedError(f"could not be asked: {asked.trouble}", where=contract)
    return asked.said


def broken(
    contract: str,
    legacy: Rows,
    folder: Path,
    *,
    config: str = "",
    variants: Mapping[str, str] | None = None,
    consolidated: Rows | None = None,
) -> list[str]:
    """Write a legacy set of a few rows, migrate it, and return what the *contract* says, nothing if it holds.

    Args:
        contract: Its name, as reports and the evidence have it.
        legacy: The rows of the legacy tables; every other table is empty.
        folder: A folder for the sets.
        config: The text of the owners' configuration.
        variants: Legacy database -> variant, of those that are not as found.
        consolidated: The rows of the consolidated set, if another tool made it; then nothing is migrated.

    Raises:
        UsageError: There is no such contract, or a row cannot be written.
        NotAskedError: The set cannot be migrated, or the contract met an error of its own.
    """
    home = folder / "legacy"
    home.mkdir(parents=True)
    rows.write_rows(legacy, variants or {}, home)
    written = folder / "migrator.toml"
    written.write_text(config, encoding="utf-8")
    made = None
    if consolidated is not None:
        traced = any(name.endswith(".lineage") for name in consolidated)
        made = others.write(consolidated, folder / "consolidated", traced=traced)
    return judge(contract, home, config=written, consolidated=made)


def text(
    contract: str,
    legacy: Rows,
    *,
    config: str,
    variants: Mapping[str, str],
    consolidated: Rows | None = None,
    about: str = "",
) -> str:
    """Return a test that asks the *contract* of these rows."""
    called = re.sub(r"\W+", "_", contract.partition("/")[2]).strip("_").lower()
    count = sum(map(len, legacy.values()))
    parts = [
        f'"""{contract}: the smallest counterexample, {count} legacy row{"" if count == 1 else "s"}.{about}"""',
        "from contracts.smallest import broken",
        f"LEGACY = {_literal(legacy)}",
    ]
    more = []
    for name, value in (("VARIANTS", variants or None), ("CONSOLIDATED", consolidated)):
        if value is not None:
            parts.append(f"{name} = {_literal(value)}")
            more.append(f", {name.lower()}={name}")
    parts.append(f'CONFIG = """\n{config}"""')
    parts.append(
        f"def test_{called}(tmp_path):\n    contract = {contract!r}\n\n"
        f"    assert [] == broken(contract, LEGACY, tmp_path, config=CONFIG{''.join(more)})"
    )
    return "\n\n".join(parts[:2]) + "\n\n" + "\n".join(parts[2:-1]) + "\n\n\n" + parts[-1] + "\n"


def _literal(value: object) -> str:
    plain = (
        {
            name: list(cells) if isinstance(cells, Sequence) and not isinstance(cells, str) else cells
            for name, cells in value.items()
        }
        if isinstance(value, Mapping)
        else value
    )
    # Infinity has no literal of its own.
    return re.sub(
        r"(?<![\w'\"])(-?)inf(?![\w'\"])", r"float('\1inf')", pprint.pformat(plain, width=_WIDTH, sort_dicts=False)
    )
