"""Measures the processor time of a build, statement by statement."""

from __future__ import annotations

import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from contracts.performance import gate
from migrator.stages.build import proof as build_proof
from migrator.system import content_digest, durable_files

#: Beginning of a statement -> its purpose; the first match counts.
_KINDS = (
    ("lineage", r"INSERT INTO \w+\.lineage"),
    ("quarantine", r"INSERT INTO \w+\.quarantine"),
    ("rest", r"CREATE TABLE temp\.\"differing|SELECT rowid, rest, at|UPDATE \w+\.lineage SET rest"),
    ("proof of rows with a rest or in quarantine", r"SELECT r\.legacy_key"),
    ("accounts", r"SELECT count"),
    ("rows", r"INSERT INTO|UPDATE temp\.forward|CREATE TEMP TABLE|CREATE INDEX ids"),
    ("indexes", r"CREATE (?:UNIQUE )?INDEX"),
    ("pages and references", r"PRAGMA (?:integrity_check|(?:\w+\.)?foreign_key_check)"),
    ("ANALYZE", r"ANALYZE"),
    ("on the disk", r"COMMIT|PRAGMA \w+\.(?:journal_mode|wal_checkpoint)"),
)
_REST = "all else: plan, schema, Python"


@dataclass(kw_only=True)
class Profile:
    """The processor time of one run.

    Attributes:
        kinds: Processor time [s] by purpose.
        statements: Processor time [s] by statement, with white space normalised.
        cpu_s: Processor time in all [s].
    """

    kinds: Counter[str] = field(default_factory=Counter)
    statements: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0

    def add(self, kind: str, statement: str, cpu_s: float) -> None:
        """Add *cpu_s* seconds."""
        self.kinds[kind] += cpu_s  # type: ignore[assignment]
        self.statements[statement] += cpu_s  # type: ignore[assignment]


def profile(work: Callable[[], object], found: Profile | None = None) -> Profile:
    """Run *work* in this process and return the times of its SQL in *found*."""
    found = found or Profile()
    with _watched(found):
        begun = gate.cpu_s()
        work()
        found.cpu_s = gate.cpu_s() - begun
    found.kinds[_REST] = max(found.cpu_s - sum(found.kinds.values()), 0.0)  # type: ignore[assignment]
    return found


def kind_of(statement: str) -> str:
    """Return the purpose of *statement*; '' if it is unknown."""
    return next((kind for kind, begins in _KINDS if re.match(begins, statement)), "")


@contextmanager
def _watched(found: Profile) -> Iterator[None]:
    connect = sqlite3.connect

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
            return self._timed(super().execute, sql, *given)

        def executemany(self, sql: str, *given: Any) -> sqlite3.Cursor:
            return self._timed(super().executemany, sql, *given)

        def _timed(self, run: Callable[..., sqlite3.Cursor], sql: str, *given: Any) -> sqlite3.Cursor:
            begun = time.thread_time()
            try:
                return run(sql, *given)
            finally:
                statement = " ".join(sql.split())
                found.add(kind_of(statement) or _REST, statement, time.thread_time() - begun)

    def timed(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            begun = time.thread_time()
            try:
                return function(*given)
            finally:
                found.add(kind, kind, time.thread_time() - begun)

        return run

    whole, table, sync, shared_from = (
        content_digest.digest,
        content_digest.table_digest,
        durable_files.sync_file,
        build_proof.SHARED_FROM,
    )
    sqlite3.connect = lambda *place, **options: connect(*place, factory=Watched, **options)  # type: ignore[assignment]
    # A separate process could not be watched.
    build_proof.SHARED_FROM = sys.maxsize
    content_digest.digest = timed("digest", whole)
    content_digest.table_digest = timed("proof of carried rows", table)
    durable_files.sync_file = timed("on the disk", sync)
    try:
        yield
    finally:
        sqlite3.connect = connect
        content_digest.digest, content_digest.table_digest, durable_files.sync_file, build_proof.SHARED_FROM = (
            whole,
            table,
            sync,
            shared_from,
        )
