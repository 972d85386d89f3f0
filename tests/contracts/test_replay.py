"""The contract on the bot's statements catches what they would no longer find through the legacy schema."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import contracts
from contracts.sets import made as made_sets

pytestmark = pytest.mark.slow

CUTOVER = Path(contracts.__file__).parent / "6_cutover"
WHOLE, ONE = "test_legacy_schema_has_every_row", "test_statement_does_the_same_through_the_legacy_schema"
#: A tax lot of which a cell is in lineage alone.
LOT = "rowid = (SELECT min(rowid) FROM lineage WHERE source = 'tax.tax_lots' AND rest LIKE '%remaining%')"


@pytest.fixture(scope="module", name="sets")
def _sets(tmp_path_factory):
    """A dirty legacy set and what the migration makes of it."""
    scratch = tmp_path_factory.mktemp("sets")
    legacy = made_sets.specimen(scratch / "legacy", rows=300)
    return legacy, made_sets.migrated(legacy, scratch)


def judge(pytester, legacy, consolidated):
    """Run the contracts on the pair; return how many hold, and the message of each that does not, by its name or statement."""
    sets = ["--legacy-dir", str(legacy), "--consolidated-dir", str(consolidated)]
    run = pytester.inline_run(
        str(CUTOVER), *sets, "--import-mode=importlib", "-p", "no:cacheprovider", "-k", f"{WHOLE} or {ONE}"
    )
    passed, _, failed = run.listoutcomes()
    return len(passed), {
        report.nodeid.rpartition("::")[2].rpartition("[")[2].rstrip("]"): report.longreprtext for report in failed
    }


def test_the_statements_of_a_migrated_set_do_the_same(pytester, sets):
    assert (48, {}) == judge(pytester, *sets)


@pytest.mark.parametrize(
    ("target", "statement", "caught_by", "mentions"),
    [
        ("core", f"UPDATE lineage SET rest = NULL WHERE {LOT}", WHOLE, "tax: tax_lots (1 rows missing or changed, 1 new)"),
        ("core", "DELETE FROM quarantine WHERE source = 'jarvis.positions'", "positions_at_start", "rows are missing or changed"),
        ("core", "UPDATE legacy_jarvis_pick_performance SET symbol = 'x' WHERE id = 1", "pick_repriced", "pick_performance (1 rows missing or changed, 1 new)"),
        ("core", "DELETE FROM legacy_tax_sales WHERE id = (SELECT min(id) FROM legacy_tax_sales)", WHOLE, "tax: sales (1 rows missing or changed, 0 new)"),
        ("core", "UPDATE positions SET entry_price = entry_price * 2 WHERE status = 'open'", "positions_open", "rows are missing or changed"),
        ("cache", "UPDATE cache_entries SET value = 'x'", "cached", "1 of 1 rows are missing or changed"),
    ],
    ids=lambda value: value[:40],
)  # fmt: skip
def test_a_fault_is_caught(pytester, sets, tmp_path, target, statement, caught_by, mentions):
    legacy, migrated = sets
    shutil.copytree(migrated, tmp_path / "judged")
    with closing(sqlite3.connect(tmp_path / "judged" / f"jarvis_{target}.db", isolation_level=None)) as spoilt:
        assert spoilt.execute(statement).rowcount > 0

    _, failed = judge(pytester, legacy, tmp_path / "judged")

    assert mentions in failed[caught_by]
