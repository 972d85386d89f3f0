"""The log of a run: a file in ``.migrator/log`` for each command that writes, and with ``-v`` the same lines on stderr.

It holds the command, versions, stages with their times, steps of a switch, and how the command ended.  Like stderr it names files,
tables and keys, and holds no value of a cell.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import platform
import sqlite3
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import click
from click.core import ParameterSource

from migrator.errors import MigratorError
from migrator.system import durable_files, error_hints

LOG = logging.getLogger("migrator")
# Without a handler Python would print warnings by itself.
LOG.addHandler(logging.NullHandler())

#: Logs of each verb that are kept; an older one goes when a new one begins.
_KEPT = 50
#: Parameters with cells, which no log may hold.
_PRIVATE = frozenset({"cells"})
_FORM = logging.Formatter("%(asctime)s.%(msecs)03dZ %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
_FORM.converter = time.gmtime


class _OnStderr(logging.Handler):
    """Prints each line through click, so that it does not cut a live line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print *record*."""
        click.echo(f"migrator: {record.getMessage()}", err=True)


class _InFile(logging.Handler):
    """Appends each line to a file; a full disk costs lines, never the command."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Append *record*."""
        with suppress(OSError):
            os.write(self._descriptor, f"{self.format(record)}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            os.close(self._descriptor)
        super().close()


def to_stderr(ctx: click.Context) -> None:
    """Print the lines of the log on stderr too, until the command in *ctx* ends."""
    ctx.with_resource(_handled(_OnStderr()))


def is_on_stderr() -> bool:
    """Return whether the lines of the log are printed on stderr too."""
    return any(isinstance(handler, _OnStderr) for handler in LOG.handlers)


def open_file(ctx: click.Context, state: Path) -> None:
    """Write the log of the command in *ctx* to a new file below *state*, migrator's folder, if that exists.

    A rollback must be possible on a full disk too: without a file the command goes on.
    """
    if not state.is_dir():
        return
    try:
        handler = _InFile(_new_file(state / "log", ctx.info_name or "run"))
    except OSError as error:
        click.echo(f"migrator: this run has no log: {error_hints.reason(error)}", err=True)
        return
    ctx.with_resource(_handled(handler))
    given = {
        name: value
        for name, value in ctx.params.items()
        if name not in _PRIVATE and ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    LOG.info("%s %s", ctx.command_path, " ".join(f"{name}={value}" for name, value in given.items()))
    LOG.info(
        "migrator %s, SQLite %s, Python %s, %s",
        version("jarvis-consolidation"),
        sqlite3.sqlite_version,
        platform.python_version(),
        platform.platform(),
    )


def _new_file(folder: Path, name: str) -> int:
    """Make a log in *folder*, in which the newest of each verb stay; return its descriptor.

    Raises:
        OSError: The disk is full, or this user may not write there.
    """
    durable_files.make_private_folder(folder)
    for old in sorted(folder.glob(f"*Z-{name}.log"))[: 1 - _KEPT]:
        old.unlink(missing_ok=True)
    return durable_files.create(folder / f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S.%fZ}-{name}.log")


def failed(error: MigratorError, cause: BaseException | None = None) -> None:
    """Write *error* to the log, with where it, or the *cause*, was raised; no message that may hold a cell."""
    where = traceback.format_tb((cause or error).__traceback__)
    sentence = str(error) if error.logged is None else ": ".join(filter(None, (type(error).__name__, error.logged)))
    LOG.info("%s\n%s", sentence, "".join(where).rstrip())


@contextmanager
def _handled(handler: logging.Handler) -> Iterator[None]:
    """Have *handler* get each line of the log."""
    handler.setFormatter(_FORM)
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        handler.close()
