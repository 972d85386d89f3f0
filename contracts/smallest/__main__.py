"""``python -m contracts.smallest``: prints the smallest counterexample as a test."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from contracts.smallest.search import search
from migrator.config import config_file
from migrator.errors import MigratorError
from migrator.system import output_files

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("contract")
@click.option("--legacy-dir", envvar="LEGACY_DIR", type=_FOLDER, required=True, help="The legacy databases.")
@click.option(
    "--consolidated-dir",
    envvar="CONSOLIDATED_DIR",
    type=_FOLDER,
    help="The set that another tool made of them; both sides are reduced.  Default: every reduced set is migrated.",
)
@click.option(
    "--contracts-config",
    "config",
    envvar="MIGRATOR_CONFIG",
    type=_FILE,
    help="The owners' configuration.  Default: migrator.toml in the legacy folder.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the test to this file.")
@click.option(
    "--show-values",
    envvar="CONTRACTS_SHOW_VALUES",
    is_flag=True,
    help="Print the real values if no random values break the contract.",
)
def main(
    contract: str,
    legacy_dir: Path,
    *,
    consolidated_dir: Path | None,
    config: Path | None,
    output: Path | None,
    show_values: bool,
) -> None:
    """Reduce a broken CONTRACT, named as in the report, to the fewest legacy rows."""
    try:
        if output is not None:
            output_files.refuse(output)
        example = search(
            contract,
            legacy_dir,
            config=config or config_file.beside(legacy_dir),
            consolidated=consolidated_dir,
            show_values=show_values,
            tell=lambda step: click.echo(f"{contract}: {step}", err=True),
        )
        if output is not None:
            output_files.write(output, example.text)
    except MigratorError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    click.echo(f"{contract}: {example.rows} of {example.of:,} legacy rows; {example.tried} sets judged", err=True)
    click.echo(str(output) if output is not None else example.text, nl=output is not None)


if __name__ == "__main__":
    sys.exit(main())
