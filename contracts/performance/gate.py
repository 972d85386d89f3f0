"""What the gate compares with: plans, steps and ratios as they were recorded, for each version of SQLite.

``contracts/9_budget/recorded.json`` is in the repository.  Where it knows nothing of this SQLite, or of what makes the
specimens, that is said, and written down beside the results of the run for somebody to commit; it is no failure.
"""

from __future__ import annotations

import gc
import json
import math
import multiprocessing
import os
import platform
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from migrator.config import config_file
from migrator.mapping import reader as mapping_reader
from migrator.pipeline import migrate as pipeline_migrate
from migrator.records.backup import Snapshot
from migrator.switch.workspace import Workspace

#: What is recorded in the repository, and the environment's order to record anew: a folder to write to, or ``repository``.
RECORDED = Path(__file__).parent.parent / "9_budget" / "recorded.json"
RECORD = "BUDGET_RECORD"
#: Steps of a build are counted by so many.
EVERY = 100


def made_by() -> str:
    """Return what plans and steps depend on: the version of SQLite, and of what draws the specimens."""
    return f"sqlite {sqlite3.sqlite_version}, faker {version('faker')}"


def processor() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


class Record:
    """What was recorded for this SQLite, and what this run found.

    Attributes:
        known: What was recorded: what it is -> plan, steps or ratio.
        found: What this run found.
        times: Median seconds of each benchmark of this run, by its name.
    """

    def __init__(self, path: Path = RECORDED) -> None:
        self.path = path
        self.every: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.known = self.every.get(made_by(), {})
        self.found: dict[str, Any] = {}
        self.times: dict[str, float] = {}

    def compare(self, what: str, found: Any) -> Any:
        """Take *found* down, and return what was recorded of the same; None if nothing was, or is to be recorded anew."""
        self.found[what] = found
        return None if os.environ.get(RECORD) else self.known.get(what)

    @property
    def news(self) -> dict[str, Any]:
        """What this run found and nobody had recorded."""
        return {what: found for what, found in self.found.items() if os.environ.get(RECORD) or what not in self.known}

    def keep(self, beside: Path) -> Path | None:
        """Write what is new down, in the repository where that is ordered, else to *beside*; return where, or None."""
        if not self.news:
            return None
        path = self.path if os.environ.get(RECORD) == "repository" else beside
        path.parent.mkdir(parents=True, exist_ok=True)
        everything = self.every | {made_by(): self.known | self.news}
        path.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return path


def advice(history: Path, times: Mapping[str, float]) -> list[str]:
    """Return a sentence for each of *times* on the newest run that pytest-benchmark stored below *history*: advice only."""
    stored = sorted(history.glob("*/*.json"))
    if not stored or not times:
        return []
    before = {one["name"]: one for one in json.loads(stored[-1].read_text(encoding="utf-8"))["benchmarks"]}
    said = []
    for name in sorted(times.keys() & before.keys()):
        extra = before[name]["extra_info"]
        if (extra.get("processor"), extra.get("made_by")) == (processor(), made_by()):
            was = before[name]["stats"]["median"]
            said.append(f"advice: {name} took {times[name]:.2f} s, and {was:.2f} s in {stored[-1].name}")
        else:
            was = f"{extra.get('processor')}, {extra.get('made_by')}"
            said.append(f"advice: {name} is not compared with {stored[-1].name}, which is of {was}")
    return said


@contextmanager
def counting(every: int = EVERY) -> Iterator[Callable[[], int]]:
    """Count the steps of SQLite's virtual machine on every connection that is opened meanwhile, in children too."""
    total = multiprocessing.Value("q", 0)
    connect = sqlite3.connect

    def step() -> None:
        with total.get_lock():
            total.value += every

    def opened(*place: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*place, **options)
        connection.set_progress_handler(step, every)
        return connection

    sqlite3.connect = opened  # type: ignore[assignment]
    try:
        yield lambda: total.value
    finally:
        sqlite3.connect = connect


def cpu_s() -> float:
    """Return the seconds of processor time that this process and its ended children took."""
    took = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in took)


@contextmanager
def alone() -> Iterator[Callable[[], float]]:
    """Time what is done meanwhile, in seconds of processor time, without looking for garbage that others left."""
    gc.collect()
    gc.disable()
    begun = cpu_s()
    ended = math.nan
    try:
        yield lambda: ended - begun
    finally:
        ended = cpu_s()
        gc.enable()


class Bench:
    """A snapshot of a legacy set, to be built again and again.

    Attributes:
        workspace: The data directory.
        snapshot: Its snapshot.
        mapped: The mappings that a build of it follows.
    """

    def __init__(self, legacy: Path) -> None:
        self.workspace = Workspace(legacy)
        self._config = config_file.load(config_file.beside(legacy))
        planned = pipeline_migrate.plan(self.workspace, self._config)
        self.mapped = [one for table in planned.tables for one in mapping_reader.sources_of(table)]
        self.snapshot: Snapshot = pipeline_migrate.backup(planned, self.workspace)

    def clear(self) -> None:
        """Remove what the last build made: a finished build is left as it is."""
        shutil.rmtree(self.workspace.stage, ignore_errors=True)

    def build(self) -> Path:
        """Build, and return the stage."""
        return pipeline_migrate.build(self.workspace, self._config, self.snapshot).stage

    def steps(self) -> int:
        """Return how many steps a build takes."""
        self.clear()
        with counting() as count:
            self.build()
            return count()
