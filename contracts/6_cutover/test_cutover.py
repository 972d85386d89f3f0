"""After a cutover: where the names lead, what was kept, and that nothing was left half-way."""

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
    """Each legacy name is one link, and it leads straight to the consolidated database that took its tables."""
    wrong = []
    for name in made.names:
        home = made.installed(name.target)
        if not name.path.is_symlink():
            wrong.append(f"{name.place}: is no link")
        elif os.path.normpath(name.path.parent / name.path.readlink()) != str(home):
            wrong.append(f"{name.place}: leads to {name.path.readlink()}, not to {home.name}")
        elif home.is_symlink() or not home.is_file():
            wrong.append(f"{name.place}: leads to {home.name}, which is no file")
    count("names", len(made.names))
    judgement.none(str(made.data_dir), "legacy name that does not lead where it should", wrong)


@pytest.mark.clause("C2")
def test_originals_are_what_was_migrated(made: Switch, around: Standing, count: Count) -> None:
    """Each legacy file lies in the backup, and holds what the snapshot of its run says; a late write shows here."""
    named = surroundings.manifest_of(made.originals.parent)["digests"]
    wrong = []
    for name in made.names:
        path = made.originals / name.place
        if not path.is_file():
            wrong.append(f"{name.place}: is not there")
        elif surroundings.digest_of(path, around.scratch) != named.get(str(name.place)):
            wrong.append(f"{name.place}: does not hold what was migrated")
    count("files", len(made.names))
    judgement.none(str(made.originals), "original that cannot be gone back to", wrong)


@pytest.mark.clause("C3")
def test_what_was_installed_is_kept(made: Switch, around: Standing) -> None:
    """The three as they were verified: a rollback tells by them what was written since."""
    verified = verify_evidence.read(made.root / "evidence.json").consolidated
    wrong = []
    for target in made.targets:
        path = made.baseline / made.installed(target).name
        if not path.is_file():
            wrong.append(f"{path.name}: is not there")
        elif surroundings.digest_of(path, around.scratch) != verified.get(target):
            wrong.append(f"{path.name}: is not what the evidence is about")
    judgement.none(str(made.baseline), "database that a rollback could not compare with", wrong)


@pytest.mark.clause("C4")
def test_flag_says_that_the_new_set_is_in_use(made: Switch) -> None:
    """In the application's .env."""
    judgement.same(str(made.env_file), env_flag.FLAG, expected=True, found=env_flag.flag(made.env_file))


@pytest.mark.clause("C5")
def test_nothing_is_left_half_way(made: Switch) -> None:
    """The switch has come to its end: no pointer, no second names, nothing in the stage that was installed."""
    judgement.none(str(made.data_dir), "left of a cutover that has not come to its end", surroundings.half_way(made))
