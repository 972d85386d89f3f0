"""The proof of a build: what back cannot know of a row is kept beside its lineage, and every row is rebuilt.

Nearly all of it is reading, which two provers share where there is much, one of them in a process of its own.  What is
kept is written by the one connection that writes, between their two rounds.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from migrator.errors import BuildError
from migrator.mapping import reverse_sql
from migrator.mapping.model import TableMapping
from migrator.stages.build.proof_worker import Proof, Prover, differing
from migrator.system import worker_process

#: Number of mapped rows from which a second process is worth its start.
SHARED_FROM = 50_000

_Found = TypeVar("_Found")
AnyProver: TypeAlias = "Prover | Aside"


def prove(
    connection: sqlite3.Connection,
    target: str,
    paths: Mapping[str, Path],
    mapped: Sequence[TableMapping],
    constants: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Keep the rest of every mapped row, and return the keys of rows that are not rebuilt, by source: none is the proof.

    Args:
        connection: Has the *target* attached for writing, loaded and committed, with its indexes.
        target: ``core``, ``analytics`` or ``cache``.
        paths: The file of each database that is read, the target's under its own name.
        mapped: The mappings of the target whose rows have a legacy row.
        constants: What the mappings are given.

    Raises:
        BuildError: A row that differs has no lineage that could keep how, or the second process was ended.
        sqlite3.Error: The disk is full, or a mapping asks what SQLite cannot answer.
    """
    rows = {one.source: _rows(connection, one) for one in mapped}
    largest_first = sorted(mapped, key=lambda one: rows[one.source], reverse=True)
    waiting = deque(_proof(one, constants) for one in largest_first)
    with provers_of(target, paths, sum(rows.values())) as provers:
        found = share([(prover, waiting) for prover in provers], lambda prover, proof: prover.find(proof))
        connection.execute("BEGIN")
        for prover, proof, rests in found:
            if (kept := _keep(connection, target, prover, proof)) != rests:
                raise BuildError(
                    f"{rests:,} rows differ and {kept:,} could keep how",
                    where=proof.source,
                    hint="please report this as a bug",
                )
        connection.execute("COMMIT")
        # Each has the rows that it has found.
        theirs = [(prover, deque(proof for one, proof, _ in found if one is prover)) for prover in provers]
        rebuilt = share(theirs, lambda prover, proof: prover.rebuild(proof))
        return {proof.source: tuple(bad) for _, proof, bad in rebuilt if bad}


def _rows(connection: sqlite3.Connection, one: TableMapping) -> int:
    asked = f"SELECT count(*) FROM {one.target}.lineage WHERE source = ?"
    return int(connection.execute(asked, (one.source,)).fetchone()[0])


def _proof(one: TableMapping, constants: Mapping[str, str]) -> Proof:
    first = (
        f"SELECT min(x.rowid) FROM {one.target}.lineage AS x"
        f" WHERE x.source = '{one.source}' AND x.legacy_key = +d.legacy_key AND x.target = '{one.table}'"
    )
    return Proof(
        source=one.source,
        database=one.database,
        given=one.given(constants),
        find=f"SELECT d.legacy_key AS legacy_key, d.rest AS rest, ({first}) AS at FROM ({reverse_sql.rest_sql(one)}) AS d",
        rebuilt=reverse_sql.mismatches_sql(one, differing(one.source)),
        quarantined=reverse_sql.quarantine_mismatches_sql(one),
    )


@contextlib.contextmanager
def provers_of(target: str, paths: Mapping[str, Path], rows: int) -> Iterator[Sequence[AnyProver]]:
    """Open the provers of *target*: the one here, and where *rows* are many one in a process of its own."""
    with contextlib.ExitStack() as stack:
        provers: list[AnyProver] = [stack.enter_context(contextlib.closing(Prover(target, paths)))]
        if rows >= SHARED_FROM and worker_process.processors() > 1:
            provers.append(stack.enter_context(contextlib.closing(Aside(target, paths))))
        yield provers


def share(
    queues: Sequence[tuple[AnyProver, deque[Proof]]], work: Callable[[AnyProver, Proof], _Found]
) -> list[tuple[AnyProver, Proof, _Found]]:
    """Let each prover work off its queue, the first here and the others meanwhile; return who found what of which."""
    done: list[tuple[AnyProver, Proof, _Found]] = []

    def work_off(prover: AnyProver, queue: deque[Proof]) -> None:
        while True:
            try:
                proof = queue.popleft()
            except IndexError:
                return
            try:
                done.append((prover, proof, work(prover, proof)))
            except BaseException:
                # The other need not go on.
                queue.clear()
                raise

    with ThreadPoolExecutor(len(queues)) as threads:
        others = [threads.submit(work_off, *one) for one in queues[1:]]
        try:
            work_off(*queues[0])
        except BaseException:
            # The other results are no longer needed.
            for other, _ in queues[1:]:
                other.close()
            raise
        for one in others:
            one.result()
    return done


def _keep(connection: sqlite3.Connection, target: str, prover: AnyProver, proof: Proof) -> int:
    """Write the rests that *prover* has found; return how many rows of lineage took one."""
    kept = last = 0
    while rests := prover.rests(proof, last):
        kept += connection.executemany(
            f"UPDATE {target}.lineage SET rest = ? WHERE rowid = ?", [(rest, at) for _, rest, at in rests]
        ).rowcount
        last = rests[-1][0]
    return kept


class Aside:
    """A prover in a process of its own."""

    def __init__(self, target: str, paths: Mapping[str, Path]) -> None:
        self._process = worker_process.start("migrator.stages.build.proof_worker", stderr=None)
        self._say([target, {name: str(path) for name, path in paths.items()}])

    def find(self, proof: Proof) -> int:
        """As :meth:`Prover.find`."""
        found: int = self._ask("find", proof)
        return found

    def rests(self, proof: Proof, above: int) -> Sequence[tuple[int, str, int]]:
        """As :meth:`Prover.rests`."""
        found: Sequence[tuple[int, str, int]] = self._ask("rests", proof, above)
        return found

    def rebuild(self, proof: Proof) -> Sequence[str]:
        """As :meth:`Prover.rebuild`."""
        found: Sequence[str] = self._ask("rebuild", proof)
        return found

    def close(self) -> None:
        """End it."""
        worker_process.end(self._process)

    def _ask(self, what: str, proof: Proof, *given: int) -> Any:
        """Return the answer.

        Raises:
            BuildError: The process was ended.
            sqlite3.Error: As the prover raises it there.
        """
        self._say([what, proof, *given])
        _, told = worker_process.pipes(self._process)
        line = told.readline()
        if not line.endswith(b"\n"):
            status = worker_process.end(self._process)
            raise BuildError(
                f"the process that helps to prove it was ended: {worker_process.ending(status)}",
                where=proof.source,
                hint="run this again",
            )
        answer = json.loads(line)
        if "error" in answer:
            error = sqlite3.OperationalError(answer["error"])
            error.sqlite_errorname = answer["name"]
            raise error
        return answer["answer"]

    def _say(self, line: list[Any]) -> None:
        said, _ = worker_process.pipes(self._process)
        # What a process that was ended does not read any more is found out when its answer is missing.
        with contextlib.suppress(BrokenPipeError):
            said.write(json.dumps(line).encode("ascii") + b"\n")
            said.flush()
