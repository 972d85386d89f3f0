"""What is measured of one legacy set: ours, the limit, and the peers, each in a process of its own, by turns."""

from __future__ import annotations

import ctypes
import importlib.util
import multiprocessing
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from contracts.performance import gate, peers
from migrator.mapping import reverse_sql
from migrator.mapping.model import TableMapping
from migrator.schema import catalogue
from migrator.stages.build import proof as build_proof
from migrator.stages.build.proof_worker import Proof
from migrator.system import connections
from migrator.system.connections import quoted

#: Where Linux reports sizes in KiB.
_MIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What one run of something took.

    Attributes:
        wall_s: Seconds on the clock.
        cpu_s: Seconds of processor time, children included.
        peak_mib: Most memory that one process held at once: itself above what it began with, a program that it started all
            of it; in MiB, and None where the work was a program of which the kernel does not tell.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float | None


def measure(work: Callable[[], object]) -> Measure:
    """Run *work* in a process of its own.

    Raises:
        RuntimeError: It failed.
    """
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_measured, args=(work, there))
    process.start()
    there.close()
    try:
        found = here.recv()
    except EOFError as error:
        raise RuntimeError("what was measured failed") from error
    finally:
        process.join()
    return Measure(wall_s=found[0], cpu_s=found[1], peak_mib=found[2])


def _measured(work: Callable[[], object], told: Connection) -> None:
    # What the parent had and let go of would count neither as held before nor, used again, as held by the work.
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _kib("VmRSS")
    cpu_s, begun = gate.cpu_s(), time.perf_counter()
    work()
    wall_s, took_s = time.perf_counter() - begun, gate.cpu_s() - cpu_s
    most = _kib("VmHWM")
    # A program that was started counts with what it was forked from: no more than that says nothing of it.
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    own, known = most - before, started > most or not started
    told.send((wall_s, took_s, max(own, started if known else 0) / _MIB if known or own >= _MIB else None))


