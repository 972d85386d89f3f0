"""Completes the commands in hints: every sentence that names a command passes through here before it is shown.

A sentence holds ``migrator cutover``; the user sees the command with the options that the running verb was given, quoted
for a shell, so that it can be copied.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Group, RenderableType
from rich.text import Text

from migrator.cli import envelope, run_log
from migrator.cli.run_log import LOG
from migrator.errors import MigratorError
from migrator.system import error_hints, escaping, paths
from migrator.system.shell import quoted

#: Options that the command in a hint takes over from the running verb.
_CARRIED_ON = ("data_dir", "include", "config", "env_file", "legacy", "consolidated", "stopped", "catch_up")
#: Options that name a pair instead of a data directory.
_PAIR = ("legacy", "consolidated")
#: Fields of records that hold sentences.
_SENTENCES = frozenset({"next", "back", "refusals", "reasons", "findings", "steps", "complaints", "broken"})
_NAMED = re.compile(r"\bmigrator ([a-z]+)\b(?: ([a-z]+)\b)?(?! --data-dir)")


def verb_of(ctx: click.Context) -> str:
    """Return the verb that runs in *ctx*, as it is written: ``quarantine list``."""
    return ctx.command_path.partition(" ")[2]


class Verb(click.Command):
    """A verb whose errors name complete commands, and are printed as JSON too if that was asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; if it is wrong, print that as JSON too.

        Raises:
            UsageError: It is wrong; Click's or ours.
        """
        written = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            print_usage_as_json(self, ctx, written, error)
            raise
        except MigratorError as error:
            _print_as_json(ctx, error, _read_in_part(self, ctx, written))
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; convert errors of the system and of SQLite to a sentence with a hint.

        Raises:
            MigratorError: It failed.
        """
        try:
            done = super().invoke(ctx)
        except SystemExit as ended:
            LOG.info("ended with exit code %s", ended.code)
            raise
        except KeyboardInterrupt:
            LOG.info("interrupted")
            raise
        except MigratorError as error:
            error.what, error.hint = completed(error.what), completed(error.hint)
            run_log.failed(error)
            _print_as_json(ctx, error)
            raise
        except BrokenPipeError:
            raise
        except (OSError, sqlite3.Error) as error:
            folder = ctx.params.get("data_dir")
            told = error_hints.told(error, [folder] if isinstance(folder, Path) else [])
            told.hint = completed(told.hint)
            run_log.failed(told, error)
            _print_as_json(ctx, told)
            raise told from error
        LOG.info("ended with exit code 0")
        return done


def print_usage_as_json(
    command: click.Command, ctx: click.Context, written: list[str], error: click.UsageError
) -> None:
    """Print *error* to stdout as a JSON object, if the command line *written*, read as that of *command*, asks for one."""
    if _asks_for_json(_read_in_part(command, ctx, written)):
        reason = error.format_message()
        click.echo(envelope.text(verb_of(ctx), None, code=error.exit_code, refusals=(reason,)), nl=False)


def _read_in_part(command: click.Command, ctx: click.Context, written: list[str]) -> Mapping[str, Any]:
    """Return the options of *command* that can be read from a wrong command line, or from the environment."""
    lenient = click.Context(
        command,
        ctx.parent,
        ctx.info_name,
        resilient_parsing=True,
        ignore_unknown_options=True,
        allow_extra_args=True,
    )
    click.Command.parse_args(command, lenient, list(written))
    return lenient.params


def _asks_for_json(given: Mapping[str, Any]) -> bool:
    """Return whether a verb with the options *given* prints a JSON object to stdout; a report does without --json."""
    return bool(given.get("as_json")) or (given.get("form"), given.get("output")) == ("json", "-")


def _print_as_json(ctx: click.Context, error: MigratorError, given: Mapping[str, Any] | None = None) -> None:
    """Print *error* to stdout as the verb's JSON object, if the options *given*, or those of *ctx*, ask for one."""
    if _asks_for_json(ctx.params if given is None else given):
        reason = escaping.escaped(str(error))
        click.echo(envelope.text(verb_of(ctx), None, code=error.exit_code, refusals=(reason,)), nl=False)


def completed(sentence: str) -> str:
    """Return *sentence* with the options of the running verb behind each command of migrator."""
    return _NAMED.sub(lambda match: _command(match[1], match[2] or "") or match[0], sentence)


def completed_values(value: Any, *, sentences: bool = False) -> Any:
    """Return a record's plain *value* with complete commands in the fields that hold sentences."""
    if isinstance(value, str):
        return completed(value) if sentences else value
    if isinstance(value, list):
        return [completed_values(item, sentences=sentences) for item in value]
    if isinstance(value, Mapping):
        return {key: completed_values(item, sentences=sentences or key in _SENTENCES) for key, item in value.items()}
    return value


def completed_text(shown: RenderableType) -> RenderableType:
    """Return what is to be *shown* with complete commands in its sentences; tables hold none."""
    if isinstance(shown, Group):
        return Group(*map(completed_text, shown.renderables))
    if not isinstance(shown, Text) or not _NAMED.search(shown.plain):
        return shown
    # A folded command cannot be copied.
    return Text(completed(shown.plain), style=shown.style, no_wrap=True, overflow="ignore")


def _command(verb: str, after: str) -> str:
    """Return the command *verb* with the options of the running verb; '' if there is no such verb, or none runs.

    The word *after* it belongs to the command if *verb* is a group of commands.
    """
    context = click.get_current_context(silent=True)
    verbs = context and context.find_root().command
    known = verbs.commands.get(verb) if isinstance(verbs, click.Group) else None
    if context is None or known is None:
        return ""
    ends = [after] if after else []
    words = ["migrator", verb]
    if isinstance(known, click.Group) and after in known.commands:
        known, words, ends = known.commands[after], ["migrator", verb, after], []
    taken = {option.name: option.opts[0] for option in known.params}
    of_pair = all(context.params.get(name) for name in _PAIR)
    for name in _CARRIED_ON:
        given = context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)
        if name in taken and (given if name != "data_dir" else not of_pair):
            words += _option(taken[name], context.params.get(name))
    return " ".join([*words, *ends])


def _option(option: str, value: Path | tuple[Path, ...] | bool | None) -> list[str]:
    if isinstance(value, bool):
        return [option] if value else []
    values = value if isinstance(value, tuple) else () if value is None else (value,)
    return [f"{option} {quoted(paths.beside_itself(path))}" for path in values]
