"""Runs the bot's queries in a mix, each with its frequency, with or without a writer.

Readers are threads with connections of their own, as in the bot; SQLite runs outside Python's lock.
"""

from __future__ import annotations

import math
import random
import sqlite3
import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.performance import questions
from contracts.performance.workbench import Sets
from migrator.mapping import workload
from migrator.mapping.workload import Question
from migrator.system import connections as system_connections

#: Target rate of the writer [transactions/s].
WRITES_A_SECOND = 200

_TABLE = "CREATE TABLE IF NOT EXISTS written_meanwhile (id INTEGER PRIMARY KEY, at REAL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One form of a query.

    Attributes:
        path: The database.
        ours: Whether it is a consolidated one.
        sql: The statement.
        values: The named parameters of each run.
        weight: Its frequency relative to the others.
    """

    path: Path
    ours: bool
    sql: str
    values: list[dict[str, Any]]
    weight: int

    def open(self) -> sqlite3.Connection:
        """Open the database as the bot does."""
        return (
            system_connections.application(self.path)
            if self.ours
            else system_connections.as_it_was(self.path, isolation_level=None)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """The results of a mix.

    Attributes:
        p50_ms: Median time of a query [ms].
        p95_ms: 95th percentile of the time of a query [ms].
        a_second: Queries per second of all readers together.
        writes_a_second: Transactions per second of the writer.
        locked: Queries that were locked out for longer than the bot waits.
    """

    p50_ms: float
    p95_ms: float
    a_second: float
    writes_a_second: float
    locked: int


def both_forms(sets: Sets) -> tuple[list[Asked], list[Asked]]:
    """Return both forms of every reading query: for the legacy and the consolidated set."""
    pairs = [_forms(sets, question) for question in workload.questions() if not question.writes]
    return [legacy for legacy, _ in pairs if legacy.values], [ours for _, ours in pairs if ours.values]


def _forms(sets: Sets, question: Question) -> tuple[Asked, Asked]:
    values, weight = sets.values(question), workload.WEIGHTS[question.often]
    legacy, ours = sets.paths(question)
    return (
        Asked(path=legacy, ours=False, sql=question.legacy_sql, values=values, weight=weight),
        Asked(path=ours, ours=True, sql=question.sql, values=values, weight=weight),
    )


def one_by_one(sets: Sets, question: Question, *, rounds: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return p50 and p95 of the processor time [ms] of *question* on both databases.

    Runs alternate, on one connection each.
    """
    took: tuple[list[float], list[float]] = ([], [])
    values = sets.values(question) or [dict(questions.nothing(question))]
    with sets.both(question) as connections:
        for number in range(rounds * len(values)):
            for side in (0, 1) if number % 2 else (1, 0):
                begun = time.thread_time()
                questions.ask(
                    connections[side], (question.legacy_sql, question.sql)[side], values[number % len(values)]
                )
                took[side].append(1000 * (time.thread_time() - begun))
    legacy, ours = (_percentiles(times) for times in took)
    return legacy, ours


def _percentiles(took: Sequence[float]) -> tuple[float, float]:
    if len(took) < 2:
        return (took[0], took[0]) if took else (math.nan, math.nan)
    cuts = statistics.quantiles(took, n=20, method="inclusive")
    return statistics.median(took), cuts[-1]


def run(asked: Sequence[Asked], *, readers: int, writing: bool, reuse: bool, seconds: float) -> Mix:
    """Run the mix for *seconds*, with reused connections or one for each query."""
    end = time.monotonic() + seconds
    took: list[list[float]] = [[] for _ in range(readers)]
    locked: list[int] = []
    written: list[int] = []
    threads = [
        threading.Thread(target=_read, args=(asked, end, reuse, number, took[number], locked))
        for number in range(readers)
    ]
    if writing:
        for path in {form.path for form in asked}:
            with closing(system_connections.as_it_was(path, isolation_level=None)) as connection:
                connection.execute(_TABLE)
        threads.append(threading.Thread(target=_write, args=(asked, end, written)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [seconds_ for reader in took for seconds_ in reader]
    p50, p95 = _percentiles(every)
    return Mix(
        p50_ms=p50,
        p95_ms=p95,
        a_second=len(every) / seconds,
        writes_a_second=sum(written) / seconds,
        locked=len(locked),
    )


def _drawn(asked: Sequence[Asked], draw: random.Random) -> Asked:
    return draw.choices(asked, [form.weight for form in asked])[0]


def _read(asked: Sequence[Asked], end: float, reuse: bool, number: int, took: list[float], locked: list[int]) -> None:
    draw = random.Random(number)  # noqa: S311 - the order of the queries
    open_: dict[Path, sqlite3.Connection] = {}
    try:
        while time.monotonic() < end:
            form = _drawn(asked, draw)
            values = draw.choice(form.values)
            begun = time.perf_counter()
            try:
                connection = open_.setdefault(form.path, open_.get(form.path) or form.open()) if reuse else form.open()
                connection.execute(form.sql, values).fetchall()
                if not reuse:
                    connection.close()
                took.append(1000 * (time.perf_counter() - begun))
            except sqlite3.OperationalError:
                # Locked out for longer than the bot waits: counted, and the next query runs.
                locked.append(1)
    finally:
        for connection in open_.values():
            connection.close()


def _write(asked: Sequence[Asked], end: float, written: list[int]) -> None:
    draw = random.Random(-1)  # noqa: S311 - the database that is written to next
    open_: dict[Path, sqlite3.Connection] = {}
    begun, due = time.monotonic(), 0
    try:
        while (now := time.monotonic()) < end:
            due += 1
            time.sleep(max(0.0, begun + due / WRITES_A_SECOND - now))
            form = _drawn(asked, draw)
            connection = open_.get(form.path) or open_.setdefault(form.path, form.open())
            # A write that was locked out is not repeated; the reported rate shows it.
            with suppress(sqlite3.OperationalError):
                connection.execute("INSERT INTO written_meanwhile (at) VALUES (?)", (now,))
                written.append(1)
    finally:
        for connection in open_.values():
            connection.close()
