"""The switch as an abstract machine, small enough to look at every state that it can come to.

Two migrators, of which the lock lets one work; each may die between any two steps, any number of times, and each verb
may be begun again at any time.  Beside them one other program, which opens a legacy name by its path, in WAL mode or
not, writes one row, and closes or dies.  Every interleaving is tried.  :mod:`checker` does that, :mod:`mutants` plants
mistakes.  A step is one durable step of the product; tests/properties/test_protocol_model.py holds the two together.

A set has two names and two consolidated databases: what goes wrong between the first and the last goes wrong there.
The other program writes by the first name.
"""

from typing import NamedTuple


class Disk(NamedTuple):
    """What lies where; a tuple has one entry for each name or each consolidated database."""

    names: tuple = ("file", "file")  # file: the legacy file; link: through the pointer; new: to a consolidated database
    pointer: str = ""  # legacy, new, rolled-back
    kept: tuple = (False, False)  # .migrator/legacy/<name>, a second name of the legacy file
    new: tuple = (False, False)  # .migrator/new/<name>
    originals: tuple = (False, False)  # backup/<run>/originals/<name>
    copies: tuple = (False, False)  # .migrator/rolled-back/<name>
    three: tuple = ("stage", "stage")  # installed, left
    flag: bool = False
    record: str = ""  # switch.json: cutover, cutover done, rollback, rollback done
    wal: bool = True  # whether the consolidated databases are in WAL mode


class Row(NamedTuple):
    """Where the other program's row is."""

    acknowledged: bool = False
    inside: frozenset = frozenset()  # of the database files legacy, three and copy: those that hold it
    wal: tuple = ()  # (file, path) of the WAL that holds it, until a checkpoint
    late: bool = False  # written by a handle that is late, see below


class Handle(NamedTuple):
    """What the other program has open."""

    file: str = ""  # legacy, three, copy
    path: str = ""  # under which it was opened, links resolved: SQLite's journals are named after it
    wal: bool = False
    late: bool = False  # opened while a migrator moved names: between hold and indirect, or between look and commit


class State(NamedTuple):
    """Everything."""

    disk: Disk = Disk()
    running: tuple = ((), ())  # of each migrator: (program, step to come); () when it is at rest
    held: frozenset = frozenset()  # database files that the migrator at work keeps from writers
    row: Row = Row()
    handle: Handle = Handle()


def before(names=2, targets=2):
    """Return the disk before a cutover."""
    nowhere = (False,) * names
    return Disk(
        names=("file",) * names,
        kept=nowhere,
        new=nowhere,
        originals=nowhere,
        copies=nowhere,
        three=("stage",) * targets,
    )


def put(values, index, value):
    return (*values[:index], value, *values[index + 1 :])


def reached(disk, index):
    """Return (file, path) that a legacy name leads to, () if it leads nowhere."""
    name = disk.names[index]
    if name == "link":
        there = {"legacy": disk.kept, "new": disk.new, "rolled-back": disk.copies}.get(disk.pointer)
        if there is None or not there[index]:
            return ()
        name = {"legacy": "kept", "new": "new", "rolled-back": "copied"}[disk.pointer]
    if name == "new":
        return ("three", "three") if disk.three[index] == "installed" else ()
    return {
        "file": ("legacy", "name"),
        "back": ("copy", "name"),
        "kept": ("legacy", "kept"),
        "copied": ("copy", "copies"),
    }[name]


def where(disk, file):
    """Return the paths under which a database file of the first name can be reached."""
    found = {
        "legacy": {"kept": disk.kept[0], "originals": disk.originals[0], "name": disk.names[0] == "file"},
        "copy": {"copies": disk.copies[0], "name": disk.names[0] == "back"},
        "three": {"three": disk.three[0] == "installed", "left": disk.three[0] == "left"},
    }[file]
    return {path for path, there in found.items() if there}


def holds(disk, row, file):
    """Return whether who opens *file* where it lies now finds the row."""
    return file in row.inside or (bool(row.wal) and row.wal[0] == file and row.wal[1] in where(disk, file))


