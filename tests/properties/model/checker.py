"""Looks at every state that the protocol can come to, breadth first, so that what it finds has the shortest trace.

python tests/properties/model/checker.py
"""

from collections import deque

import protocol
from protocol import PROGRAMS, State, holds, reached


def whole(state):
    """Every name leads to a database."""
    return all(reached(state.disk, index) for index, _ in enumerate(state.disk.names))


def one_set(state):
    """All names lead to the same set."""
    return (
        len({reached(state.disk, index)[0] for index, _ in enumerate(state.disk.names) if reached(state.disk, index)})
        == 1
    )


def flag_true_means_new(state):
    """The flag is true only while all names lead to the consolidated set."""
    return not state.disk.flag or all(
        reached(state.disk, index)[:1] == ("three",) for index, _ in enumerate(state.disk.names)
    )


def nothing_is_lost(state):
    """A row that was acknowledged is in the set that is in use, unless it came late: then it is kept all the same.

    It came late if the program opened the file while names were moved, the migrator died there, and the program wrote
    then: an open file can always be written to.  Opened before the names were led through the pointer, it may
    have a WAL beside the name until recovery puts the file back under it.  Opened between the last look and the commit,
    it is in the set that was left.
    """
    found = reached(state.disk, 0)
    if not state.row.acknowledged or not found:
        return True
    left = "three" if state.disk.pointer == "rolled-back" or "left" in state.disk.three else "legacy"
    kept = holds(state.disk, state.row, left) or (state.row.wal == ("legacy", "name") and state.disk.kept[0])
    return holds(state.disk, state.row, found[0]) or (state.row.late and kept)


def the_end_is_an_end(state):
    """A switch that is recorded as finished has left nothing half done."""
    disk = state.disk
    if any(state.running):
        return True
    if disk.record == "cutover done":
        return disk == disk._replace(names=("new", "new"), pointer="new", flag=True, three=("installed",) * 2, wal=True)
    if disk.record == "rollback done" and "stage" not in disk.three:
        return disk == disk._replace(names=("back", "back"), pointer="", flag=False, three=("left",) * 2)
    if not disk.record:
        return disk == disk._replace(names=("file", "file"), pointer="", flag=False, three=("stage",) * 2)
    return True


INVARIANTS = (whole, one_set, flag_true_means_new, nothing_is_lost, the_end_is_an_end)


class Broken(Exception):
    """An invariant does not hold; the trace is the shortest way there."""

    def __init__(self, invariant, trace):
        super().__init__(f"{invariant.__name__}: " + "; ".join(trace))
        self.invariant, self.trace = invariant, trace


def moves(state, programs=PROGRAMS, recovery=protocol.recovery, *, lock=True, works=protocol.works):
    """Yield (what, state) for everything that can happen next."""
    for which, running in enumerate(state.running):
        if not running:
            if lock and any(state.running):
                continue
            for verb, program in protocol.begins(state):
                chosen = recovery(state.disk) if verb == "recover" else program
                yield (
                    f"a migrator begins: {chosen}",
                    state._replace(running=protocol.put(state.running, which, (chosen, programs[chosen]))),
                )
            continue
        name, (step, *rest) = running
        dead = protocol.put(state.running, which, ())
        yield f"the migrator dies before: {step}", state._replace(running=dead, held=frozenset())
        done = works(state, step)
        if done is not None:
            left = (name, tuple(rest)) if rest else ()
            yield step, done._replace(running=protocol.put(done.running, which, left))
        elif name in ("cutover", "rollback") and state.disk.record == name:
            back = f"undo {name}"
            yield f"refuses: {back}", state._replace(running=protocol.put(dead, which, (back, programs[back])))
        else:
            yield "refuses", state._replace(running=dead, held=frozenset())
    yield from migrate(state)
    yield from protocol.others(state)


def migrate(state):
    """Yield what a new migration comes to: legacy files, and what was built from them, in the stage."""
    disk = state.disk
    if any(state.running) or state.handle.file or protocol.recovery(disk) or "installed" in disk.three:
        return
    file = reached(disk, 0)[0]
    # Whether a row that is nowhere may be nowhere was asked of this state already.
    there = holds(disk, state.row, file)
    inside = frozenset({"legacy", "three"})
    yield "migrate", State(row=state.row._replace(inside=inside, wal=()) if there else protocol.Row())


def check(**machine):
    """Look at every state; return how many there are, and how many transitions.

    Raises:
        Broken: An invariant does not hold, or a state cannot come to an end any more.
    """
    begin = State()
    came = {begin: (None, "")}
    back = {}
    queue = deque([begin])
    transitions = 0
    while queue:
        state = queue.popleft()
        for invariant in INVARIANTS:
            if not invariant(state):
                raise Broken(invariant, trace(came, state))
        for what, follows in moves(state, **machine):
            transitions += 1
            back.setdefault(follows, []).append(state)
            if follows not in came:
                came[follows] = (state, what)
                queue.append(follows)
    _comes_to_an_end(came, back)
    return len(came), transitions


def _comes_to_an_end(came, back):
    """See that from every state some way leads to one in which no switch is under way."""
    ended = [state for state in came if not any(state.running) and not protocol.recovery(state.disk)]
    seen, queue = set(ended), deque(ended)
    while queue:
        for before in back.get(queue.popleft(), ()):
            if before not in seen:
                seen.add(before)
                queue.append(before)
    if stuck := [state for state in came if state not in seen]:
        raise Broken(_comes_to_an_end, trace(came, stuck[0]))


def trace(came, state):
    """Return what led to *state*."""
    steps = []
    while came[state][0] is not None:
        state, what = came[state]
        steps.append(what)
    return tuple(reversed(steps))


if __name__ == "__main__":
    looked_at = check()
    print(f"{looked_at[0]:,} states, {looked_at[1]:,} transitions: every invariant holds")  # noqa: T201
