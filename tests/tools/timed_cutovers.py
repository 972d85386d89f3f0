"""Times cutovers of sets as large as production's: how long writers are held up, and how long the verb takes.

    python tests/tools/timed_cutovers.py --runs 100

Half of the runs switch a clean set and half a dirty one, with rows in WALs; each is made and migrated once.  Every run
switches a fresh copy of it on the disk, as ``migrator cutover --execute`` does it, after the copy has reached the disk.
"""

import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import click

from contracts.specimens import generator
from migrator.config import config_file
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.pipeline import switchover
from migrator.switch.workspace import Workspace

#: The requirement: writers are blocked for less than this, in seconds.
LIMIT_S = 1.0


def migrated(home, *, dirty, rows):
    """Make a legacy set below *home*, migrate it, accept what is in quarantine; return rows and bytes of its files."""
    generator.make(home / "data", seed=7, rows=rows, dirty=dirty, wal=True)
    workspace, toml = Workspace(home / "data"), home / "data" / "migrator.toml"
    done = pipeline_migrate.migrate(workspace, config_file.load(toml), toml)
    if not done.holds:
        raise click.ClickException(f"the specimen in {home} is NO-GO")
    quarantined = pipeline_quarantine.rows(workspace)
    pipeline_quarantine.accept(workspace, [f"{row.source}:{row.handle}" for row in quarantined])
    found = [one for one in done.snapshot.inventory.databases if one.rows is not None]
    return sum(one.rows for one in found), sum(one.size_bytes for one in found)


def timed(home):
    """Switch *home*; return seconds for which writers were held up, and of the whole verb."""
    os.sync()
    workspace = Workspace(home / "data")
    begun = time.perf_counter()
    done = switchover.cutover(workspace, config_file.load(home / "data" / "migrator.toml"), execute=True)
    whole_s = time.perf_counter() - begun
    if not done.executed:
        raise click.ClickException("; ".join((*done.refusals, *done.holders)))
    return done.blocked_s, whole_s


def summed_up(seconds):
    """Return median, 95th percentile and the worst of *seconds*."""
    ordered = sorted(seconds)
    return statistics.median(ordered), ordered[-(-len(ordered) * 95 // 100) - 1], ordered[-1]


@click.command()
@click.option("--runs", type=click.IntRange(min=2), default=100, show_default=True, help="Cutovers in all.")
@click.option("--rows", type=click.IntRange(min=0), help="Rows of a set.  Default: as production has them.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True), help="On the disk to time.  Default: TMPDIR.")
@click.option("--json", "as_json", is_flag=True, help="Print every run as one JSON object.")
def main(runs, rows, folder, as_json):
    """Time cutovers, and exit with 1 if one of them blocked writers for a second or longer."""
    load = os.getloadavg()
    blocked, whole, sets = [], [], {}
    with tempfile.TemporaryDirectory(prefix="timed-cutovers-", dir=folder) as scratch:
        for name in ("clean", "dirty"):
            sets[name] = migrated(Path(scratch) / name, dirty=name == "dirty", rows=rows)
        for number in range(runs):
            name = ("clean", "dirty")[number % 2]
            home = shutil.copytree(Path(scratch) / name, Path(scratch) / "run", symlinks=True)
            blocked_s, whole_s = timed(home)
            blocked.append(blocked_s)
            whole.append(whole_s)
            shutil.rmtree(home)
    if as_json:
        click.echo(json.dumps({"sets": sets, "blocked_s": blocked, "whole_s": whole, "load": [load, os.getloadavg()]}))
    else:
        for name, (number, size) in sets.items():
            click.echo(f"{name}: {number:,} rows, {size / 1e6:.1f} MB")
        click.echo(f"{runs} cutovers             median    p95  worst")
        for what, seconds in (("writers were blocked, s", blocked), ("the whole verb, s", whole)):
            click.echo(f"{what:24}" + "".join(f"{value:7.3f}" for value in summed_up(seconds)))
        click.echo(f"load of {os.cpu_count()} cores: {load[0]:.1f} before, {os.getloadavg()[0]:.1f} after")
    if max(blocked) >= LIMIT_S:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
