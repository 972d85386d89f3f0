"""Half of the tables as found, half as specified: accounted for, rebuilt, judged, and no row too many in quarantine."""

import json

import mixed_sets
import pytest
from click.testing import CliRunner

from migrator.cli.app import cli

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [300, 301, 305])
def test_a_set_that_mixes_variants_is_moved_and_holds(tmp_path, seed):
    """300 and 305: facts as specified name entities as found, whose table is called otherwise."""
    chosen = mixed_sets.make(tmp_path, seed=seed)

    done = CliRunner().invoke(cli, ["migrate", "--data-dir", str(tmp_path / "data"), "--json"])

    assert 0 == done.exit_code, done.output
    built = json.loads((tmp_path / "data" / ".migrator" / "stage" / "built.json").read_text(encoding="utf-8"))
    mapped = {one["source"]: one["mapped"] for one in built["sources"] if one["fate"] == "mapped"}
    assert len(chosen) == len(mapped.keys() & {f"{database}.{table}" for database, table in chosen})
    assert {} == built["mismatches"]
