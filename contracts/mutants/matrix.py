"""Judges every mutant in parallel processes, and records which contracts caught it."""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from contracts.mutants import suite_run
from contracts.mutants.fixtures import Stand
from contracts.mutants.mutant import Mutant, NoDifference, NotPlanted, Stopped

Of = TypeVar("Of")
To = TypeVar("To")

#: Mutants that one process judges before it is replaced [mutants]: pytest's memory grows with each run.
_A_PROCESS = 60


class Fate(StrEnum):
    """The fate of a mutant."""

    CAUGHT = "caught"  # by a contract, with or without a door
    STOPPED = "stopped"  # by migrator, before there was a set to judge
    SURVIVED = "survived"  # every contract holds: a contract is missing
    SAME = "same"  # every specimen migrates to the same set as without it: there is nothing to catch
    UNPLANTED = "unplanted"  # SQLite refuses it, or there is nothing to change: it is not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one mutant.

    Attributes:
        mutant: The mutant.
        fate: Its fate.
        caught_by: The broken contracts, without their cases.
        door: The part of migrator that refused or reported it; '' for none.
        crashed: The contracts that raised another error than a failure.
        says: Why it was not planted, or the message of the door or of pytest.
        seconds: Duration of planting and judging.
    """

    mutant: Mutant
    fate: Fate
    caught_by: frozenset[str] = frozenset()
    door: str = ""
    crashed: frozenset[str] = frozenset()
    says: str = ""
    seconds: float = 0.0


def tried(mutant: Mutant, stand: Stand) -> Result:
    """Plant *mutant*, judge it with the suite, and return its result."""
    begun = time.monotonic()

    def result(fate: Fate, **more: object) -> Result:
        return Result(mutant=mutant, fate=fate, seconds=time.monotonic() - begun, **more)  # type: ignore[arg-type]  # the caller names the fields

    with tempfile.TemporaryDirectory(prefix="mutant-") as scratch:
        folder = Path(scratch) / "planted"
        folder.mkdir()
        try:
            planted = mutant.plant(stand, folder)
        except NotPlanted as error:
            return result(Fate.UNPLANTED, says=str(error))
        except NoDifference:
            return result(Fate.SAME)
        except Stopped as error:
            return result(Fate.STOPPED, door=error.door, says=str(error))
        verdict = suite_run.judge(planted.consolidated, planted.legacy, Path(scratch), amendments=planted.amendments)
    door = "options" if verdict.refused else planted.door
    fate = Fate.CAUGHT if verdict.broken else Fate.STOPPED if door else Fate.SURVIVED
    says = verdict.refused or "; ".join(verdict.complaints)
    return result(fate, caught_by=verdict.broken, crashed=verdict.crashed, door=door, says=says)


def _tried(mutant: Mutant, *, folder: Path) -> Result:
    """Do the same in a process of a pool; each error names the mutant."""
    try:
        return tried(mutant, Stand(folder))
    except (sqlite3.Error, OSError, RuntimeError, ValueError, KeyError) as error:
        raise RuntimeError(f"{mutant.id}: {''.join(traceback.format_exception(error))}") from error


def run(
    mutants: Sequence[Mutant], stand: Stand, *, processes: int, tell: Callable[[int, Result], None]
) -> list[Result]:
    """Return the result of each of *mutants*, in order; call *tell* with each at once.

    Raises:
        RuntimeError: A mutant could neither be planted nor judged: an error of the stand, not of the suite.
    """
    by_id: dict[str, Result] = {}
    for result in in_processes(partial(_tried, folder=stand.folder), mutants, processes=processes):
        by_id[result.mutant.id] = result
        tell(len(by_id), result)
    return [by_id[mutant.id] for mutant in mutants]


def in_processes(do: Callable[[Of], To], things: Sequence[Of], *, processes: int) -> Iterator[To]:
    """Yield the result of *do* for each of *things*, as it is done, in parallel *processes*.

    Each batch has new processes.  A pool that renews its processes (``max_tasks_per_child``) cannot be used: with more
    tasks than processes it hangs in Python 3.11 (python/cpython issue 115634).
    """
    batch = _A_PROCESS * processes
    for begin in range(0, len(things), batch):
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            asked = [pool.submit(do, thing) for thing in things[begin : begin + batch]]
            try:
                yield from (done.result() for done in as_completed(asked))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def sampled(mutants: Iterable[Mutant], *, seed: int, each: int = 1) -> Iterator[Mutant]:
    """Yield *each* mutants, drawn by *seed*, of every group."""
    groups: dict[tuple[str, ...], list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        groups[mutant.group].append(mutant)
    draw = random.Random(seed)  # noqa: S311 - a sample
    for group in groups.values():
        yield from group if len(group) <= each else draw.sample(group, each)


def numbered(mutants: Iterable[Mutant]) -> list[Mutant]:
    """Return *mutants* with unique names: several of one kind in one place are numbered."""
    seen: Counter[str] = Counter()
    unique = []
    for mutant in mutants:
        seen[mutant.id] += 1
        number = seen[mutant.id]
        unique.append(mutant if number == 1 else replace(mutant, where=f"{mutant.where} ({number})"))
    return unique


def drawn(mutants: Sequence[Mutant], most: int, *, seed: int) -> list[Mutant]:
    """Return at most *most* mutants, drawn by *seed*, one of each kind first."""
    shuffled = random.Random(seed).sample(mutants, len(mutants))  # noqa: S311 - a sample
    first: dict[str, Mutant] = {}
    for mutant in shuffled:
        first.setdefault(mutant.kind, mutant)
    others = [mutant for mutant in shuffled if first[mutant.kind] is not mutant]
    return [*first.values(), *others][:most]