def programs(names=2, targets=2):
    """Return the steps of each command, in order; all but the checks and locks are durable."""

    def each(step):
        return tuple(f"{step} {index}" for index in range(names))

    def all_of(step):
        return tuple(f"{step} {index}" for index in range(targets))

    return {
        "cutover": (
            "record cutover", "hold legacy", *all_of("install"), *each("keep"), *each("new"), "point legacy", *each("indirect"),
            "look", "point new", "flag true", *each("flatten"), *each("original"), "release", "wal", "record cutover done",
        ),
        "undo cutover": (
            "flag false", *each("put back legacy"), "point nowhere", *each("drop kept"), *each("drop new"), *all_of("uninstall"),
            "release", "wal", "record",
        ),
        "recover: undo cutover": (
            "hold names", "flag false", *each("put back legacy"), "point nowhere", *each("drop kept"), *each("drop new"),
            *all_of("uninstall"), "release", "wal", "record",
        ),
        "recover: finish cutover": (
            "hold kept", "flag true", *each("flatten"), *each("original"), "release", "wal", "record cutover done",
        ),
        "rollback": (
            *each("copy"), "carry back", "record rollback", "hold three", "carry back", "hold copies", "flag false", *each("indirect"),
            "look", "point rolled-back", *each("put back copy"), *all_of("leave"), "point nowhere", *each("drop copy"), *each("drop new"),
            "release", "record rollback done",
        ),
        "undo rollback": (*each("flatten"), *each("drop copy"), "flag true", "release", "wal", "record cutover done"),
        "recover: undo rollback": (*each("flatten"), *each("drop copy"), "flag true", "wal", "record cutover done"),
        "recover: finish rollback": (
            "hold names and three", "flag false", *each("put back copy"), *all_of("leave"), "point nowhere", *each("drop copy"),
            *each("drop new"), "release", "record rollback done",
        ),
    }  # fmt: skip


PROGRAMS = programs()


def recovery(disk):
    """Return the program that brings an interrupted switch to its end, '' if none is needed."""
    if disk.record == "cutover":
        return "recover: finish cutover" if disk.pointer == "new" else "recover: undo cutover"
    if disk.record == "rollback":
        return "recover: undo rollback" if disk.pointer == "new" else "recover: finish rollback"
    return ""


def after(disk, step):  # noqa: PLR0911, PLR0912 - a table of steps
    """Return the disk after a durable step."""
    what, _, index = step.rpartition(" ")
    if not index.isdigit():
        return _whole(disk, step)
    n = int(index)
    match what:
        case "install" if disk.three[n] == "stage":
            return disk._replace(three=put(disk.three, n, "installed"), wal=False)
        case "uninstall" if disk.three[n] == "installed":
            return disk._replace(three=put(disk.three, n, "stage"))
        case "leave" if disk.three[n] == "installed":
            return disk._replace(three=put(disk.three, n, "left"))
        case "keep":
            return disk._replace(kept=put(disk.kept, n, True))
        case "new":
            return disk._replace(new=put(disk.new, n, True))
        case "copy":
            return disk._replace(copies=put(disk.copies, n, True))
        case "indirect":
            return disk._replace(names=put(disk.names, n, "link"))
        case "flatten":
            return disk._replace(names=put(disk.names, n, "new"))
        case "original" if disk.kept[n]:
            return disk._replace(kept=put(disk.kept, n, False), originals=put(disk.originals, n, True))
        case "put back legacy" if disk.kept[n] and disk.pointer:
            return disk._replace(kept=put(disk.kept, n, False), names=put(disk.names, n, "file"))
        case "put back copy" if disk.copies[n]:
            return disk._replace(copies=put(disk.copies, n, False), names=put(disk.names, n, "back"))
        case "drop kept":
            return disk._replace(kept=put(disk.kept, n, False))
        case "drop new":
            return disk._replace(new=put(disk.new, n, False))
        case "drop copy":
            return disk._replace(copies=put(disk.copies, n, False))
    return disk  # done before


