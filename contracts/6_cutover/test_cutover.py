"""After a cutover the names lead to the consolidated set, and the originals are kept."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from contracts import judgement
from contracts.suite import surroundings
from contracts.suite.surroundings import Standing
from migrator.stages.verify import evidence as verify_evidence
from migrator.switch import env_flag
from migrator.switch import state as switch_state
from migrator.switch.state import Switch

Count = Callable[[str, int], None]


@pytest.fixture(name="made")
def _made(around: Standing, request: pytest.FixtureRequest) -> Switch:
    return surroundings.switched(around, switch_state.CUTOVER, request)


@pytest.mark.clause("C1")
def test_every_name_leads_to_its_database(made: Switch, count: Count) -> None:
    """Each legacy name is one link, directly to the database with its tables."""
    wrong = []
    for name in made.names:
        home = made.installed(name.target)
        if not name.path.is_symlink():
            wrong.append(f"{name.place}: is not a link")
        elif os.path.normpath(name.path.parent / name.path.readlink()) != str(home):
            wrong.append(f"{name.place}: leads to {name.path.readlink()}, not to {home.name}")
        elif home.is_symlink() or not home.is_file():
            wrong.append(f"{name.place}: leads to {home.name}, which is not a file")
    count("names", len(made.names))
    judgement.none(str(made.data_dir), "legacy name that leads elsewhere", wrong)


@pytest.mark.clause("C2")
def test_originals_are_what_was_migrated(made: Switch, around: Standing, count: Count) -> None:
    """Each original has the digest recorded in the snapshot; a late write is detected here."""
    named = surroundings.manifest_of(made.originals.parent)["digests"]
    wrong = []
    for name in made.names:
        path = made.originals / name.place
        if not path.is_file():
            wrong.append(f"{name.place}: is missing")
        elif surroundings.digest_of(path, around.scratch) != named.get(str(name.place)):
            wrong.append(f"{name.place}: differs from what was migrated")
    count("files", len(made.names))
    judgement.none(str(made.originals), "original that a rollback cannot use", wrong)


@pytest.mark.clause("C3")
def test_what_was_installed_is_kept(made: Switch, around: Standing) -> None:
    """The baseline has the verified digests: a rollback compares with it."""
    verified = verify_evidence.read(made.root / "evidence.json").consolidated
    wrong = []
    for target in made.targets:
        path = made.baseline / made.installed(target).name
        if not path.is_file():
            wrong.append(f"{path.name}: is missing")
        elif surroundings.digest_of(path, around.scratch) != verified.get(target):
            wrong.append(f"{path.name}: differs from the evidence")
    judgement.none(str(made.baseline), "database of the baseline that a rollback cannot use", wrong)


@pytest.mark.clause("C4")
def test_flag_says_that_the_new_set_is_in_use(made: Switch) -> None:
    """The flag in the application's .env is true."""
    judgement.same(str(made.env_file), env_flag.FLAG, expected=True, found=env_flag.flag(made.env_file))


@pytest.mark.clause("C5")
def test_nothing_is_left_half_way(made: Switch) -> None:
    """The switch is finished: no pointer, no second names, an empty stage."""
    judgement.none(str(made.data_dir), "left by an unfinished cutover", surroundings.half_way(made))
