"""``python -m contracts.mutants``: judges every mutant, and prints the score."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

import migrator
from contracts.mutants import (
    file_mutants,
    mapping_mutants,
    matrix,
    mutant,
    page,
    record,
    row_mutants,
    schema_mutants,
    suite_run,
)
from contracts.mutants.fixtures import DECIDED, EMPTY, FOUND, SPECIFIED, WITH_DECISIONS, Stand
from contracts.mutants.journal import Journal
from contracts.mutants.matrix import Fate, Result
from contracts.mutants.mutant import Mutant
from contracts.suite import results

FAMILIES = ("by hand", "declarations", "rows", "files", "mappings")


def every(stand: Stand) -> Iterator[Mutant]:
    """Yield every mutant there is."""
    yield from mutant.by_hand()
    yield from schema_mutants.mutants()
    yield from schema_mutants.of_amendments()
    for specimen in (FOUND[0], SPECIFIED[0]):
        yield from schema_mutants.of_carried(stand, specimen)
    for specimen in (*FOUND, *SPECIFIED, DECIDED):
        yield from row_mutants.mutants(stand, specimen)
    yield from file_mutants.mutants(FOUND[0])
    yield from mapping_mutants.mutants(FOUND[0])


@click.command()
@click.option("--seed", default=1, show_default=True, help="Seed that draws the mutants of a kind in a table.")
@click.option("--each", default=1, show_default=True, help="Mutants of each kind in each table; 0 for all.")
@click.option(
    "--family", multiple=True, type=click.Choice(FAMILIES), help="Only mutants of this family; may be repeated."
)
@click.option("--kind", default="", help="Only kinds whose name contains this text.")
@click.option("--most", default=0, help="At most this many mutants, drawn from all; 0 for no limit.")
@click.option("--processes", default=os.cpu_count() or 1, show_default=True, help="Parallel processes.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep specimens and a journal in this folder; an interrupted run with the same options goes on.",
)
@click.option("--record", "recording", is_flag=True, help="Record the result and write docs/reference/sabotage.md.")
def main(
    seed: int,
    each: int,
    family: tuple[str, ...],
    kind: str,
    most: int,
    processes: int,
    out: Path | None,
    recording: bool,
) -> None:
    """Plant each mutant, judge it with the whole suite, and print the score."""
    home = out or Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        (home / "stand").mkdir(parents=True, exist_ok=True)
        stand = Stand(home / "stand")
        stand.make()
        chosen = [mutant for mutant in every(stand) if mutant.family in (family or FAMILIES) and kind in mutant.kind]
        mutants = matrix.numbered(matrix.sampled(chosen, seed=seed, each=each or len(chosen)))
        mutants = matrix.drawn(mutants, most or len(mutants), seed=seed)
        contracts = _control(stand)
        sabotaged = _judged(mutants, stand, processes, Journal(home / "journal.jsonl", _of(seed, each)))
        summed = record.summed(sabotaged, contracts, _command(seed, each, most, family, kind))
    finally:
        if out is None:
            shutil.rmtree(home)
    click.echo(page.terminal(summed))
    if recording:
        page.write(record.write(summed))
    sys.exit(1 if summed.survivors or any(map(page.unneeded, summed.needs)) else 0)


def _command(seed: int, each: int, most: int, family: tuple[str, ...], kind: str) -> str:
    """Return the command that judges the same mutants, without processes and folder."""
    chosen = [f"--family '{name}'" for name in family] + ([f"--kind '{kind}'"] if kind else [])
    return " ".join(["python -m contracts.mutants", f"--seed {seed} --each {each} --most {most}", *chosen])


def _control(stand: Stand) -> frozenset[str]:
    """Check that every contract holds without a fault; return the names of the contracts."""
    asked: frozenset[str] = frozenset()
    for specimen in (EMPTY, *FOUND, *SPECIFIED, *WITH_DECISIONS):
        with tempfile.TemporaryDirectory() as scratch:
            verdict = suite_run.judge(stand.migrated(specimen), stand.legacy(specimen), Path(scratch))
        if not verdict.go:
            raise click.ClickException(f"{specimen}: not GO without any fault: {', '.join(sorted(verdict.broken))}")
        asked |= verdict.asked
    return asked


def _of(seed: int, each: int) -> str:
    """Return what results depend on: contracts, mappings and the drawn mutants."""
    ours = Path(__file__).parent
    hashed = hashlib.sha256()
    for folder in (results.HERE, Path(migrator.__file__).parent):
        for path in sorted(folder.rglob("*")):
            fault = path.is_relative_to(ours)
            if path.suffix in {".py", ".sql", ".toml"} and not fault:
                hashed.update(path.read_bytes())
    return f"{hashed.hexdigest()}, seed {seed}, {each} of each"


def _judged(mutants: list[Mutant], stand: Stand, processes: int, journal: Journal) -> list[Result]:
    known = journal.known(mutants)
    done = {result.mutant.id for result in known}
    left = [mutant for mutant in mutants if mutant.id not in done]

    def tell(number: int, result: Result) -> None:
        journal.add(result)
        if result.fate in (Fate.SURVIVED, Fate.SAME) or result.crashed or number % 50 == 0:
            now = dt.datetime.now(dt.UTC).strftime("%H:%M:%S")
            crashed = f", crashed: {', '.join(sorted(result.crashed))}" if result.crashed else ""
            click.echo(f"{now} {number:,} of {len(left):,}: {result.fate}: {result.mutant.id}{crashed}", err=True)

    return known + matrix.run(left, stand, processes=processes, tell=tell)


if __name__ == "__main__":
    main()
