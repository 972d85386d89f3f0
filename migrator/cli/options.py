"""Options that several verbs have, and the workspace and configuration they name."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType

from migrator.cli import command_hints, output, run_log
from migrator.config import config_file
from migrator.errors import Refused, UsageError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.stages.inventory import stage as inventory_stage
from migrator.stages.verify import stage as verify_stage
from migrator.switch import env_flag, recovery
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import output_files, paths, run_lock
from migrator.system.ownership import guard

_Option = Callable[[Callable[..., None]], Callable[..., None]]


class NamedPath(click.Path):
    """A path on the command line or in the environment, resolved by :mod:`migrator.system.paths` before any verb sees it.

    Its folder has no links and no ``..``; with *follow* nor has it a link as its last part.
    """

    def __init__(self, *, follow: bool = False) -> None:
        super().__init__(path_type=Path)
        self._follow = follow

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return *value* resolved.

        Raises:
            UsageError: It begins with the home of an unknown user.
        """
        named = Path(os.fsdecode(super().convert(value, param, ctx)))
        return paths.resolved(named) if self._follow else paths.beside_itself(named)


class OutputPath(NamedPath):
    """A file to write, checked by :mod:`migrator.system.output_files` before the verb begins.

    Args:
        beside: What it may be beside a regular file.
    """

    def __init__(self, *, beside: Collection[str] = output_files.ANY) -> None:
        super().__init__()
        self._beside = beside

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return *value* with the links of its folder followed.

        Raises:
            UsageError: It cannot be written, or begins with the home of an unknown user.
        """
        path = super().convert(value, param, ctx)
        output_files.refuse(path, beside=self._beside)
        return path


DATA_DIR = click.option(
    "--data-dir",
    metavar="DIR",
    type=NamedPath(),
    envvar="MIGRATOR_DATA_DIR",
    show_envvar=True,
    default=Path("~/.lifeos/data"),
    help="The folder that holds the databases.  Default: ~/.lifeos/data.",
)
INCLUDE = click.option(
    "--include",
    metavar="PATH",
    type=NamedPath(),
    multiple=True,
    envvar="MIGRATOR_INCLUDE",
    show_envvar=True,
    help="A database outside DIR; repeatable.",
)
CONFIG = click.option(
    "--config",
    metavar="FILE",
    type=NamedPath(),
    envvar="MIGRATOR_CONFIG",
    show_envvar=True,
    help="The configuration.  Default: DIR/migrator.toml if it exists.",
)
ENV_FILE = click.option(
    "--env-file",
    metavar="FILE",
    type=NamedPath(),
    envvar="MIGRATOR_ENV_FILE",
    show_envvar=True,
    help="The application's .env, which holds USE_CONSOLIDATED_DBS.  Default: DIR/../.env.",
)
STOPPED = click.option(
    "--bot-is-stopped",
    "stopped",
    is_flag=True,
    envvar="MIGRATOR_BOT_IS_STOPPED",
    help="No process hidden from migrator uses the databases during the switch.",
)
EXECUTE = click.option("--execute", is_flag=True, help="Do it; without this nothing is touched.")
JSON = click.option("--json", "as_json", is_flag=True, envvar="MIGRATOR_JSON", help="Print one JSON object.")
ALL = click.option("--all", "details", is_flag=True, help="Print every row and every finding, not only the summary.")
VERBOSE = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    envvar="MIGRATOR_VERBOSE",
    help="Print what the log of the run holds on stderr too.",
)
QUIET = click.option("--quiet", is_flag=True, envvar="MIGRATOR_QUIET", help="Print errors only.")


#: Groups of options: the sources, a switch, and the form of the result.
SOURCES = (DATA_DIR, INCLUDE, CONFIG)
SWITCH = (*SOURCES, ENV_FILE, EXECUTE, STOPPED)
RESULT = (JSON, VERBOSE, QUIET)
DETAILED = (ALL, *RESULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The values of the options that several verbs have; an option that a verb lacks has its default.

    Attributes:
        data_dir: The folder that holds the databases.
        include: Databases outside of it.
        config: The configuration that is named; None for the one beside the databases.
        env_file: The application's .env; None for the one beside the data directory.
        stopped: Whether the owner says that no hidden process uses the databases.
        details: Whether every row and finding is printed, not only the summary.
        as_json: Whether the result is printed as one JSON object.
        verbose: Whether the log of the run is printed on stderr too.
        quiet: Whether only errors are printed.
    """

    data_dir: Path
    include: tuple[Path, ...] = ()
    config: Path | None = None
    env_file: Path | None = None
    stopped: bool = False
    details: bool = False
    as_json: bool = False
    verbose: bool = False
    quiet: bool = False

    @property
    def configured(self) -> Path | None:
        """The path of the configuration that counts; None without one."""
        return config_path(paths.resolved(self.data_dir), self.config)

    def workspace(self, *, alone: bool = False, go_on: bool = False) -> tuple[Workspace, config_file.Config]:
        """Return the workspace and its configuration.

        Args:
            alone: Refuse if another migrator is at work there or a switch was interrupted; keep others out until the verb
                ends.
            go_on: After a cutover, go on without a configuration that cannot be read: the cutover recorded what counts.

        Raises:
            Refused: With *alone* as above, or another user can write to migrator's own files.
            UsageError: The configuration cannot be read.
        """
        workspace = self.undecided()
        look(workspace, alone=alone)
        config = self._config(workspace, go_on=go_on)
        if alone:
            pipeline_migrate.refuse_other_folders(workspace, config)
            click.get_current_context().with_resource(run_lock.locked(workspace.data_dir))
            self.log(workspace)
        return workspace, config

    def undecided(self) -> Workspace:
        """Return the workspace, for a verb that no configuration decides about."""
        # The .env lies beside the folder as it was named: a link may lead far away from the application.
        env_file = self.env_file or env_flag.beside(self.data_dir)
        return Workspace(paths.resolved(self.data_dir), self.include, env_file, stopped=self.stopped)

    def log(self, workspace: Workspace) -> None:
        """Write the log of this run to a file, for a verb that writes; not while another migrator makes a switch there."""
        if not recovery.at_work(workspace.data_dir):
            run_log.open_file(click.get_current_context(), workspace.state)

    def _config(self, workspace: Workspace, *, go_on: bool) -> config_file.Config:
        try:
            return config_file.load(self.configured)
        except UsageError as error:
            if not go_on or switch_state.cutover_in_use(workspace.data_dir) is None:
                raise
            click.echo(f"migrator: {error}. Going on with what the cutover wrote down, and without hooks.", err=True)
            return config_file.Config()

    def show(
        self, verb: str, record: object, table: RenderableType, *, code: int = 0, reasons: Sequence[str] = ()
    ) -> None:
        """Print the result of *verb*, and exit with *code*, unless it is 0; *reasons* say why it is not."""
        output.show(verb, record, table, as_json=self.as_json, quiet=self.quiet, code=code, reasons=reasons)


