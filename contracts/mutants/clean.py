"""``python -m contracts.mutants.clean 100``: judges sets without a fault.

Each is a small specimen with its own seed, of alternating variants, clean or with every hazard, migrated and judged by
the whole suite.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice, product
from pathlib import Path

import click

from contracts.mutants import matrix, suite_run
from contracts.mutants.fixtures import Made
from contracts.mutants.suite_run import Verdict
from contracts.sets import made as made_sets
from contracts.specimens import generator

#: Size of a specimen [rows], without the planted hazards.
_ROWS = (0, 60, 150, 400)


@dataclass(frozen=True, slots=True)
class Judged:
    """A set without a fault, and its judgement."""

    made: Made
    verdict: Verdict


def kinds(first: int = 1_000) -> Iterator[Made]:
    """Yield the options of one set after another, with seeds from *first* on."""
    seeds = count(first)
    while True:
        for rows, dirty, variant in product(_ROWS, (True, False), ("found", "specified")):
            yield Made(variant=variant, rows=rows, seed=next(seeds), dirty=dirty)


def judged(made: Made) -> Judged:
    """Make the specimen, migrate it, and judge it with the suite."""
    with tempfile.TemporaryDirectory(prefix="clean-") as scratch:
        legacy = Path(scratch) / "legacy"
        generator.make(
            legacy, variant=made.variant, rows=made.rows, seed=made.seed, dirty=made.dirty, wal=bool(made.seed % 2)
        )
        return Judged(made, suite_run.judge(made_sets.migrated(legacy, Path(scratch)), legacy, Path(scratch)))


@click.command()
@click.argument("sets", default=100)
@click.option("--seed", default=1_000, show_default=True, help="The first seed.")
@click.option("--processes", default=os.cpu_count() or 1, show_default=True, help="Parallel processes.")
def main(sets: int, seed: int, processes: int) -> None:
    """Make and judge SETS sets without a fault, and print each false alarm."""
    begun = time.monotonic()
    alarms = 0
    for made in matrix.in_processes(judged, list(islice(kinds(seed), sets)), processes=processes):
        if not made.verdict.go:
            alarms += 1
            click.echo(f"false alarm: {made.made}: {', '.join(sorted(made.verdict.broken)) or made.verdict}")
    click.echo(f"{sets:,} sets without a fault, {alarms:,} false alarms, {time.monotonic() - begun:,.0f} s")
    sys.exit(1 if alarms else 0)


if __name__ == "__main__":
    main()
