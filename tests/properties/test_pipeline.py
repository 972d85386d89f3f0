"""Properties of the whole pipeline over drawn legacy sets: plan, backup, build, and back."""

import generated
import pytest
from hypothesis import given, settings

from contracts.specimens.drawn import model as drawn_model
from contracts.specimens.drawn.legacy_sets import legacy_sets
from migrator.errors import Refused
from migrator.system import durable_files

pytestmark = pytest.mark.slow

#: A property that builds several times is tried as many times less often.
FEWER = settings(max_examples=max(settings.default.max_examples // 4, 5))


@given(legacy_sets())
def test_every_row_is_accounted_for_and_rebuilt(legacy):
    """For any files: all rows are accounted for, references hold, and each row is rebuilt cell by cell."""
    with generated.scratch() as folder:
        drawn_model.write(legacy, folder / "data")
        try:
            run = generated.Run(folder, legacy.config)
        except Refused:
            # A set that is refused is left alone: nothing can be lost.
            return

        run.check()
        run.check_by_hand()


@FEWER
@given(legacy_sets())
def test_the_same_rows_in_any_order_give_the_same_three(legacy):
    """The order of insertion and a VACUUM of a file make no difference."""
    with generated.scratch() as folder:
        drawn_model.write(legacy, folder / "one" / "data")
        generated.rewrite(legacy, folder / "one" / "data", folder / "other" / "data")
        try:
            one, other = (generated.Run(folder / name, legacy.config) for name in ("one", "other"))
        except Refused:
            return

        # A carried row keeps its rowid, which is another in another order.
        assert one.digests_without_rowids() == other.digests_without_rowids()
        assert [(a.table, a.rows, dict(a.quarantined)) for a in one.built.targets] == [
            (a.table, a.rows, dict(a.quarantined)) for a in other.built.targets
        ]


@FEWER
@given(legacy_sets(max_files=2))
def test_a_second_build_changes_nothing(legacy):
    """A finished build is kept; a second build has the same result."""
    with generated.scratch() as folder:
        drawn_model.write(legacy, folder / "data")
        try:
            run = generated.Run(folder, legacy.config)
        except Refused:
            return
        before = {path.name: path.stat().st_mtime_ns for path in run.stage.iterdir()}

        assert run.built == run.build()
        assert before == {path.name: path.stat().st_mtime_ns for path in run.stage.iterdir()}
        durable_files.remove_folder(run.stage)
        assert dict(run.built.digests) == dict(run.build().digests)
