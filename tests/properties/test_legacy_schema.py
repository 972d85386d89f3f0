"""Legacy code on the consolidated set, and back: after a rollback the legacy files are as if they had never moved.

``MIGRATOR_STATEMENTS`` of them are run, from ``MIGRATOR_SEED`` on: 100,000 for the night.
"""

import os
import sqlite3
from collections import Counter
from contextlib import closing

import cut_over_set
import pytest
import small_set
from legacy_model import Model, content, read_anything

from migrator.application.compat import connection as compat_connection
from migrator.pipeline import in_use
from migrator.switch import state as switch_state

#: Statements in all, and the seed of the first set.
STATEMENTS, SEED = int(os.environ.get("MIGRATOR_STATEMENTS", "600")), int(os.environ.get("MIGRATOR_SEED", "1"))
#: Statements of the programs of one database of a set.
EACH = 150
#: How a set is made: dirty or not, and of which variant.
KINDS = ((True, "found"), (False, "found"), (True, "specified"))


def judged(home):
    """Return what ``migrator verify`` finds broken in the set in use; the contracts were not asked before the cutover."""
    workspace, _ = small_set.workspace_of(home)
    with small_set.in_this_process():
        found = in_use.verify(workspace, switch_state.cutover_in_use(home / "data")).broken
    return [sentence for sentence in found if "evidence.json: does not exist" not in sentence]


def run_and_go_back(home, scratch, seed, wanted):
    """Make a set, run *wanted* statements on its databases and go back; return what was counted."""
    dirty, variant = KINDS[seed % len(KINDS)]
    data = cut_over_set.make(home, seed=seed, dirty=dirty, variant=variant)
    counts, expected = Counter(sets=1), {}
    names = list(switch_state.read(data).names)
    each = max(EACH, -(-wanted // len(names)))
    for name in names[seed % len(names) :] + names[: seed % len(names)]:
        if counts["statements"] >= wanted:
            break
        with Model(data, name.database, scratch / f"{name.database}.db", seed=f"{seed} {name.database}") as model:
            if not model.written:
                continue
            model.run(min(each, wanted - counts["statements"]))
            counts += model.counts + Counter(databases=1)
            expected[name.place] = name.target, model.tables, content(model.aside, model.tables)
    compat_connection.POOL.clear()
    assert [] == judged(home)

    residue = Counter(small_set.roll_back(home).residue)

    for place, (target, tables, rows) in expected.items():
        with closing(sqlite3.connect(data / place)) as legacy:
            legacy.text_factory = read_anything
            found = content(legacy, tables)
        for table in tables:
            now, was = found[table.name], rows[table.name]
            # A row that new code wrote and that no legacy row can be is in the residue, and the legacy row as it was.
            kept = residue[f"{target}.{table.into}"]
            lost, other = (was - now).total(), (now - was).total()
            assert lost <= kept, (place, table.name, was - now, now - was)
            assert other <= lost, (place, table.name, was - now, now - was)
            counts["kept in the residue"] += lost
    return counts


@pytest.mark.slow
def test_a_rollback_gives_back_what_was_written_through_the_legacy_schema(tmp_path):
    counts, seed = Counter(), SEED
    while counts["statements"] < STATEMENTS:
        home = tmp_path / str(seed)
        home.mkdir()
        (home / "scratch").mkdir()
        counts += run_and_go_back(
            home / "set", home / "scratch", seed, min(STATEMENTS - counts["statements"], 29 * EACH)
        )
        seed += 1
        print(f"seeds {SEED} to {seed - 1}: {dict(sorted(counts.items()))}", flush=True)  # noqa: T201 - the figures