_COMMON = frozenset(field.name for field in fields(Common))


def takes(first: tuple[_Option, ...], last: tuple[_Option, ...] = RESULT) -> _Option:
    """Give a verb the options *first* before its own and *last* after them; their values come as a :class:`Common`."""

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        own = getattr(verb, "__click_params__", [])

        @functools.wraps(verb)
        def called(**values: Any) -> None:
            common = Common(**{name: values.pop(name) for name in _COMMON & values.keys()})
            if common.verbose:
                run_log.to_stderr(click.get_current_context())
            verb(common, **values)

        # Click reads the list backwards.
        called.__click_params__ = []  # type: ignore[attr-defined]  # Click's attribute
        for option in reversed(last):
            option(called)
        called.__click_params__ += own  # type: ignore[attr-defined]  # Click's attribute
        for option in reversed(first):
            option(called)
        return called

    return decorate


def look(workspace: Workspace, *, alone: bool = False) -> None:
    """Check that the folder holds a database and migrator's own files are ours; report a switch under way or interrupted.

    Changes nothing.

    Raises:
        UsageError: There is no such folder.
        Refused: There is no database, the files are not ours, or with *alone* there is such a switch.
    """
    guard(workspace.data_dir)
    inventory_stage.refuse_empty(workspace.data_dir, workspace.include)
    if sentence := recovery.at_work(workspace.data_dir) or recovery.cut_short(workspace.data_dir):
        if alone:
            raise Refused(sentence, where=workspace.data_dir)
        click.echo(f"migrator: {command_hints.completed(sentence)}", err=True)


def config_path(data_dir: Path, config: Path | None) -> Path | None:
    """Return the configuration that was named, else the one beside the databases, else None."""
    beside = data_dir / "migrator.toml"
    return config or (beside if os.path.lexists(beside) else None)


def run_contracts(verb: str, module: str, arguments: list[str], *, as_json: bool, quiet: bool) -> None:
    """Run a module of the contract suite in a process of its own: the tool does not import the suite.

    Raises:
        UsageError: The extra ``contracts`` is not installed.
    """
    verify_stage.need_contracts(module)
    command = [sys.executable, "-m", module, *arguments, *(["--json"] if as_json else [])]
    taken = subprocess.PIPE if as_json else subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, check=False, stdout=taken)  # noqa: S603 - our own module
    if as_json:
        told = json.loads(done.stdout) if done.returncode == 0 else None
        reasons = (f"{module} failed; its error is on stderr",)
        output.show(verb, told, "", as_json=True, quiet=quiet, code=done.returncode, reasons=reasons)
    sys.exit(done.returncode)
