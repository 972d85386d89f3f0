"""Judges one contract on a few rows, and writes those rows as a test."""

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
from migrator.config import config_file
from migrator.errors import MigratorError, UsageError

#: Rows by table, such as ``jarvis.trades`` or ``core.trades``; each row is column -> cell.
Rows = Mapping[str, Sequence[Row]]

_ID = re.compile(r"(?P<stage>[a-z]+)/(?P<name>\w+)(?P<case>\[[^\]]+\])?")
_WIDTH = 112


class NotAskedError(MigratorError):
    """A contract could not judge a set: it neither holds nor is broken."""


class _Chosen:
    """A pytest plugin that selects one contract and records its messages."""

    def __init__(self, contract: str) -> None:
        self.contract = contract
        self.selected = 0
        self.messages: list[str] = []
        self.trouble = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect all other contracts."""
        items[:] = [item for item in items if (name := named(item)) and name.id == self.contract]
        self.selected = len(items)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record the message of a broken contract, or the error of one that could not judge."""
        report = yield
        if call.excinfo is not None and report.failed:
            message = str(call.excinfo.value)
            if call.excinfo.errisinstance(pytest.fail.Exception) and not message.startswith(CANNOT):
                self.messages.append(message)
            else:
                self.trouble = f"{type(call.excinfo.value).__name__}: {message}"
        return report


def judge(contract: str, legacy: Path, *, config: Path | None = None, consolidated: Path | None = None) -> list[str]:
    """Judge a pair by one *contract*; return its messages if it is broken.

    Args:
        contract: Its name as in reports, such as ``verify/row_says_what_was_decided[core.trades]``.
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
            "no such contract", where=contract, hint="use the name from the report, such as verify/name[core.trades]"
        )
    arguments = [
        *(str(folders[0]), "--import-mode=importlib", "--rootdir", str(legacy), "-c", os.devnull, "-s", "-q"),
        *("-p", "no:cacheprovider", "--legacy-dir", str(legacy)),
        *(("--contracts-config", str(config)) if config else ()),
        *(("--consolidated-dir", str(consolidated)) if consolidated else ()),
    ]
    chosen = _Chosen(contract)
    code, printed = in_process.run(arguments, chosen)
    if not chosen.selected:
        hint = "use the name from the report, such as verify/name[core.trades]"
        if code == pytest.ExitCode.USAGE_ERROR:
            raise UsageError(printed.strip().splitlines()[-1], where=contract)
        raise UsageError("no such contract", where=contract, hint=hint)
    if chosen.trouble:
        raise NotAskedError(f"could not judge: {chosen.trouble}", where=contract)
    return chosen.messages


def broken(
    contract: str,
    legacy: Rows,
    folder: Path,
    *,
    config: str = "",
    variants: Mapping[str, str] | None = None,
    consolidated: Rows | None = None,
) -> list[str]:
    """Write and migrate a few legacy rows; return the messages of *contract*.

    Args:
        contract: Its name as in reports, such as ``verify/row_says_what_was_decided[core.trades]``.
        legacy: The rows of the legacy tables; every other table is empty.
        folder: A folder for the sets.
        config: The text of the owners' configuration.
        variants: Legacy database -> variant, for those with another variant than ``found``.
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
        specification = config_file.load(written).specification
        made = others.write(consolidated, folder / "consolidated", specification, traced=traced)
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
    """Return a test that judges these rows by the *contract*."""
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
    # Python has no literal for infinity.
    return re.sub(
        r"(?<![\w'\"])(-?)inf(?![\w'\"])", r"float('\1inf')", pprint.pformat(plain, width=_WIDTH, sort_dicts=False)
    )
