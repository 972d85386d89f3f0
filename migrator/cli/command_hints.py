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

from migrator.errors import MigratorError
from migrator.system import error_hints, paths
from migrator.system.shell import quoted

#: Options that the command in a hint takes over from the running verb.
_CARRIED_ON = ("data_dir", "include", "config", "env_file", "legacy", "consolidated", "stopped", "catch_up")
#: Options that name a pair instead of a data directory.
_PAIR = ("legacy", "consolidated")
#: Fields of records that hold sentences.
_SENTENCES = frozenset({"next", "refusals", "reasons", "findings", "steps", "complaints"})
_NAMED = re.compile(r"\bmigrator ([a-z]+)\b(?! --data-dir)")


class Verb(click.Command):
    """A verb whose errors name complete commands."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; convert errors of the system and of SQLite to a sentence with a hint.

        Raises:
            MigratorError: It failed.
        """
        try:
            return super().invoke(ctx)
        except MigratorError as error:
            error.what, error.hint = completed(error.what), completed(error.hint)
            raise
        except BrokenPipeError:
            raise
        except (OSError, sqlite3.Error) as error:
            folder = ctx.params.get("data_dir")
            told = error_hints.told(error, [folder] if isinstance(folder, Path) else [])
            told.hint = completed(told.hint)
            raise told from error


def completed(sentence: str) -> str:
    """Return *sentence* with the options of the running verb behind each command of migrator."""
    return _NAMED.sub(lambda match: _command(match[1]) or match[0], sentence)


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


def _command(verb: str) -> str:
    """Return the command *verb* with the options of the running verb; '' if there is no such verb, or none runs."""
    context = click.get_current_context(silent=True)
    verbs = context and context.find_root().command
    known = verbs.commands.get(verb) if isinstance(verbs, click.Group) else None
    if context is None or known is None:
        return ""
    taken = {option.name: option.opts[0] for option in known.params}
    of_pair = all(context.params.get(name) for name in _PAIR)
    words = ["migrator", verb]
    for name in _CARRIED_ON:
        given = context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)
        if name in taken and (given if name != "data_dir" else not of_pair):
            words += _option(taken[name], context.params.get(name))
    return " ".join(words)


def _option(option: str, value: Path | tuple[Path, ...] | bool | None) -> list[str]:
    if isinstance(value, bool):
        return [option] if value else []
    values = value if isinstance(value, tuple) else () if value is None else (value,)
    return [f"{option} {quoted(paths.beside_itself(path))}" for path in values]
