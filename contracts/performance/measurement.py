"""``python -m contracts.performance``: measures and writes the performance page.

For each number of rows it makes a legacy set and measures everything in alternating rounds (measures.py), then the bot's
queries on both sets (question_mix.py).  The results go to docs/reference/performance.json, from which the figures on the page and
its picture are made; results that are not measured again are kept, with their dates.
"""

from __future__ import annotations

import datetime as dt
import json
import platform
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from contracts.performance import gate, measures, question_mix, workbench
from contracts.performance import page as performance_page
from contracts.performance import profile as performance_profile
from contracts.performance import questions as performance_questions
from contracts.specimens import generator
from migrator.mapping import workload

#: Default sizes of sets [rows]: production's, and far more.
SIZES = (4_600, 250_000, 1_000_000)
#: Default rounds: of a set below LARGE rows, and of a larger set.
ROUNDS, LARGE, ROUNDS_LARGE = 5, 1_000_000, 2
#: Default rounds of slow measures: two from MIDDLE rows on, one from LARGE rows on; of still
#: larger sets only migrate is measured, once.
MIDDLE, ROUNDS_MIDDLE = 100_000, 2
SLOW = ("migrate", "sqlite-utils", ".dump into sqlite3", "sqldiff", "EXCEPT both ways")
#: Size of the set for the queries [rows], and the numbers of parallel readers.
ASKED_ROWS = 250_000
READERS = (1, 4, 16)
#: Runs of each query on each side, for each of its parameters [runs].
ASKINGS = 5
HOME = Path("docs/reference")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rows", type=click.IntRange(min=100), multiple=True, help="Rows of a set; repeatable.  Default: 4,600, 250,000 and 1,000,000.")  # fmt: skip
@click.option("--variant", type=click.Choice(["found", "specified"]), multiple=True, help="Shapes.  Default: both.")
@click.option("--rounds", type=click.IntRange(min=1), help=f"Rounds.  Default: {ROUNDS}; {ROUNDS_LARGE} from {LARGE:,} rows on.")  # fmt: skip
@click.option("--questions/--no-questions", default=True, help="Measure the bot's queries on both sets too.")
@click.option("--sets/--no-sets", default=True, help="Measure builds and proofs of sets.")
@click.option(
    "--alone",
    is_flag=True,
    help="Measure only builds, all sizes in turn, for --rounds rounds or one: how time and memory grow.",
)
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=3.0, help="Seconds for each mix of queries.  Default: 3."
)
@click.option("--again", is_flag=True, help="Write the page from the stored figures, without measuring.")
@click.option("--into", type=click.Path(file_okay=False, exists=True, path_type=Path), default=HOME, help="Folder of the page.  Default: docs/reference.")  # fmt: skip
@click.option("--scratch", type=click.Path(file_okay=False, exists=True, path_type=Path), help="Scratch folder with room for ten times a set.")  # fmt: skip
def main(
    rows: tuple[int, ...],
    variant: tuple[str, ...],
    rounds: int | None,
    questions: bool,
    sets: bool,
    alone: bool,
    seconds: float,
    again: bool,
    into: Path,
    scratch: Path | None,
) -> None:
    """Measure migrator, its limits and its peers, and write performance.md, .json and .svg."""
    path = into / "performance.json"
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if questions and not again:
        figures["questions"] = with_circumstances(partial(of_questions, ASKED_ROWS, seconds), scratch)
    shapes, sizes = variant or ("found", "specified"), rows or SIZES
    if alone and not again:
        figures["alone"] = {
            shape: with_circumstances(partial(of_builds, shape, sizes, rounds or 1), scratch) for shape in shapes
        }
    for count in sizes if sets and not (again or alone) else ():
        for name in shapes:
            work = partial(of_set, name, count, rounds)
            figures.setdefault("sets", {})[f"{name} {count}"] = with_circumstances(work, scratch)
            _write(figures, path)
    _write(figures, path)


