"""Shows progress and results: tables on a terminal, or one JSON object."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich.console import Console, RenderableType

from migrator.cli import command_hints, envelope
from migrator.cli.run_log import LOG
from migrator.records.observer import Observer
from migrator.system import serialize

#: Width of what is printed to a pipe [columns]: more than any sentence or row has.
_PIPE_WIDTH = 1_000_000


class Shown(Observer):
    """Shows the steps of a switch on stderr, one line each; with *quiet* only those that need a person."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def step(self, sentence: str) -> None:
        """Show the sentence, unless quiet."""
        LOG.info(sentence)
        if not self._quiet:
            loudly(sentence)

    def waiting(self, sentence: str) -> None:
        """Show the sentence."""
        loudly(sentence)


def loudly(sentence: str) -> None:
    """Print *sentence* to stderr, with the commands in it completed."""
    click.echo(f"migrator: {command_hints.completed(sentence)}", err=True)


def json_text(verb: str, record: object, *, code: int = 0, reasons: Sequence[str] = ()) -> str:
    """Return the JSON object that *verb* prints, with complete commands in its sentences."""
    told = None if record is None else command_hints.completed_values(serialize.plain(record))
    return envelope.text(verb, told, code=code, refusals=tuple(map(command_hints.completed, reasons)))


def show(
    verb: str,
    record: object,
    table: RenderableType,
    *,
    as_json: bool,
    quiet: bool,
    code: int = 0,
    reasons: Sequence[str] = (),
) -> None:
    """Print the result: as one JSON object, as a table, or not at all; then exit with *code*, unless it is 0.

    *reasons* are the sentences for which the code is not 0.
    """
    if as_json:
        click.echo(json_text(verb, record, code=code, reasons=reasons if code else ()), nl=False)
    elif not quiet:
        console = Console()
        if not console.is_terminal:
            # A pipe has no width: each sentence stays on one line.
            console = Console(width=_PIPE_WIDTH, no_color=True)
        console.print(command_hints.completed_text(table), crop=False)
    if code:
        sys.exit(code)
