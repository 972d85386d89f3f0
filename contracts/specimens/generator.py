"""Makes specimens: legacy sets like production's, from a seed.

A specimen has the 29 files in their places below one directory, the right number of rows in each table, values as the
bot writes them, and consistent histories.  Its manifest ``specimen.json`` records the versions, the rows of each
table, the planted hazards, and the number of rows that a correct migration quarantines.  ``migrator.toml`` is the
configuration that accepts exactly these rows.

The same seed and options give the same data.  Without *rows* a table has as many rows as in production.
"""

from __future__ import annotations

import json
import platform
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import click

from contracts.specimens import analytics as specimens_analytics
from contracts.specimens import carried as specimens_carried
from contracts.specimens import clean_quarantine, row_counts, specified_analytics, specified_core, valid_rows
from contracts.specimens import core as specimens_core
from contracts.specimens import market as specimens_market
from contracts.specimens.hazards import register as hazards_register
from contracts.specimens.hazards import specified as hazards_specified
from contracts.specimens.hazards.planting import Hazard, Plant, Planted, Sound, plant
from contracts.specimens.population import World
from contracts.specimens.registry import Table
from contracts.specimens.writer import Writer
from migrator.errors import MigratorError, UsageError
from migrator.schema import catalogue

#: Known databases that specimens of the variant lack: production lacked them, or had the other cache.
ABSENT: Mapping[str, frozenset[str]] = {
    "found": frozenset({"cache_db", "rate_limiter_security"}),
    catalogue.SPECIFIED_VARIANT: frozenset({"file_cache", "rate_limiter_security"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    """The parts of specimens of one variant."""

    counts: Callable[[int | None], Mapping[str, int]]
    tables: Mapping[str, Table]
    hazards: Sequence[Hazard]
    sound: Mapping[str, Sound]


_VARIANTS: Mapping[str, _Variant] = {
    "found": _Variant(
        counts=row_counts.found,
        tables={
            **specimens_core.FOUND,
            **specimens_analytics.FOUND,
            **specimens_market.FOUND,
            **specimens_carried.FOUND,
        },
        hazards=hazards_register.FOUND,
        sound=valid_rows.SOUND,
    ),
    catalogue.SPECIFIED_VARIANT: _Variant(
        counts=row_counts.specified,
        tables={**specimens_carried.FOUND, **specified_core.SPECIFIED, **specified_analytics.SPECIFIED},
        hazards=hazards_specified.SPECIFIED,
        sound=hazards_specified.SOUND,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Database:
    """One database to be made: its name, its place, its shape and its tables."""

    name: str
    place: PurePosixPath
    ddl: str
    tables: Sequence[str]


def _databases(variant: str, *, dirty: bool) -> Iterator[_Database]:
    """Yield the databases of a set; in a dirty one, the other maker's alerts.db."""
    shapes = {"found", "monitoring" if dirty else "trading"}
    for legacy in catalogue.legacy_databases():
        if legacy.name in ABSENT[variant] or legacy.variant not in shapes:
            continue
        if variant == catalogue.SPECIFIED_VARIANT and legacy.name in catalogue.SPECIFIED:
            ddl, tables = specified_core.ddl(legacy.name, journal_of=legacy.ddl), specified_core.tables(legacy.name)
        else:
            ddl, tables = legacy.ddl, [shape.table for shape in legacy.shapes]
        yield _Database(name=legacy.name, place=legacy.place, ddl=ddl, tables=tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The manifest of a specimen.

    Attributes:
        schema: Version of this record.
        seed: The seed of all random data.
        variant: ``found`` or ``specified``.
        rows: Ordered number of rows without planted ones; None for production's number.
        dirty: Whether hazards were planted.
        wal: Whether the WAL databases have rows that are only in their WAL.
        versions: Versions of Faker, Python and SQLite; another Faker may draw other values.
        files: Rows by file and table, those in a WAL included; shadow tables, and indexes over a table, are left out.
        hazards: The planted hazards.
        quarantine: Number of legacy rows that a correct migration quarantines, by target table.
    """

    schema: int = 1
    seed: int
    variant: str
    rows: int | None
    dirty: bool
    wal: bool
    versions: Mapping[str, str]
    files: Mapping[str, Mapping[str, int]]
    hazards: tuple[Planted, ...]
    quarantine: Mapping[str, int]

    @property
    def total_rows(self) -> int:
        """Number of rows in all files."""
        return sum(sum(tables.values()) for tables in self.files.values())


def make(
    directory: Path,
    *,
    variant: str = "found",
    rows: int | None = None,
    seed: int = 0,
    dirty: bool = False,
    wal: bool = False,
) -> Manifest:
    """Make a legacy set in *directory*, which must be empty or missing.

    Args:
        directory: The data directory of the set.
        variant: ``found``, as production has it, or ``specified``, as the specification describes the sources.
        rows: Total of rows, in production's proportions; None for production's own counts.
        seed: The same seed gives the same data.
        dirty: Plant every hazard in addition.
        wal: Leave rows in WALs that were not checkpointed.

    Raises:
        UsageError: *directory* is not empty, or an option has an unknown value.
    """
    if variant not in _VARIANTS:
        raise UsageError(f"no such variant: {variant}", hint="choose found or specified")
    if rows is not None and rows < 0:
        raise UsageError(f"a set cannot have {rows} rows", hint="ask for 0 or more")
    _claim(directory)
    kind = _VARIANTS[variant]
    world = World(seed, kind.counts(rows))
    writers: dict[str, Writer] = {}
    for database in _databases(variant, dirty=dirty):
        writer = writers[database.name] = Writer(directory / database.place, database.ddl, wal=wal)
        writer.fill(kind.tables, world, database.name, database.tables)
        writer.late()
    databases = {name: writer.connection for name, writer in writers.items()}
    plot = Plant(world, databases, kind.sound)
    # A specified table has the target's own constraints, so the target refuses none of its clean rows.
    refused = clean_quarantine.count(databases) if variant == "found" else Counter()
    planted = [plant(hazard, plot) for hazard in kind.hazards] if dirty else []
    for hazard in planted:
        refused.update(hazard.quarantined)
    planted += [
        Planted(id="G7", what="rows that only the WAL has", where=name, count=writer.rows_in_wal(), quarantined={})
        for name, writer in writers.items()
        if writer.rows_in_wal()
    ]
    manifest = Manifest(
        seed=seed,
        variant=variant,
        rows=rows,
        dirty=dirty,
        wal=wal,
        versions={
            "faker": version("faker"),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
        files={
            writer.path.relative_to(directory).as_posix(): writer.rows()
            for writer in sorted(writers.values(), key=lambda writer: writer.path)
        },
        hazards=tuple(planted),
        quarantine={target: rows for target, rows in sorted(refused.items()) if rows},
    )
    for writer in writers.values():
        writer.finish()
    _write(directory, manifest, world)
    return manifest


def _claim(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        empty = not any(directory.iterdir())
    except OSError as error:
        raise UsageError(f"cannot be made: {error.strerror}", where=directory) from error
    if not empty:
        raise UsageError("is not empty", where=directory, hint="name a directory that is empty or does not exist")


def _write(directory: Path, manifest: Manifest, world: World) -> None:
    (directory / "specimen.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    (directory / "migrator.toml").write_text(
        "# The configuration for this specimen.\n"
        "[constants]\n"
        f'wallet_address = "{world.treasury}"\n'
        'local_utc_offset = "-06:00"\n'
        "\n"
        "[decisions]\n",
        encoding="utf-8",
    )


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--variant", type=click.Choice(["found", "specified"]), default="found", show_default=True)
@click.option("--rows", type=click.IntRange(min=0), help="Rows in all.  Default: as many as in production.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same data.")
@click.option("--dirty", is_flag=True, help="Plant every hazard.")
@click.option("--wal", is_flag=True, help="Leave rows in WALs that were not checkpointed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(directory: Path, *, variant: str, rows: int | None, seed: int, dirty: bool, wal: bool, as_json: bool) -> None:
    """Make a legacy set of 29 files in DIRECTORY."""
    try:
        manifest = make(directory, variant=variant, rows=rows, seed=seed, dirty=dirty, wal=wal)
    except MigratorError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    click.echo(json.dumps(asdict(manifest)) if as_json else _readable(manifest))


def _readable(manifest: Manifest) -> str:
    lines = [f"{sum(tables.values()):>9,}  {file}" for file, tables in manifest.files.items()]
    lines.append(f"{manifest.total_rows:>9,}  rows in {len(manifest.files)} files")
    lines += [f"{hazard.count:>9,}  {hazard.id:<5} {hazard.where}: {hazard.what}" for hazard in manifest.hazards]
    lines += [f"{count:>9,}  to quarantine for {target}" for target, count in manifest.quarantine.items()]
    return "\n".join(lines)
