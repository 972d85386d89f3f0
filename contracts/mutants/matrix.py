"""Every mutant through the suite, on as many processes as are asked for: who caught what, and what nobody caught."""

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

#: Mutants that one process judges before another takes its place: what pytest keeps of a run adds up.
_A_PROCESS = 60


class Fate(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"  # by a contract, whatever else noticed it
    STOPPED = "stopped"  # by the tool, before there was a set to judge
    SURVIVED = "survived"  # every contract holds: one is missing
    SAME = "same"  # the set is the same as without it, of every specimen: there is nothing to catch
    UNPLANTED = "unplanted"  # SQLite refuses it, or there is nothing to spoil: no mutant came of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one mutant.

    Attributes:
        mutant: Which.
        fate: What became of it.
        caught_by: The contracts that are broken, without their cases.
        door: What of the tool refused it, or noticed it and went on; '' for nothing.
        crashed: Those contracts that failed without saying so.
        says: Why it is no mutant, what the door said, or what pytest said instead of judging.
        seconds: How long it took.
    """

    mutant: Mutant
    fate: Fate
    caught_by: frozenset[str] = frozenset()
    door: str = ""
    crashed: frozenset[str] = frozenset()
    says: str = ""
    seconds: float = 0.0


def tried(mutant: Mutant, stand: Stand) -> Result:
    """Plant *mutant*, let the suite judge it, and return what became of it."""
    begun = time.monotonic()

    def result(fate: Fate, **more: object) -> Result:
        return Result(mutant=mutant, fate=fate, seconds=time.monotonic() - begun, **more)  # type: ignore[arg-type]

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
        verdict = suite_run.judge(planted.consolidated, planted.legacy, Path(scratch))
    door = "options" if verdict.refused else planted.door
    fate = Fate.CAUGHT if verdict.broken else Fate.STOPPED if door else Fate.SURVIVED
    says = verdict.refused or "; ".join(verdict.complaints)
    return result(fate, caught_by=verdict.broken, crashed=verdict.crashed, door=door, says=says)


def _tried(mutant: Mutant, *, folder: Path) -> Result:
    """Do so in a process of a pool; whatever goes wrong is told with the mutant's name."""
    try:
        return tried(mutant, Stand(folder))
    except (sqlite3.Error, OSError, RuntimeError, ValueError, KeyError) as error:
        raise RuntimeError(f"{mutant.id}: {''.join(traceback.format_exception(error))}") from error


def run(
    mutants: Sequence[Mutant], stand: Stand, *, processes: int, tell: Callable[[int, Result], None]
) -> list[Result]:
    """Return what became of each of *mutants*, in their order; *tell* hears of each as it is done.

    Raises:
        RuntimeError: One could neither be planted nor judged: the stand is wrong, not the suite.
    """
    found: dict[str, Result] = {}
    for result in in_processes(partial(_tried, folder=stand.folder), mutants, processes=processes):
        found[result.mutant.id] = result
        tell(len(found), result)
    return [found[mutant.id] for mutant in mutants]


def in_processes(do: Callable[[Of], To], things: Sequence[Of], *, processes: int) -> Iterator[To]:
    """Yield what *do* makes of each of *things*, as it is done, in so many processes at a time.

    New processes begin with every batch.  That a pool renews its own (``max_tasks_per_child``) is not to be had: with more
    work waiting than it has processes, that of Python 3.11 stands still (python/cpython issue 115634).
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
    """Return *mutants* with names of their own: where several are of one kind in one place they are numbered."""
    seen: Counter[str] = Counter()
    found = []
    for mutant in mutants:
        seen[mutant.id] += 1
        number = seen[mutant.id]
        found.append(mutant if number == 1 else replace(mutant, where=f"{mutant.where} ({number})"))
    return found


def drawn(mutants: Sequence[Mutant], most: int, *, seed: int) -> list[Mutant]:
    """Return at most *most* of them, drawn by *seed*: one of each kind before a second of any."""
    shuffled = random.Random(seed).sample(mutants, len(mutants))  # noqa: S311 - a sample
    first: dict[str, Mutant] = {}
    for mutant in shuffled:
        first.setdefault(mutant.kind, mutant)
    others = [mutant for mutant in shuffled if first[mutant.kind] is not mutant]
    return [*first.values(), *others][:most]
