"""Proves a build: every legacy row is rebuilt from the target, and cells that back cannot compute are kept in ``rest``.

Provers read: first they find the rows that differ, then they rebuild them.  Many rows are shared by two provers, one of them
in a process of its own.  Between the two rounds the connection of the build writes ``rest``.
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

#: Number of mapped rows from which a second process saves more time than its start takes.
SHARED_FROM = 50_000

_Result = TypeVar("_Result")
AnyProver: TypeAlias = "Prover | ProcessProver"


def prove(
    connection: sqlite3.Connection,
    target: str,
    paths: Mapping[str, Path],
    mapped: Sequence[TableMapping],
    constants: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Write the rest of every mapped row; return the rows that are still not rebuilt: none, if the build is right.

    Args:
        connection: The *target* is attached for writing, filled and committed, with its indexes.
        target: ``core``, ``analytics`` or ``cache``.
        paths: Database -> file, of the sources and the target.
        mapped: The mappings of the target, without stubs.
        constants: The constants of the mappings.

    Returns:
        Legacy table -> keys of its rows that are not rebuilt.

    Raises:
        BuildError: A row that differs has no lineage row for its rest, or the second process was killed.
        sqlite3.Error: The disk is full, or SQLite cannot run a mapping.
    """
    rows = {mapping.source: _rows(connection, mapping) for mapping in mapped}
    largest_first = sorted(mapped, key=lambda mapping: rows[mapping.source], reverse=True)
    waiting = deque(_proof(mapping, constants) for mapping in largest_first)
    with provers_of(target, paths, sum(rows.values())) as provers:
        differing_rows = share([(prover, waiting) for prover in provers], lambda prover, proof: prover.find(proof))
        connection.execute("BEGIN")
        for prover, proof, rests in differing_rows:
            if (kept := _keep(connection, target, prover, proof)) != rests:
                raise BuildError(
                    f"{rests:,} rows differ from the rebuilt ones, {kept:,} of them have lineage to keep the difference",
                    where=proof.source,
                    hint="please report this as a bug",
                )
        connection.execute("COMMIT")
        # A prover has the rows that it found itself.
        theirs = [
            (prover, deque(proof for finder, proof, _ in differing_rows if finder is prover)) for prover in provers
        ]
        rebuilt = share(theirs, lambda prover, proof: prover.rebuild(proof))
        return {proof.source: tuple(bad) for _, proof, bad in rebuilt if bad}


def _rows(connection: sqlite3.Connection, mapping: TableMapping) -> int:
    counted = f"SELECT count(*) FROM {mapping.target}.lineage WHERE source = ?"
    return int(connection.execute(counted, (mapping.source,)).fetchone()[0])


def _proof(mapping: TableMapping, constants: Mapping[str, str]) -> Proof:
    first = (
        f"SELECT min(x.rowid) FROM {mapping.target}.lineage AS x"
        f" WHERE x.source = '{mapping.source}' AND x.legacy_key = +d.legacy_key AND x.target = '{mapping.table}'"
    )
    return Proof(
        source=mapping.source,
        database=mapping.database,
        given=mapping.given(constants),
        find=f"SELECT d.legacy_key AS legacy_key, d.rest AS rest, ({first}) AS at FROM ({reverse_sql.rest_sql(mapping)}) AS d",
        rebuilt=reverse_sql.mismatches_sql(mapping, differing(mapping.source)),
        quarantined=reverse_sql.quarantine_mismatches_sql(mapping),
    )


@contextlib.contextmanager
def provers_of(target: str, paths: Mapping[str, Path], rows: int) -> Iterator[Sequence[AnyProver]]:
    """Open the provers of *target*: one in this process, and for many *rows* one in a process of its own."""
    with contextlib.ExitStack() as stack:
        provers: list[AnyProver] = [stack.enter_context(contextlib.closing(Prover(target, paths)))]
        if rows >= SHARED_FROM and worker_process.processors() > 1:
            provers.append(stack.enter_context(contextlib.closing(ProcessProver(target, paths))))
        yield provers


def share(
    queues: Sequence[tuple[AnyProver, deque[Proof]]], work: Callable[[AnyProver, Proof], _Result]
) -> list[tuple[AnyProver, Proof, _Result]]:
    """Let each prover work off its queue, the first in this thread; return prover, proof and result of each."""
    done: list[tuple[AnyProver, Proof, _Result]] = []

    def work_off(prover: AnyProver, queue: deque[Proof]) -> None:
        while True:
            try:
                proof = queue.popleft()
            except IndexError:
                return
            try:
                done.append((prover, proof, work(prover, proof)))
            except BaseException:
                # The other prover stops after its present proof.
                queue.clear()
                raise

    with ThreadPoolExecutor(len(queues)) as threads:
        others = [threads.submit(work_off, *queue) for queue in queues[1:]]
        try:
            work_off(*queues[0])
        except BaseException:
            # Ends a prover that is still at work; its results are not needed.
            for other, _ in queues[1:]:
                other.close()
            raise
        for other_thread in others:
            other_thread.result()
    return done


def _keep(connection: sqlite3.Connection, target: str, prover: AnyProver, proof: Proof) -> int:
    """Write the rests that *prover* has found; return the number of lineage rows that were updated."""
    kept = last = 0
    while rests := prover.rests(proof, last):
        kept += connection.executemany(
            f"UPDATE {target}.lineage SET rest = ? WHERE rowid = ?", [(rest, at) for _, rest, at in rests]
        ).rowcount
        last = rests[-1][0]
    return kept


class ProcessProver:
    """A prover in a process of its own."""

    def __init__(self, target: str, paths: Mapping[str, Path]) -> None:
        self._process = worker_process.start("migrator.stages.build.proof_worker", stderr=None)
        self._send([target, {name: str(path) for name, path in paths.items()}])

    def find(self, proof: Proof) -> int:
        """As :meth:`Prover.find`."""
        rows: int = self._request("find", proof)
        return rows

    def rests(self, proof: Proof, above: int) -> Sequence[tuple[int, str, int]]:
        """As :meth:`Prover.rests`."""
        rests: Sequence[tuple[int, str, int]] = self._request("rests", proof, above)
        return rests

    def rebuild(self, proof: Proof) -> Sequence[str]:
        """As :meth:`Prover.rebuild`."""
        keys: Sequence[str] = self._request("rebuild", proof)
        return keys

    def close(self) -> None:
        """End the process."""
        worker_process.end(self._process)

    def _request(self, method: str, proof: Proof, *arguments: int) -> Any:
        """Call a *method* of the prover in the process; return its result.

        Raises:
            BuildError: The process was killed.
            sqlite3.Error: The prover raised it.
        """
        self._send([method, proof, *arguments])
        _, answers = worker_process.pipes(self._process)
        line = answers.readline()
        if not line.endswith(b"\n"):
            status = worker_process.end(self._process)
            raise BuildError(
                f"the second process of the proof was killed: {worker_process.ending(status)}",
                where=proof.source,
                hint="run: migrator build",
            )
        answer = json.loads(line)
        if "error" in answer:
            error = sqlite3.OperationalError(answer["error"])
            error.sqlite_errorname = answer["name"]
            raise error
        return answer["answer"]

    def _send(self, line: list[Any]) -> None:
        requests, _ = worker_process.pipes(self._process)
        # A killed process does not answer, which is found out when the answer is read.
        with contextlib.suppress(BrokenPipeError):
            requests.write(json.dumps(line).encode("ascii") + b"\n")
            requests.flush()
