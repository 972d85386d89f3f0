"""Options that several verbs have, and the workspace and configuration they name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from migrator.cli import command_hints
from migrator.config import config_file
from migrator.errors import Refused, UsageError
from migrator.stages.verify import stage as verify_stage
from migrator.switch import env_flag, recovery
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import paths, run_lock
from migrator.system.ownership import guard


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
            UsageError: It begins with the home of a user that is not there.
        """
        named = Path(os.fsdecode(super().convert(value, param, ctx)))
        return paths.resolved(named) if self._follow else paths.beside_itself(named)


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
QUIET = click.option("--quiet", is_flag=True, envvar="MIGRATOR_QUIET", help="Print errors only.")


def workspace(
    data_dir: Path,
    include: tuple[Path, ...],
    config: Path | None,
    *,
    env_file: Path | None = None,
    stopped: bool = False,
    alone: bool = False,
    go_on: bool = False,
) -> tuple[Workspace, config_file.Config]:
    """Return where to work, and the configuration for it.

    With *alone* no other migrator may be at work there until the verb ends, and no switch may have been cut short.  With
    *go_on* a configuration that cannot be read stops nothing after a cutover: what it decided then is written down.

    Raises:
        Refused: Another one is, one was, or what lies under our names is not ours.
        UsageError: The configuration cannot be read.
    """
    # The .env lies beside the folder as it was named: a link may lead far away from the application.
    found = Workspace(paths.resolved(data_dir), include, env_file or env_flag.beside(data_dir), stopped=stopped)
    look(found, alone=alone)
    if alone and found.data_dir.is_dir():
        click.get_current_context().with_resource(run_lock.locked(found.data_dir))
    try:
        return found, config_file.load(config_path(found.data_dir, config))
    except UsageError as error:
        last = switch_state.cutover_in_use(found.data_dir) if go_on else None
        if last is None:
            raise
        click.echo(f"migrator: {error}. Going on with what the cutover wrote down, and without hooks.", err=True)
        return found, config_file.Config()


def look(workspace: Workspace, *, alone: bool = False) -> None:
    """See that what lies under our names is ours, and say if a switch is at work or was cut short; nothing is changed.

    Raises:
        Refused: It is not, or with *alone* there is such a switch.
    """
    guard(workspace.data_dir)
    if sentence := recovery.at_work(workspace.data_dir) or recovery.cut_short(workspace.data_dir):
        if alone:
            raise Refused(sentence, where=workspace.data_dir)
        click.echo(f"migrator: {command_hints.completed(sentence)}", err=True)


def config_path(data_dir: Path, config: Path | None) -> Path | None:
    """Return the configuration that was named, else the one beside the databases, else None."""
    beside = data_dir / "migrator.toml"
    return config or (beside if os.path.lexists(beside) else None)


def run_contracts(module: str, arguments: list[str], *, quiet: bool) -> None:
    """Run a module of the contract suite in a process of its own: the tool does not import the suite.

    Raises:
        UsageError: The extra that holds its dependencies is not installed.
    """
    verify_stage.need_contracts(module)
    command = [sys.executable, "-m", module, *arguments]
    sys.exit(subprocess.run(command, check=False, stdout=subprocess.DEVNULL if quiet else None).returncode)  # noqa: S603 - our own module