def _kib(name: str) -> int:
    """Return what Linux says of the memory of this process, in KiB: ``VmHWM`` is the most since clear_refs (proc(5))."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def prove(legacy: Mapping[str, Path], stage: Path, mapped: Collection[TableMapping]) -> None:
    """Prove the finished set in *stage*: every *mapped* row rebuilt type by type, none too many, every carried row equal.

    It is shared as a build shares its proof, the largest legacy database first.

    Raises:
        ValueError: It is not so.
    """
    largest_first = sorted(legacy, key=lambda database: legacy[database].stat().st_size, reverse=True)
    for target, name in catalogue.TARGETS.items():
        paths = {**legacy, target: stage / name}
        with closing(connections.memory()) as connection:
            connections.attach(connection, paths[target], target)
            (rows,) = connection.execute(f"SELECT count(*) FROM {target}.lineage").fetchone()
            carried = {one: _carried(connection, target, one, legacy[one]) for one in largest_first}
        waiting: deque[Proof] = deque()
        for database in largest_first:
            waiting += [
                _mapped(one) for one in mapped if (one.target, one.database, one.stub) == (target, database, "")
            ]
            waiting += carried[database]
        with build_proof.provers_of(target, paths, rows) as provers:
            proved = build_proof.share(
                [(prover, waiting) for prover in provers], lambda prover, proof: prover.rebuild(proof)
            )
        if bad := {proof.source: keys for _, proof, keys in proved if keys}:
            raise ValueError(f"not proved: {bad}")


def _mapped(one: TableMapping) -> Proof:
    key = f"s.{quoted(one.key)}"
    kept = f"SELECT legacy_key FROM {one.target}.{{}} WHERE source = '{one.source}' AND target = '{one.table}'"
    lost = (
        f"SELECT {key} FROM {quoted(one.database)}.{quoted(one.source_table)} AS s WHERE {key} NOT IN"
        f" ({kept.format('lineage')}) AND {key} NOT IN ({kept.format('quarantine')} AND legacy_key IS NOT NULL)"
    )
    return Proof(
        source=one.source,
        database=one.database,
        # A specimen has no table whose way back asks for a constant.
        given=one.given({}),
        find="",
        rebuilt=reverse_sql.mismatches_sql(one),
        quarantined=f"{reverse_sql.quarantine_mismatches_sql(one)}\nUNION ALL\n{lost}",
    )


def _carried(connection: sqlite3.Connection, target: str, database: str, path: Path) -> list[Proof]:
    connections.attach(connection, path, database)
    found = []
    for table in peers.tables(connection, database):
        carried = f"legacy_{database}_{table}"
        columns = connection.execute("SELECT name FROM pragma_table_info(?, ?)", (carried, target)).fetchall()
        ours, theirs = f"{target}.{quoted(carried)}", f"{quoted(database)}.{quoted(table)}"
        same = " AND ".join(
            f"+o.{quoted(name)} IS +t.{quoted(name)} AND typeof(o.{quoted(name)}) = typeof(t.{quoted(name)})"
            for (name,) in columns
        )
        both = [
            f"SELECT o.rowid FROM {one} AS o LEFT JOIN {other} AS t ON t.rowid = o.rowid WHERE NOT ({same})"
            for one, other in ((ours, theirs), (theirs, ours))
        ]
        if columns:
            found.append(Proof(f"{database}.{table}", database, {}, "", *both))
    connection.execute(f"DETACH {quoted(database)}")
    return found


def works(
    legacy: Path, scratch: Path, first: Callable[[Callable[[], object]], object] = lambda build: build()
) -> dict[str, Callable[[], object]]:
    """Return what is measured, by its name, prepared in *scratch*: a snapshot and a finished build of *legacy*.

    *first* runs the build that makes the latter.
    """
    bench = gate.Bench(legacy)
    paths = {
        database.name: bench.snapshot.folder / database.place
        for database in catalogue.legacy_databases()
        if not database.standalone and (bench.snapshot.folder / database.place).is_file()
    }
    bench.clear()
    finished = scratch / "finished"
    first(bench.build)
    shutil.copytree(bench.workspace.stage, finished)
    copies = scratch / "copies"
    copies.mkdir()
    for path in paths.values():
        shutil.copyfile(path, copies / path.name)
    three = [finished / name for name in catalogue.TARGETS.values()]
    files = list(paths.values())

    def into(work: Callable[[Sequence[Path], Path], None], sources: Sequence[Path]) -> Callable[[], object]:
        def run() -> None:
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                work(sources, Path(folder))

        return run

    # It makes a snapshot of its own: the others go on reading theirs.
    data_dir = scratch / "migrated"
    shutil.copytree(legacy, data_dir, ignore=lambda folder, _: catalogue.OUR_FOLDERS if Path(folder) == legacy else ())

    def migrate() -> None:
        for ours in catalogue.OUR_FOLDERS:
            shutil.rmtree(data_dir / ours, ignore_errors=True)
        command = [sys.executable, "-m", "migrator", "migrate", "--data-dir", str(data_dir)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own module

    def build() -> None:
        bench.clear()
        bench.build()

    found: dict[str, Callable[[], object]] = {
        "build": build,
        "VACUUM INTO": into(peers.vacuum_into, three),
        "cp of the three": into(peers.cp, three),
        "naive row by row": into(peers.naive, files),
        "executemany": into(peers.executemany, files),
        "proof": lambda: prove(paths, finished, bench.mapped),
        "reading the rows through SQL": into(peers.read_rows, files),
        "reading all bytes": into(peers.read_bytes, files),
        "EXCEPT both ways": lambda: peers.except_both_ways(files, copies),
    }
    if shutil.which("sqlite3"):
        found[".dump into sqlite3"] = into(peers.dump, files)
    if shutil.which("sqldiff"):
        found["sqldiff"] = lambda: peers.sqldiff(files, copies)
    if importlib.util.find_spec("sqlite_utils"):
        found["sqlite-utils"] = into(peers.sqlite_utils, files)
    return found | {"migrate": migrate}


def by_turns(
    found: Mapping[str, Callable[[], object]], rounds: Mapping[str, int], tell: Callable[[str], None]
) -> dict[str, list[Measure]]:
    """Measure each as often as *rounds* says, all of them before any again."""
    took: dict[str, list[Measure]] = {name: [] for name in found}
    last = max(rounds.values())
    for number in range(last):
        for name, work in found.items():
            if number < rounds[name]:
                took[name].append(measure(work))
                tell(f"round {number + 1} of {last}: {name} {took[name][-1].wall_s:.2f} s")
    return took


def ratio(took: Mapping[str, Sequence[Measure]], one: str, other: str, what: str) -> float:
    """Return the median over the rounds that had both, of the ``wall_s`` or ``cpu_s`` of *one* by that of *other*."""
    pairs: Iterable[tuple[Measure, Measure]] = zip(took[one], took[other], strict=False)
    return float(statistics.median(getattr(a, what) / max(getattr(b, what), 1e-6) for a, b in pairs))


def load() -> str:
    """Return how busy the machine is: processes that wanted to run, over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"
