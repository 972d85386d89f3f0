"""The abstract machine of the switch: no state breaks an invariant, each planted mistake does, and it is the product's."""

import json
import os
import sys
from pathlib import Path
from unittest import mock

import generated
import pytest
import small_set

from migrator.schema import catalogue
from migrator.stages import cutover as cutover_stage
from migrator.switch import recovery

sys.path.insert(0, str(Path(__file__).parent / "model"))

import checker
import mutants
import protocol


def test_no_state_that_can_be_reached_breaks_an_invariant():
    states, transitions = checker.check()

    print(f"{states} states, {transitions} transitions")  # noqa: T201
    assert states > 15_000
    assert transitions > 3 * states


@pytest.mark.slow
@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_a_planted_mistake_is_found_by_its_shortest_trace(name):
    with pytest.raises(checker.Broken) as found:
        checker.check(**mutants.machine(name))

    print(name, found.value, sep=": ")  # noqa: T201
    assert mutants.MUTANTS[name][1] == found.value.invariant.__name__
    # Breadth first: a run from begin to end takes about seventy steps.
    assert 0 < len(found.value.trace) < 70


def seen(home):
    """Return the state of the disk in the terms of the model."""
    data = (home / "data").resolve()
    root, last = data / ".migrator", small_set.last_switch(home)
    run = last.run if last else "0001"
    names = NAMES[home]
    pointer = root / "active"
    three = {"stage": root / "stage", "installed": data, "left": data / "backup" / run / "rolled-back"}
    where = [
        next((where, folder / name) for where, folder in three.items() if os.path.lexists(folder / name))
        for name in catalogue.TARGETS.values()
    ]
    went_back = last is not None and last.kind == "rollback"
    env = home / ".env"
    return protocol.Disk(
        names=tuple(
            ("link" if "active" in str((data / name).readlink()) else "new")
            if (data / name).is_symlink()
            else ("back" if went_back else "file")
            for name in names
        ),
        pointer=str(pointer.readlink()) if pointer.is_symlink() else "",
        kept=tuple(os.path.lexists(root / "legacy" / name) for name in names),
        new=tuple(os.path.lexists(root / "new" / name) for name in names),
        originals=tuple(os.path.lexists(data / "backup" / run / "originals" / name) for name in names),
        copies=tuple(os.path.lexists(root / "rolled-back" / name) for name in names),
        three=tuple(state for state, _ in where),
        flag=env.exists() and b"true" in env.read_bytes(),
        record=f"{last.kind}{' done' if last.finished else ''}" if last else "",
        # Byte 18 of the header says it (sqlite.org/fileformat.html, section 1.3.3).
        wal=all(path.read_bytes()[18] == 2 for _, path in where),
    )


#: Home -> the places of its legacy files, in the order in which they are switched.
NAMES = {}


def expected(disk, program):
    """Yield (step, disk) for each step of the model's *program* that changes the disk."""
    for step in protocol.programs(len(disk.names), len(disk.three))[program]:
        state = protocol.State(disk=disk)
        follows = protocol.works(state, step)
        assert follows is not None, step
        if follows.disk != disk:
            disk = follows.disk
            yield step, disk


#: What the product does in one step, or without a durable step of its own, so that not each state of it is seen.
COARSE = ("copy", "drop", "wal", "hold")


def compare(home, deed, program):
    """Assert that *deed* takes *home* through the very states that the model's *program* goes through."""
    states = [seen(home)]

    def look(*_):
        if (now := seen(home)) != states[-1]:
            states.append(now)

    start = states[0]
    with small_set.after_each_step(look):
        deed()
    look()
    wanted = list(expected(start, program))
    found = iter(states[1:])
    now = next(found, None)
    for step, disk in wanted:
        if disk == now:
            now = next(found, None)
        else:
            assert step.startswith(COARSE), (step, disk, now)
    assert now is None, f"the model knows no such state: {now}"
    assert wanted[-1][1] == states[-1]
    return [step for step, _ in wanted]


def die_when(deed, home, reached):
    """Do *deed* in a child that dies once the disk has the state *reached*."""

    def look(*_):
        if reached(seen(home)):
            os._exit(9)

    child = os.fork()
    if child == 0:
        with small_set.after_each_step(look):
            deed(home)
        os._exit(0)
    assert 9 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture(name="built", scope="module")
def _built():
    with generated.scratch() as folder:
        home = small_set.make(folder / "built")
        (home / ".env").write_text("USE_CONSOLIDATED_DBS=false\n")
        small_set.cut_over(small_set.copied(home, folder / "switched"))
        places = [str(name.place) for name in small_set.last_switch(folder / "switched").names]
        NAMES.update(dict.fromkeys((home, folder / "switched", folder / "home"), places))
        yield folder


@pytest.mark.slow
def test_the_product_goes_through_the_states_of_the_model(built):
    home = small_set.copied(built / "built", built / "home")
    assert protocol.before(len(NAMES[home]), 3) == seen(home)

    # The trial of second names is no step of the protocol: it is undone before the switch begins.
    with mock.patch.object(cutover_stage, "_try_links"):
        there = compare(home, lambda: small_set.cut_over(home), "cutover")
    back = compare(home, lambda: small_set.roll_back(home), "rollback")

    assert (len(there), len(back)) > (20, 20)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "reached", "program"),
    [
        ("cut_over", {"pointer": "legacy"}, "recover: undo cutover"),
        ("cut_over", {"pointer": "legacy", "names": "link"}, "recover: undo cutover"),
        ("cut_over", {"pointer": "new"}, "recover: finish cutover"),
        ("cut_over", {"pointer": "new", "originals": True}, "recover: finish cutover"),
        ("roll_back", {"names": "link"}, "recover: undo rollback"),
        ("roll_back", {"pointer": "rolled-back"}, "recover: finish rollback"),
        ("roll_back", {"pointer": "rolled-back", "names": "back"}, "recover: finish rollback"),
    ],
    ids=json.dumps,
)
def test_the_products_recovery_goes_through_the_states_of_the_model(built, deed, reached, program):
    start = built / ("built" if deed == "cut_over" else "switched")
    home = small_set.copied(start, built / "home")

    def there(disk):
        return all(
            value == (found if isinstance(found := getattr(disk, key), str) else found[-1])
            for key, value in reached.items()
        )

    die_when(getattr(small_set, deed), home, there)

    assert program == protocol.recovery(seen(home))
    compare(home, lambda: recovery.recover(home / "data"), program)
