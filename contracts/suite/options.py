"""The plugin's options: from the command line, else the environment, else pytest's configuration file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.sets import legacy as legacy_sets
from migrator.config import config_file
from migrator.config import waivers as config_waivers
from migrator.config.config_file import Config
from migrator.config.waivers import Waiver
from migrator.errors import MigratorError
from migrator.system import paths

#: Option -> its twin in the environment, its twin in the configuration file.
TWINS = {
    "consolidated_dir": ("CONSOLIDATED_DIR", "contracts_consolidated_dir"),
    "legacy_dir": ("LEGACY_DIR", "contracts_legacy_dir"),
    "contracts_config": ("MIGRATOR_CONFIG", "contracts_config"),
    "contracts_waivers": ("CONTRACTS_WAIVERS", "contracts_waivers"),
    "contracts_report": ("CONTRACTS_REPORT", "contracts_report"),
    "show_values": ("CONTRACTS_SHOW_VALUES", "contracts_show_values"),
}

_PATHS = {
    "consolidated_dir": (
        "DIR",
        (
            "Judge the three databases in DIR, or the single database DIR, through private copies. "
            "Default: {twins}, else a migration of the legacy set."
        ),
    ),
    "legacy_dir": (
        "DIR",
        (
            "The legacy databases in DIR, a data directory or a snapshot of one, read through private copies. "
            "Default: {twins}, else a dirty specimen, unless --consolidated-dir is given."
        ),
    ),
    "contracts_config": (
        "FILE",
        (
            "The owners' decisions: constants, fates of files, waivers. "
            "Default: {twins}, else migrator.toml in the data directory of the legacy set."
        ),
    ),
    "contracts_waivers": (
        "FILE",
        "More [[waivers]]: contracts that may be broken until a date. Default: {twins}, else none.",
    ),
    "contracts_report": (
        "DIR",
        "Write evidence.json, contracts.xml (JUnit), report.html and report.md to DIR. Default: {twins}, else nothing is written.",
    ),
}
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a run.

    Attributes:
        consolidated: The consolidated set to judge, or one database of it; None to make a set.
        legacy: The legacy set to judge it by; None to judge without, or by a specimen.
        config_path: The owners' configuration, if the user named a file.
        config: The content of that file, else of the configuration in *legacy*.
        waivers: The waivers of the configuration and of the waiver file.
        report: The folder to write to; None to write nothing.
        show_values: Whether messages may show the values of cells.
        processes: How many processes judge.
        asked: Whether the command line names a set: then a run that judges nothing is an error.
    """

    consolidated: Path | None
    legacy: Path | None
    config_path: Path | None
    config: Config
    waivers: tuple[Waiver, ...]
    report: Path | None
    show_values: bool
    processes: int
    asked: bool


def add(parser: pytest.Parser) -> None:
    """Add the options, and their twins in the configuration file."""
    group = parser.getgroup("contracts", "contracts on the consolidated databases")
    for name, (metavar, sentence) in _PATHS.items():
        variable, ini = TWINS[name]
        group.addoption(
            f"--{name.replace('_', '-')}",
            metavar=metavar,
            type=Path,
            default=None,
            help=sentence.format(twins=f"${variable}, else {ini}"),
        )
        parser.addini(ini, f"The same as --{name.replace('_', '-')}, below the folder of this file.", default="")
    variable, ini = TWINS["show_values"]
    group.addoption(
        "--show-values",
        action="store_true",
        help=f"Show what cells hold, private values included, where they are wrong. Default: ${variable}, else {ini}.",
    )
    parser.addini(ini, "The same as --show-values.", type="bool", default=False)
    group.addoption(
        "--contracts-processes",
        metavar="N",
        type=int,
        default=1,
        help="Judge in N processes, forked once everything is collected and copied. Default: 1.",
    )


def read(config: pytest.Config) -> Options:
    """Return the options of this run.

    Raises:
        pytest.UsageError: A named folder or file is missing, or has the wrong content.
    """
    legacy, consolidated = _path(config, "legacy_dir"), _path(config, "consolidated_dir")
    report, waiver_file = _path(config, "contracts_report"), _path(config, "contracts_waivers")
    if legacy is not None and not legacy.is_dir():
        raise pytest.UsageError(f"--legacy-dir: {legacy}: no such folder")
    if legacy is not None and not legacy_sets.legacy_set(legacy, legacy).originals:
        what = "no database in this folder; name a data directory, or a snapshot of one"
        raise pytest.UsageError(f"--legacy-dir: {legacy}: {what}")
    if report is not None and report.exists() and not report.is_dir():
        raise pytest.UsageError(f"--contracts-report: {report}: is not a folder")
    named = _path(config, "contracts_config")
    with _naming("--contracts-config"):
        decided = config_file.load(named or (config_file.beside(legacy) if legacy else None))
    with _naming("--contracts-waivers"):
        waivers = (*decided.waivers, *(config_waivers.read(waiver_file) if waiver_file else ()))
        config_waivers.distinct(waivers, waiver_file)
    return Options(
        consolidated=consolidated,
        legacy=legacy,
        config_path=named,
        config=decided,
        waivers=waivers,
        report=report,
        show_values=_show_values(config),
        processes=config.getoption("contracts_processes"),
        asked=any(config.getoption(name) is not None for name in ("legacy_dir", "consolidated_dir")),
    )


@contextmanager
def _naming(option: str) -> Iterator[None]:
    """Turn our errors into pytest's usage errors that name the option."""
    try:
        yield
    except MigratorError as error:
        raise pytest.UsageError(f"{option}: {error}") from error


def _path(config: pytest.Config, name: str) -> Path | None:
    """Return the path that an option or one of its twins names, without links and ``..``."""
    path = _named(config, name)
    return path and paths.resolved(path)


def _named(config: pytest.Config, name: str) -> Path | None:
    """Return the path as written; a path in a configuration file is relative to the file's folder."""
    variable, ini = TWINS[name]
    if (named := config.getoption(name)) is not None:
        return Path(named)
    if from_environment := os.environ.get(variable):
        return Path(from_environment)
    written = str(config.getini(ini))
    return (config.inipath.parent if config.inipath else config.rootpath) / written if written else None


def _show_values(config: pytest.Config) -> bool:
    variable, ini = TWINS["show_values"]
    value = os.environ.get(variable, "").lower()
    if value not in (*_YES, *_NO):
        raise pytest.UsageError(f"${variable}: expected 1 or 0, found {value!r}")
    return bool(config.getoption("show_values") or value in _YES or (variable not in os.environ and config.getini(ini)))
