"""The verbs about quarantined rows: list, explain, export, decide, accept, resolve; no logic."""

from __future__ import annotations

from pathlib import Path

import click

from migrator.cli import command_hints, options
from migrator.errors import UsageError
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.reports import quarantine as quarantine_report
from migrator.system import paths, user_files
from migrator.system.escaping import escaped


@click.group(short_help="List, explain, export, decide, accept and resolve the rows that constraints refuse.")
def quarantine() -> None:
    """List, explain, export, decide, accept and resolve the rows that constraints refuse.

    Reads the stage, or after a cutover the set in use.
    """


# Named apart from Python's list.
@quarantine.command("list", cls=command_hints.Verb)
@options.takes((options.DATA_DIR, options.CONFIG))
@click.option("--all", "every", is_flag=True, help="Print every key, not the first three of each cause.")
@click.option(
    "--keys", is_flag=True, help="Print only the rows with money at stake, one a line, as accept --keys reads them."
)
def list_causes(common: options.Common, every: bool, keys: bool) -> None:
    """List the quarantined rows by cause: open positions, active orders and unsold lots first."""
    workspace, _ = common.workspace(go_on=True)
    found = pipeline_quarantine.listed(workspace)
    table = quarantine_report.names(found) if keys else quarantine_report.listed(found, every=every)
    common.show("quarantine list", found, table)


@quarantine.command(cls=command_hints.Verb)
@options.takes((options.DATA_DIR, options.CONFIG))
@click.argument("key", metavar="KEY")
def explain(common: options.Common, key: str) -> None:
    """Show why the row KEY was refused, and what would let it in.

    KEY is a legacy key, or the legacy table and the key: jarvis.positions:9cad64e4.
    """
    workspace, _ = common.workspace(go_on=True)
    found = pipeline_quarantine.explained(workspace, key)
    common.show("quarantine explain", found, quarantine_report.explained(found))


@quarantine.command(cls=command_hints.Verb)
@options.takes((options.DATA_DIR, options.CONFIG))
@click.argument("file", metavar="FILE", type=options.NamedPath())
def export(common: options.Common, file: Path) -> None:
    """Write every quarantined row, whole, to the new FILE.csv, FILE.json or FILE.db, for its owner alone."""
    workspace, _ = common.workspace(go_on=True)
    written = pipeline_quarantine.exported(workspace, file)
    common.show("quarantine export", written, quarantine_report.exported(written))


@quarantine.command(cls=command_hints.Verb)
@options.takes((options.DATA_DIR, options.CONFIG))
@click.argument("file", metavar="FILE", type=options.NamedPath())
@click.option("--print", "only_print", is_flag=True, help="Print the decisions; write nothing.")
def decide(common: options.Common, file: Path, only_print: bool) -> None:
    """Add what you decided in FILE, an edited export, to the configuration.

    A changed cell is a value to read instead. In the column decision write keep, drop or, in a row that you add, make; in
    why the reason. Each line of the configuration stays as it is. No legacy file is edited: plan and build apply the decisions.
    """
    workspace, _ = common.workspace(alone=not only_print)
    config = common.configured or paths.resolved(common.data_dir) / "migrator.toml"
    done = pipeline_quarantine.decide(workspace, file, config, write=not only_print)
    common.show("quarantine decide", done, quarantine_report.deciding(done))


@quarantine.command(cls=command_hints.Verb)
@options.takes((options.DATA_DIR, options.CONFIG))
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option(
    "--keys", "file", metavar="FILE", type=options.NamedPath(), help="Accept the rows that FILE names too, one a line."
)
def accept(common: options.Common, keys: tuple[str, ...], file: Path | None) -> None:
    """Record that you accept the quarantined rows as they are now; a cutover requires it.

    Open positions, active orders and unsold lots are accepted one by one, each by its KEY: 9cad64e4, or
    jarvis.positions:9cad64e4. Without it they are listed. If a row changes, or another comes, cutover refuses and shows it.
    """
    workspace, _ = common.workspace(alone=True)
    listed = [line for line in user_files.text(file).splitlines() if line.strip()] if file is not None else []
    done = pipeline_quarantine.accept(workspace, (*keys, *listed))
    common.show("quarantine accept", done, quarantine_report.accepting(done))


@quarantine.command(cls=command_hints.Verb)
@options.takes((options.DATA_DIR, options.INCLUDE, options.CONFIG, options.ENV_FILE))
@click.argument("key", metavar="KEY")
@click.option(
    "--set",
    "cells",
    metavar="COLUMN=VALUE",
    multiple=True,
    help="Set this cell of the legacy row first, NULL for none; repeatable.",
)
def resolve(common: options.Common, key: str, cells: tuple[str, ...]) -> None:
    """Move the row KEY out of quarantine into its table, after a cutover, if it fits there now.

    The row goes through the ordinary mapping and gets its lineage. A rollback gives it back once, with the cells that were
    set. The bot may be running. Nothing is changed if the row does not fit.
    """
    workspace, _ = common.workspace(alone=True, go_on=True)
    done = pipeline_quarantine.resolve(workspace, key, _cells(cells))
    common.show("quarantine resolve", done, quarantine_report.resolved(done))


def _cells(written: tuple[str, ...]) -> dict[str, str]:
    """Return column -> value of each ``--set``.

    Raises:
        UsageError: One has no equals sign or is not UTF-8, or two set one column.
    """
    cells: dict[str, str] = {}
    for cell in written:
        column, equals, value = cell.partition("=")
        # What has no equals sign may be a value alone.
        where = f"--set {escaped(column)}" if equals else "--set"
        if not equals:
            raise UsageError("expected COLUMN=VALUE", where=where, hint="write --set token_mint=7xKX...")
        # Python keeps bytes of the command line that are not UTF-8 as surrogates.
        if any("\ud800" <= character <= "\udfff" for character in cell):
            raise UsageError("is not UTF-8", where=where, hint="type the value again in a terminal that uses UTF-8")
        if column in cells:
            raise UsageError(f"{column} is set twice", where=where, hint="write --set once for each column")
        cells[column] = value
    return cells


COMMANDS = (quarantine,)
