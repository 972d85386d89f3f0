"""The record of the speed gate: plans, steps and ratios, for each version of SQLite.

``contracts/9_budget/recorded.json`` is in the repository.  If it has no figures for this SQLite or for this version of
Faker, the run prints so and writes them beside its results, for a developer to commit; the gate does not fail.
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

#: The record, and the variable that orders a new one: ``repository`` overwrites it, any other value writes beside it.
RECORDED = Path(__file__).parent.parent / "9_budget" / "recorded.json"
RECORD = "BUDGET_RECORD"
#: Precision of the count of a build's steps [steps].
EVERY = 100


def made_by() -> str:
    """Return the versions on which plans and steps depend: of SQLite and of Faker."""
    return f"sqlite {sqlite3.sqlite_version}, faker {version('faker')}"


def processor() -> str:
    """Return the model name of the processor and its number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


class Record:
    """The recorded figures for this SQLite, and the figures of this run.

    Attributes:
        known: The recorded figures: name -> plan, steps or ratio.
        found: The figures of this run.
        times: Median time of each benchmark of this run [s], by its name.
    """

    def __init__(self, path: Path = RECORDED) -> None:
        self.path = path
        self.every: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.known = self.every.get(made_by(), {})
        self.found: dict[str, Any] = {}
        self.times: dict[str, float] = {}

    def compare(self, what: str, found: Any) -> Any:
        """Keep *found* and return the recorded figure, or None."""
        self.found[what] = found
        return None if os.environ.get(RECORD) else self.known.get(what)

    @property
    def news(self) -> dict[str, Any]:
        """The figures of this run that are not recorded."""
        return {what: found for what, found in self.found.items() if os.environ.get(RECORD) or what not in self.known}

    def keep(self, beside: Path) -> Path | None:
        """Write new figures to the record if ordered, else to *beside*; return the file."""
        if not self.news:
            return None
        path = self.path if os.environ.get(RECORD) == "repository" else beside
        path.parent.mkdir(parents=True, exist_ok=True)
        everything = self.every | {made_by(): self.known | self.news}
        path.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return path


def advice(history: Path, times: Mapping[str, float]) -> list[str]:
    """Return a sentence that compares each of *times* with the newest run below *history*."""
    stored = sorted(history.glob("*/*.json"))
    if not stored or not times:
        return []
    before = {entry["name"]: entry for entry in json.loads(stored[-1].read_text(encoding="utf-8"))["benchmarks"]}
    lines = []
    for name in sorted(times.keys() & before.keys()):
        extra = before[name]["extra_info"]
        if (extra.get("processor"), extra.get("made_by")) == (processor(), made_by()):
            was = before[name]["stats"]["median"]
            lines.append(f"advice: {name} took {times[name]:.2f} s, and {was:.2f} s in {stored[-1].name}")
        else:
            was = f"{extra.get('processor')}, {extra.get('made_by')}"
            lines.append(f"advice: {name} is not compared with {stored[-1].name}, which is of {was}")
    return lines


@contextmanager
def counting(every: int = EVERY) -> Iterator[Callable[[], int]]:
    """Count the steps of all SQLite connections opened within the block, in children too."""
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
    """Return the processor time of this process and its ended children [s]."""
    took = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in took)


@contextmanager
def alone() -> Iterator[Callable[[], float]]:
    """Measure the processor time of the block [s], without garbage collection."""
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
    """A snapshot of a legacy set that can be built repeatedly.

    Attributes:
        workspace: The data directory.
        snapshot: Its snapshot.
        mapped: The mappings that its build uses.
    """

    def __init__(self, legacy: Path) -> None:
        self.workspace = Workspace(legacy)
        self._config = config_file.load(config_file.beside(legacy))
        planned = pipeline_migrate.plan(self.workspace, self._config)
        self.mapped = [mapping for table in planned.tables for mapping in mapping_reader.sources_of(table)]
        self.snapshot: Snapshot = pipeline_migrate.backup(planned, self.workspace)

    def clear(self) -> None:
        """Remove the last build; otherwise a finished build would be kept."""
        shutil.rmtree(self.workspace.stage, ignore_errors=True)

    def build(self) -> Path:
        """Build and return the stage."""
        return pipeline_migrate.build(self.workspace, self._config, self.snapshot).stage

    def steps(self) -> int:
        """Return the number of steps of a build."""
        self.clear()
        with counting() as count:
            self.build()
            return count()