def _whole(disk, step):
    what, _, argument = step.partition(" ")
    match what:
        case "point":
            return disk._replace(pointer="" if argument == "nowhere" else argument)
        case "flag":
            return disk._replace(flag=argument == "true")
        case "record":
            return disk._replace(record=argument)
        case "wal":
            return disk._replace(wal=True)
    raise ValueError(step)


def hold(state, step):
    """Return the state in which the migrator holds more files; None if it has to refuse."""
    disk, row = state.disk, state.row
    wanted = {
        "hold legacy": {"legacy"},
        "hold three": {"three"},
        "hold copies": {"copy"},
        "hold kept": {"legacy"} if disk.kept[0] else set(),
        "hold names": {file for file, _ in (reached(state.disk, 0),)},
        "hold names and three": {file for file, _ in (reached(state.disk, 0),)} | {"three"},
    }[step]
    if state.handle.file in wanted:
        return None
    for file in wanted:
        # The WAL is folded in where SQLite finds it: under the path by which we open the file.
        if row.wal and row.wal[0] == file and row.wal[1] in where(disk, file):
            row = row._replace(inside=row.inside | {file}, wal=())
    if step == "hold legacy" and "legacy" in row.inside and "three" not in row.inside:
        return None  # has changed since the snapshot
    disk = disk._replace(wal=disk.wal and "three" not in wanted)
    return state._replace(disk=disk, row=row, held=state.held | wanted)


def works(state, step):
    """Return the state after a step of a migrator, None where it refuses."""
    if step.startswith("hold"):
        return hold(state, step)
    if step == "look":
        return None if state.handle.file in state.held else state
    if step == "release":
        return state._replace(held=frozenset())
    if step == "carry back":
        # The copies are made anew from the originals, and get what was written to the three.
        there = "legacy" in state.row.inside or holds(state.disk, state.row, "three")
        inside = state.row.inside - {"copy"} | ({"copy"} if there else set())
        return state._replace(row=state.row._replace(inside=inside))
    return state._replace(disk=after(state.disk, step))


def begins(state):
    """Yield (verb, program) that a migrator may begin: recovery first, wherever one is needed."""
    disk = state.disk
    if needed := recovery(disk):
        yield "recover", needed
    elif disk.record == "cutover done":
        yield "rollback", "rollback"
    elif set(disk.three) == {"stage"}:
        yield "cutover", "cutover"


def found_file(disk):
    return (reached(disk, 0) or ("",))[0]


def others(state):
    """Yield (what, state) for each step of the other program."""
    disk, row, handle = state.disk, state.row, state.handle
    if not handle.file and (found := reached(disk, 0)):
        commits = any(
            running and running[1][:1] in (("point new",), ("point rolled-back",)) for running in state.running
        )
        late = commits or (found[1] == "name" and found[0] in state.held)
        yield "the program opens it", state._replace(handle=Handle(*found, wal=False, late=late))
    if not handle.file:
        return
    if handle.file not in state.held:
        # SQLite asks whether the path it opened still leads to this file; a link may lead there too.
        led = handle.path == "name" and found_file(disk) == handle.file
        moved = handle.path not in where(disk, handle.file) and not led
        if not handle.wal and not moved:
            yield "the program asks for WAL", state._replace(handle=handle._replace(wal=True))
        # In rollback-journal mode SQLite looks whether the file was moved away, and refuses.
        if not row.acknowledged and (handle.wal or not moved):
            written = row._replace(acknowledged=True, late=handle.late)
            if handle.wal:
                written = written._replace(wal=(handle.file, handle.path))
            else:
                written = written._replace(inside=row.inside | {handle.file})
            yield "the program writes", state._replace(row=written)
        folded = row
        if row.wal == (handle.file, handle.path):
            folded = row._replace(inside=row.inside | {handle.file}, wal=())
        yield "the program closes it", state._replace(handle=Handle(), row=folded)
    yield "the program dies", state._replace(handle=Handle())
