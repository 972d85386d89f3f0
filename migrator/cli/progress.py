"""Shows on stderr how far a run is: live on a terminal, elsewhere a line per stage; writes both to the log of the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from migrator.cli import run_log
from migrator.cli.run_log import LOG
from migrator.records.observer import Observer

#: Share of the parts that must be done before the time left is estimated.
_ENOUGH = 0.05


class _Stage:
    """A stage under way: its parts, and how many are done.

    Attributes:
        name: Its name.
        total: Number of its parts; 0 while that is not known.
        unit: What the parts are.
        done: Number of parts that are done.
        rows: Rows in them.
    """

    def __init__(self, name: str, total: int, unit: str) -> None:
        self.name = name
        self.total = total
        self.unit = unit
        self.done = 0
        self.rows = 0
        self._begun = time.monotonic()
        self._counting = self._begun

    def set(self, done: int, total: int) -> None:
        """Set how many of how many parts are done; what came before their number was known takes none of the time per part."""
        if not self.total:
            self._counting = time.monotonic()
        self.done, self.total = done, total

    @property
    def seconds(self) -> float:
        """The time since it began [s]."""
        return time.monotonic() - self._begun

    @property
    def count(self) -> str:
        """How many parts are done: ``312 of 674 contracts``."""
        return f"{self.done:,} of {self.total:,} {self.unit}" if self.total else ""

    @property
    def rate(self) -> str:
        """Rows per second; '' if no rows are counted."""
        return f"{self.rows / self.seconds:,.0f} rows/s" if self.rows and self.seconds else ""

    @property
    def left(self) -> str:
        """The time that it will still take if the rest goes as what is done did, ``about 12 s left``; '' if too little is done."""
        if self.done < self.total * _ENOUGH or self.done >= self.total:
            return ""
        return f"about {(time.monotonic() - self._counting) / self.done * (self.total - self.done):.0f} s left"

    def summary(self) -> str:
        """Return one line about the finished stage."""
        parts = (
            f"{self.done:,} {self.unit}" if self.done else "",
            f"{self.rows:,} rows" if self.rows else "",
            self.rate,
        )
        return ", ".join(filter(None, (f"{self.name}: {self.seconds:.1f} s", *parts)))


class _Shown(Observer):
    """Counts the parts of each stage, and writes them to the log; a subclass shows them."""

    def __init__(self) -> None:
        self._stage: _Stage | None = None

    def stage(self, name: str, total: int = 0, unit: str = "") -> None:
        """End the stage before, and begin this one."""
        self.end()
        self._stage = _Stage(name, total, unit)
        LOG.info("%s begins", name)
        self.show(self._stage)

    def progress(self, part: str, rows: int, seconds: float) -> None:
        """Count one part more."""
        LOG.info("%s: %s rows in %.2f s", part, f"{rows:,}", seconds)
        if self._stage is not None:
            self._stage.done += 1
            self._stage.rows += rows
            self.show(self._stage)

    def done(self, number: int, total: int) -> None:
        """Set how many parts are done."""
        if self._stage is not None and total:
            self._stage.set(number, total)
            self.show(self._stage)

    def end(self) -> None:
        """End the stage under way."""
        if self._stage is not None:
            LOG.info(self._stage.summary())
            self.ended(self._stage)
            self._stage = None

    def show(self, stage: _Stage) -> None:
        """Show how far *stage* is."""

    def ended(self, stage: _Stage) -> None:
        """Show that *stage* has ended."""


class _Lines(_Shown):
    """A line for each stage that has ended."""

    def ended(self, stage: _Stage) -> None:
        """Print the line, unless the log goes to stderr too and has it."""
        if not run_log.is_on_stderr():
            click.echo(f"migrator: {stage.summary()}", err=True)


class _Live(_Shown):
    """A line that moves: stage, bar, parts, elapsed, rows per second, time left."""

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task("begin", total=None, count="", rate="", left="")

    def show(self, stage: _Stage) -> None:
        """Move the line."""
        self._bar.update(
            self._task,
            description=stage.name,
            total=stage.total or None,
            completed=stage.done,
            count=stage.count,
            rate=stage.rate,
            left=stage.left,
        )


@contextmanager
def shown(*, quiet: bool, total: int = 0, unit: str = "") -> Iterator[Observer]:
    """Return an observer that shows how far a run is, unless *quiet*; with *total* it has one stage of that many parts."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        watching: _Shown = _Shown() if quiet else _Lines()
        yield _begun(watching, total, unit)
        watching.end()
        return
    texts = [TextColumn(f"{{task.fields[{name}]}}") for name in ("count", "rate", "left")]
    with Progress(
        TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn(), *texts, console=console, transient=True
    ) as bar:
        watching = _Live(bar)
        yield _begun(watching, total, unit)
        watching.end()


def _begun(watching: _Shown, total: int, unit: str) -> Observer:
    if total:
        watching.stage(unit, total, unit)
    return watching
