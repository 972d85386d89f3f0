"""Measures migrator, its limits and its peers on one legacy set, in alternating rounds."""

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

#: KiB in one MiB; Linux reports memory in KiB.
_MIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The time and memory of one run.

    Attributes:
        wall_s: Seconds on the clock.
        cpu_s: Seconds of processor time, children included.
        peak_mib: Peak memory of one process: its own above that at the start, or the whole of a program that it started;
            in MiB, and None for a program whose memory the kernel does not report.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float | None


def measure(work: Callable[[], object]) -> Measure:
    """Run *work* in a process of its own.

    Raises:
        RuntimeError: The work failed.
    """
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_measured, args=(work, there))
    process.start()
    there.close()
    try:
        result = here.recv()
    except EOFError as error:
        raise RuntimeError("what was measured failed") from error
    finally:
        process.join()
    return Measure(wall_s=result[0], cpu_s=result[1], peak_mib=result[2])


def _measured(work: Callable[[], object], told: Connection) -> None:
    # Memory that the parent had freed would count neither as used before nor, if used again, as used by the work.
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _kib("VmRSS")
    cpu_s, begun = gate.cpu_s(), time.perf_counter()
    work()
    wall_s, took_s = time.perf_counter() - begun, gate.cpu_s() - cpu_s
    most = _kib("VmHWM")
    # The memory of a started program includes that of its parent: a value not above the parent's means nothing.
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    own, known = most - before, started > most or not started
    told.send((wall_s, took_s, max(own, started if known else 0) / _MIB if known or own >= _MIB else None))


def _kib(name: str) -> int:
    """Return a memory size of this process [KiB]; ``VmHWM`` is the peak (proc(5))."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def prove(legacy: Mapping[str, Path], stage: Path, mapped: Collection[TableMapping]) -> None:
    """Prove the set in *stage*: every *mapped* row is rebuilt, every carried row is equal.

    The work is divided like the proof of a build, the largest legacy database first.

    Raises:
        ValueError: A row differs.
    """
    largest_first = sorted(legacy, key=lambda database: legacy[database].stat().st_size, reverse=True)
    for target, name in catalogue.TARGETS.items():
        paths = {**legacy, target: stage / name}
        with closing(connections.memory()) as connection:
            connections.attach(connection, paths[target], target)
            (rows,) = connection.execute(f"SELECT count(*) FROM {target}.lineage").fetchone()
            carried = {name: _carried(connection, target, name, legacy[name]) for name in largest_first}
        waiting: deque[Proof] = deque()
        for database in largest_first:
            waiting += [
                _mapped(mapping)
                for mapping in mapped
                if (mapping.target, mapping.database, mapping.stub) == (target, database, "")
            ]
            waiting += carried[database]
        with build_proof.provers_of(target, paths, rows) as provers:
            proved = build_proof.share(
                [(prover, waiting) for prover in provers], lambda prover, proof: prover.rebuild(proof)
            )
        if bad := {proof.source: keys for _, proof, keys in proved if keys}:
            raise ValueError(f"not proved: {bad}")


def _mapped(mapping: TableMapping) -> Proof:
    key = f"s.{quoted(mapping.key)}"
    kept = (
        f"SELECT legacy_key FROM {mapping.target}.{{}} WHERE source = '{mapping.source}' AND target = '{mapping.table}'"
    )
    lost = (
        f"SELECT {key} FROM {quoted(mapping.database)}.{quoted(mapping.source_table)} AS s WHERE {key} NOT IN"
        f" ({kept.format('lineage')}) AND {key} NOT IN ({kept.format('quarantine')} AND legacy_key IS NOT NULL)"
    )
    return Proof(
        source=mapping.source,
        database=mapping.database,
        # Specimens have no table whose way back needs a constant.
        given=mapping.given({}),
        find="",
        rebuilt=reverse_sql.mismatches_sql(mapping),
        quarantined=f"{reverse_sql.quarantine_mismatches_sql(mapping)}\nUNION ALL\n{lost}",
    )


def _carried(connection: sqlite3.Connection, target: str, database: str, path: Path) -> list[Proof]:
    connections.attach(connection, path, database)
    wrong = []
    for table in peers.tables(connection, database):
        carried = f"legacy_{database}_{table}"
        columns = connection.execute("SELECT name FROM pragma_table_info(?, ?)", (carried, target)).fetchall()
        ours, theirs = f"{target}.{quoted(carried)}", f"{quoted(database)}.{quoted(table)}"
        same = " AND ".join(
            f"+o.{quoted(name)} IS +t.{quoted(name)} AND typeof(o.{quoted(name)}) = typeof(t.{quoted(name)})"
            for (name,) in columns
        )
        both = [
            f"SELECT o.rowid FROM {left} AS o LEFT JOIN {right} AS t ON t.rowid = o.rowid WHERE NOT ({same})"
            for left, right in ((ours, theirs), (theirs, ours))
        ]
        if columns:
            wrong.append(Proof(f"{database}.{table}", database, {}, "", *both))
    connection.execute(f"DETACH {quoted(database)}")
    return wrong


def works(
    legacy: Path, scratch: Path, first: Callable[[Callable[[], object]], object] = lambda build: build()
) -> dict[str, Callable[[], object]]:
    """Return the works to measure by name, prepared in *scratch* with a build of *legacy*.

    *first* runs that build.
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

    # It makes a snapshot of its own, while the other works read the common one.
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

    works: dict[str, Callable[[], object]] = {
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
        works[".dump into sqlite3"] = into(peers.dump, files)
    if shutil.which("sqldiff"):
        works["sqldiff"] = lambda: peers.sqldiff(files, copies)
    if importlib.util.find_spec("sqlite_utils"):
        works["sqlite-utils"] = into(peers.sqlite_utils, files)
    return works | {"migrate": migrate}


def by_turns(
    found: Mapping[str, Callable[[], object]], rounds: Mapping[str, int], tell: Callable[[str], None]
) -> dict[str, list[Measure]]:
    """Measure each work in its number of *rounds*, in alternating rounds."""
    took: dict[str, list[Measure]] = {name: [] for name in found}
    last = max(rounds.values())
    for number in range(last):
        for name, work in found.items():
            if number < rounds[name]:
                took[name].append(measure(work))
                tell(f"round {number + 1} of {last}: {name} {took[name][-1].wall_s:.2f} s")
    return took


def ratio(took: Mapping[str, Sequence[Measure]], work: str, limit: str, what: str) -> float:
    """Return the median ratio of *work* to *limit* in *what*, ``wall_s`` or ``cpu_s``."""
    pairs: Iterable[tuple[Measure, Measure]] = zip(took[work], took[limit], strict=False)
    return float(statistics.median(getattr(a, what) / max(getattr(b, what), 1e-6) for a, b in pairs))


def load() -> str:
    """Return the load of the machine: runnable processes over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"
