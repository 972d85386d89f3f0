"""The verbs for programs that are not changed: compat install, uninstall, export; no logic."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from migrator.application.programs import export as programs_export
from migrator.application.programs import startup
from migrator.cli import command_hints, options, output
from migrator.reports import programs
from migrator.switch.workspace import Workspace
from migrator.system import paths

_PYTHON = click.option(
    "--python",
    metavar="PATH",
    # The link is the environment: what it leads to is the interpreter of the system.
    type=options.NamedPath(),
    default=Path(sys.executable),
    help="The interpreter of the bot's environment.  Default: the one that runs migrator.",
)


@click.group(short_help="Serve legacy databases to programs that nothing was changed in.")
def compat() -> None:
    """Serve legacy databases to programs that nothing was changed in, before and after a cutover.

    One program: python -m migrator.compat PROGRAM [ARGUMENT ...].
    """


@compat.command(cls=command_hints.Verb)
@_PYTHON
@options.JSON
@options.QUIET
def install(python: Path, as_json: bool, quiet: bool) -> None:
    """Serve every Python program of an environment, by a .pth file that its interpreter runs at start."""
    file = startup.install(python)
    output.show("compat install", file, programs.startup(file), as_json=as_json, quiet=quiet)


@compat.command(cls=command_hints.Verb)
@_PYTHON
@options.JSON
@options.QUIET
def uninstall(python: Path, as_json: bool, quiet: bool) -> None:
    """Remove the .pth file from an environment; programs that run are served until they end."""
    file = startup.uninstall(python)
    output.show("compat uninstall", file, programs.startup(file), as_json=as_json, quiet=quiet)


@compat.command(cls=command_hints.Verb)
@options.takes((options.DATA_DIR,))
@click.argument("folder", metavar="FOLDER", type=options.NamedPath(follow=True))
def export(common: options.Common, folder: Path) -> None:
    """Write each legacy database, as it is now, to a read-only file below FOLDER, for other languages and the sqlite3 shell."""
    data_dir = paths.resolved(common.data_dir)
    options.look(Workspace(data_dir))
    exports = programs_export.export(data_dir, folder)
    common.show("compat export", exports, programs.exported(exports))


COMMANDS = (compat,)