def _write(figures: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    performance_page.write(figures, path.with_suffix(".md"), path.with_suffix(".svg"))


def tell(line: str) -> None:
    """Print the current step on stderr."""
    click.echo(line, err=True)


def with_circumstances(work: Callable[[Path], dict[str, Any]], scratch: Path | None) -> dict[str, Any]:
    """Run *work* in a scratch folder; return its results with machine, date and load."""
    before = measures.load()
    with tempfile.TemporaryDirectory(prefix="performance-", dir=scratch) as folder:
        results = work(Path(folder))
    return results | {
        "command": _command(),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "load": [before, measures.load()],
        "machine": gate.processor(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def _command() -> str:
    """Return the running command, without folders."""
    given = click.get_current_context().params
    names = [f"--rows {count}" for count in given["rows"]] + [f"--variant {shape}" for shape in given["variant"]]
    names += [f"--rounds {given['rounds']}"] if given["rounds"] else []
    names += ["--no-questions"] if not given["questions"] else []
    names += [f"--{name}" for name in ("alone",) if given[name]] + (["--no-sets"] if not given["sets"] else [])
    return " ".join(["python -m contracts.performance", *names])


def of_set(variant: str, rows: int, rounds: int | None, folder: Path) -> dict[str, Any]:
    """Return the measures on a set of *rows*, and the profile of a build."""
    legacy = folder / "legacy"
    legacy.mkdir()
    tell(f"{variant}, {rows:,} rows")
    generator.make(legacy, rows=None if rows == SIZES[0] else rows, seed=1, variant=variant)
    size = sum(path.stat().st_size for path in legacy.rglob("*.db"))
    profile = performance_profile.Profile()
    works = measures.works(legacy, folder, lambda build: performance_profile.profile(build, profile))
    took = measures.by_turns(
        works, {name: rounds_of(name, rows, rounds) for name in works}, lambda line: tell(f"  {line}")
    )
    return {
        "variant": variant,
        "rows": rows,
        "legacy_mib": round(size / 1024**2, 1),
        "took": {name: [asdict(measure) for measure in every] for name, every in took.items() if every},
        "profile": {kind: round(cpu_s, 3) for kind, cpu_s in profile.kinds.most_common()},
    }


def rounds_of(name: str, rows: int, rounds: int | None) -> int:
    """Return the number of rounds for *name* on a set of *rows*; *rounds* if ordered."""
    if name in SLOW and rows > LARGE:
        return int(name == "migrate")
    if rounds is not None:
        return rounds
    if name in SLOW and rows >= MIDDLE:
        return 1 if rows == LARGE else ROUNDS_MIDDLE
    return ROUNDS_LARGE if rows >= LARGE else ROUNDS


def of_builds(variant: str, sizes: Sequence[int], rounds: int, folder: Path) -> dict[str, Any]:
    """Return the measures of builds of sets of these *sizes*, in alternating rounds."""
    benches = {}
    for rows in sizes:
        tell(f"{variant}, {rows:,} rows: the build alone")
        legacy = folder / str(rows) / "legacy"
        legacy.mkdir(parents=True)
        generator.make(legacy, rows=rows, seed=1, variant=variant)
        benches[str(rows)] = gate.Bench(legacy)

    def built(bench: gate.Bench) -> Callable[[], object]:
        def run() -> None:
            bench.clear()
            bench.build()

        return run

    works = {rows: built(bench) for rows, bench in benches.items()}
    took = measures.by_turns(works, dict.fromkeys(works, rounds), lambda line: tell(f"  {line}"))
    return {"variant": variant, "took": {rows: [asdict(measure) for measure in every] for rows, every in took.items()}}


def of_questions(rows: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Return the times of the bot's queries on both sets, one by one and in a mix."""
    sets = workbench.sets(folder, rows=rows)
    each: dict[str, Any] = {}
    for question in workload.questions():
        legacy, ours = question_mix.one_by_one(sets, question, rounds=ASKINGS)
        with sets.both(question) as (_, connection):
            values = (sets.values(question) or [dict(performance_questions.nothing(question))])[0]
            plan = performance_questions.plan(connection, question.sql, values).lines
        each[question.name] = {
            "often": question.often,
            "legacy_ms": legacy,
            "ours_ms": ours,
            "finding": bool(question.slower),
            "plan": list(plan),
        }
        tell(f"  {question.name}: {legacy[0]:.3f} ms on the legacy file, {ours[0]:.3f} ms on ours")
    return {
        "rows": rows,
        "seconds": seconds,
        "each": each,
        "mixes": list(_mixes(question_mix.both_forms(sets), seconds)),
    }


def _mixes(
    forms: tuple[Sequence[question_mix.Asked], Sequence[question_mix.Asked]], seconds: float
) -> list[dict[str, Any]]:
    mixes = []
    for readers in READERS:
        for reuse in (True, False):
            for writing in (False, True):
                both = [
                    question_mix.run(form, readers=readers, writing=writing, reuse=reuse, seconds=seconds)
                    for form in forms
                ]
                what = f"{readers} readers, {'reused' if reuse else 'a connection each time'}"
                tell(f"  {what}{', a writer' if writing else ''}: {both[0].p50_ms:.3f} ms, {both[1].p50_ms:.3f} ms")
                legacy, ours = (asdict(mix) for mix in both)
                mixes.append({"readers": readers, "reuse": reuse, "writing": writing, "legacy": legacy, "ours": ours})
    return mixes
