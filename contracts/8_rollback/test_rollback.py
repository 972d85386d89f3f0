"""After a rollback the legacy set has its rows, with the changes since the cutover."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts import judgement
from contracts.checks import finished_rollback
from contracts.suite import surroundings
from contracts.suite.surroundings import Standing
from migrator.switch import env_flag
from migrator.switch import state as switch_state
from migrator.switch.state import Switch

#: Byte 18 of the header is 2 in WAL mode (sqlite.org/fileformat.html, section 1.3.3).
_WRITE_VERSION, _WAL = 18, 2
Count = Callable[[str, int], None]


@pytest.fixture(name="made")
def _made(around: Standing, request: pytest.FixtureRequest) -> Switch:
    return surroundings.switched(around, switch_state.ROLLBACK, request)


@pytest.mark.clause("R1")
def test_every_name_is_its_own_file_again(made: Switch, count: Count) -> None:
    """Each legacy name is a regular file; the three databases are kept in a folder apart."""
    wrong = [
        f"{name.place}: is not a file of its own"
        for name in made.names
        if name.path.is_symlink() or not name.path.is_file()
    ]
    for target in made.targets:
        path = made.installed(target)
        if path.is_symlink() or path.exists():
            wrong.append(f"{path.name}: still has its name")
        if not (made.left_behind / path.name).is_file():
            wrong.append(f"{path.name}: is not kept in {made.left_behind.relative_to(made.data_dir)}")
    count("names", len(made.names))
    judgement.none(str(made.data_dir), "name that the rollback did not restore", wrong)


@pytest.mark.clause("R2")
def test_legacy_is_what_it_was_and_what_was_written(
    made: Switch, around: Standing, request: pytest.FixtureRequest, count: Count
) -> None:
    """Each row that was in use is in a legacy table or in the residue."""
    left_out = [name.database for name in made.names if finished_rollback.written_since(made, name)]
    if len(left_out) == len(made.names):
        surroundings.nothing_to_ask(request, "every legacy file has been written to since the rollback")
    wrong = list(finished_rollback.faults(made, around.scratch, left_out))
    count("files", len(made.names) - len(left_out))
    judgement.none(str(made.data_dir), "legacy table with lost, additional or changed rows", wrong)


@pytest.mark.clause("R3")
def test_journal_modes_are_what_they_were(made: Switch) -> None:
    """The mode is stored in the file, and the legacy code expects its earlier one."""
    wrong = []
    for name in made.names:
        if name.path.is_file():
            with name.path.open("rb") as file:
                mode = "wal" if file.read(_WRITE_VERSION + 1)[_WRITE_VERSION] == _WAL else "delete"
            if mode != name.journal_mode:
                wrong.append(f"{name.place}: was {name.journal_mode}, is {mode}")
    judgement.none(str(made.data_dir), "journal mode that the rollback did not restore", wrong)


@pytest.mark.clause("R4")
def test_permissions_are_what_they_were(made: Switch) -> None:
    """Each file has the mode, owner and group of its original."""
    wrong = []
    for name in made.names:
        now, was = name.path, made.originals / name.place
        if now.is_file() and was.is_file():
            found, expected = (
                (oct(status.st_mode), status.st_uid, status.st_gid) for status in (now.stat(), was.stat())
            )
            if found != expected:
                wrong.append(f"{name.place}: was {expected}, is {found}")
    judgement.none(str(made.data_dir), "mode, owner or group that the rollback did not restore", wrong)


@pytest.mark.clause("R5")
def test_flag_says_that_the_old_set_is_in_use(made: Switch) -> None:
    """The flag in the application's .env is false."""
    judgement.same(str(made.env_file), env_flag.FLAG, expected=False, found=env_flag.flag(made.env_file))


@pytest.mark.clause("R6")
def test_nothing_is_left_half_way(made: Switch) -> None:
    """The switch is finished: there is no pointer, and no name leads through one."""
    judgement.none(str(made.data_dir), "left by an unfinished rollback", surroundings.half_way(made))
