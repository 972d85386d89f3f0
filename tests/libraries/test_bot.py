"""A bot that nothing was changed in prints and leaves the same as on a set that never moved."""

from pathlib import Path

import pytest
import whole_programs

BOT = Path(__file__).parent / "programs" / "bot.py"


@pytest.mark.slow
@pytest.mark.parametrize("dirty", [False, True], ids=["clean", "dirty"])
def test_a_bot_prints_and_leaves_the_same_through_cutover_and_rollback_and_again(tmp_path, dirty):
    whole_programs.compare(BOT, whole_programs.make(tmp_path / "made", dirty=dirty), tmp_path)
