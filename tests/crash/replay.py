"""Rebuilds what a power cut may leave after each of the recorded operations.

Two models of a file system:

strict
    What POSIX lets it do, and a little more.  A write, a new length or a mode is durable once the file was synced after
    it; a name, once its folder was.  Until then each may be lost on its own, in any order; a write may be torn in the
    middle, or lost while the length of the file stays (zeros).  A rename within one folder is one change; one between
    folders may leave both names, never neither.
ext4
    Like ext4 with ordered data: names change in the order in which they were changed, and any sync makes all changes
    before it durable.  Writes that are not synced are lost on their own; not those of a file that has replaced another,
    since ext4 writes these before the rename.

Of few changes that are not durable every subset is a state.  Of many: none, all, each alone, all but each, each beginning
and each end, and as many more as are drawn.  A state that was seen before is not yielded again.
"""

import hashlib
import itertools
import os
import random
import shutil
import stat
from dataclasses import dataclass, field

from record import CHANGES

#: Up to so many changes that are not durable, every subset of them is a state.
EXHAUSTIVE = 5
#: So many of the last writes are torn.
TORN = 3

#: The index of a WAL, written through a memory map that the lab cannot record; the first process to open the database makes it again.
IGNORED = "-shm"

KEPT, HALF, ZEROS = "kept", "half", "zeros"


@dataclass(eq=False, slots=True)
class Node:
    """A file, folder or link; its names are kept apart from it.

    Attributes:
        kind: ``file``, ``folder`` or ``link``.
        content: Of a file: at the start.  Of a link: where it leads.
        mode: At the start.
    """

    kind: str
    content: bytes = b""
    mode: int = 0o600


@dataclass(eq=False, slots=True)
class Change:
    """What one operation changes.

    Attributes:
        node: The file whose content or mode changes; None where names do.
        letter: As in the log.
        at: Where a write begins, what a truncate leaves, the mode.
        data: What is written.
        names: (folder, name, node or None where the name goes).
        needs: The change without which this one cannot be on the disk.
        replaces: Of a rename: whether the name was another file's.
        durable: Whether it is.
    """

    node: Node | None = None
    letter: str = ""
    at: int = 0
    data: bytes = b""
    names: tuple = ()
    needs: "Change | None" = None
    replaces: bool = False
    durable: bool = False


@dataclass(slots=True)
class Tree:
    """Folders, names and nodes, as found on the disk."""

    root: Node
    names: dict
    inodes: dict = field(default_factory=dict)

    @classmethod
    def found(cls, home):
        """Read the tree below *home*."""
        inodes, names = {}, {}

        def node_of(path):
            status = path.lstat()
            if status.st_ino not in inodes:
                mode = stat.S_IMODE(status.st_mode)
                if stat.S_ISLNK(status.st_mode):
                    made = Node("link", os.fsencode(path.readlink()), 0)
                elif stat.S_ISDIR(status.st_mode):
                    made = Node("folder", b"", mode)
                else:
                    made = Node("file", path.read_bytes(), mode)
                inodes[status.st_ino] = made
            return inodes[status.st_ino]

        root = node_of(home)
        for folder, folders, others in os.walk(home):
            for name in (*folders, *others):
                if name.endswith(IGNORED):
                    continue
                path = home.__class__(folder, name)
                names[inodes[os.lstat(folder).st_ino], name] = node_of(path)
        return cls(root, names, inodes)


class Memo:
    """A cache of costly results, by the identity of their arguments.

    Everything is forgotten when it becomes too much: of a database there are as many contents as changes.
    """

    BYTES = 48_000_000

    def __init__(self, make):
        self._make, self._known, self._size = make, {}, 0

    def __call__(self, *arguments):
        """Return what *make* returns for *arguments*."""
        key = tuple(map(id, arguments))
        if key not in self._known:
            if self._size > self.BYTES:
                self._known.clear()
                self._size = 0
            made = self._make(*arguments)
            # The arguments are kept, or their identity could become another's.
            self._known[key] = arguments, made
            self._size += 500 + sum(len(one) for one in (*arguments, made) if isinstance(one, bytes))
        return self._known[key][1]


class State:
    """What lies on the disk after a power cut.

    Attributes:
        root: The folder.
        names: (folder, name) -> node.
        contents: File -> content; where it is not given, the file's at the start.
        modes: The same of modes.
    """

    def __init__(self, root, names, contents, modes):
        self.root, self.names, self.contents, self.modes = root, names, contents, modes

    def _below(self):
        children = {}
        for (folder, name), node in self.names.items():
            children.setdefault(folder, []).append((name, node))
        waiting = [(self.root, "")]
        while waiting:
            folder, path = waiting.pop()
            for name, node in sorted(children.get(folder, ()), key=lambda one: one[0]):
                yield f"{path}{name}", node
                if node.kind == "folder":
                    waiting.append((node, f"{path}{name}/"))

    def key(self, hashes):
        """Return a key of this state; *hashes* is :func:`hashes`, kept between calls."""
        seen, numbers = [], {}
        for path, node in self._below():
            content = node.content if node.kind == "link" else self.contents.get(node, node.content)
            second = numbers.setdefault(node, len(numbers)) if node.kind == "file" else 0
            seen.append((path, node.kind, hashes(content), self.modes.get(node, node.mode), second))
        return hashlib.sha256(repr(seen).encode("utf-8", "surrogateescape")).digest()

    def write(self, home):
        """Make it below *home*, in place of what was there."""
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
        written = {}
        for path, node in self._below():
            target = os.path.join(home, path)  # noqa: PTH118 - many thousand times
            if node.kind == "folder":
                os.mkdir(target)  # noqa: PTH102
            elif node.kind == "link":
                os.symlink(node.content, target)  # noqa: PTH211
            elif node in written:
                os.link(written[node], target)
            else:
                descriptor = os.open(target, os.O_CREAT | os.O_WRONLY, 0o600)
                content = self.contents.get(node, node.content)
                if content:
                    os.pwrite(descriptor, content, 0)
                os.fchmod(descriptor, self.modes.get(node, node.mode))
                os.close(descriptor)
                written[node] = target
        return home


def copied(home, into):
    """Return a copy of *home*; what has two names there has them here, too."""
    tree = Tree.found(home)
    return State(tree.root, tree.names, {}, {}).write(into)


class Replay:
    """The recorded operations, made again on a tree.

    Attributes:
        tail: The changes, in order, from the first that is not durable.
        told: The reports so far.
    """

    def __init__(self, tree, model="strict"):
        assert model in ("strict", "ext4")
        self.model = model
        self.root = tree.root
        self.names = dict(tree.names)  # durable, but for what is in the tail
        self.now = dict(tree.names)  # as the process sees them
        self.inodes = dict(tree.inodes)
        self.contents, self.modes = {}, {}
        self.tail = []
        self.told = []
        self.ignored = set()  # inodes
        self._changed = Memo(_changed)

    def step(self, operation):
        """Make *operation*."""
        if operation.what == "!":
            self.told.append(operation.name)
        elif operation.what in "sS" and not operation.failed and operation.inode not in self.ignored:
            self._sync(self.inodes[operation.inode])
        elif not operation.failed:
            self.tail.extend(self._changes(operation))
        while self.tail and self.tail[0].durable:
            self._apply(self.tail.pop(0), KEPT, self.names, self.contents, self.modes)

    def _changes(self, done):
        letter = done.what
        if self._ignored(done) or letter in "oOgX":
            return []
        if letter in "wh" or (letter == "t" and not done.folder):
            node = self.inodes[done.inode]
            return [Change(node, letter, done.at, done.data)]
        if letter == "t":
            return [Change(self.inodes[done.inode], "t", 0)]
        folder = self.inodes[done.folder]
        if letter in "cmy":
            kind = {"c": "file", "m": "folder", "y": "link"}[letter]
            # A number that was used before is another file's now.
            node = self.inodes[done.inode] = Node(kind, done.data, done.at & 0o7777)
            made = [Change(letter=letter, names=((folder, done.name, node),))]
        elif letter in "ux":
            made = [Change(letter=letter, names=((folder, done.name, None),))]
        elif letter == "l":
            made = [Change(letter=letter, names=((folder, done.name, self.inodes[done.inode]),))]
        else:
            made = self._rename(done, folder)
        for change in made:
            for where, name, node in change.names:
                self._name(self.now, where, name, node)
        return made

    def _ignored(self, done):
        if done.name.endswith(IGNORED):
            self.ignored.add(done.inode)
        elif done.what == "c":
            # The number of a file that is gone may be given again.
            self.ignored.discard(done.inode)
        return done.inode in self.ignored

    def _rename(self, done, folder):
        node, old = self.inodes[done.inode], self.inodes[done.old_folder]
        there = self.now.get((folder, done.name))
        if there is node:
            # Two names of one file: nothing happens (POSIX).
            return []
        replaces = there is not None
        comes, goes = (folder, done.name, node), (old, done.old_name, None)
        if old is folder or self.model == "ext4":
            return [Change(letter="r", names=(comes, goes), replaces=replaces)]
        first = Change(letter="r", names=(comes,), replaces=replaces)
        return [first, Change(letter="r", names=(goes,), needs=first)]

    def _sync(self, node):
        for change in self.tail:
            if self.model == "ext4":
                hit = bool(change.names) or change.node is node
            else:
                hit = change.node is node or any(folder is node for folder, _, _ in change.names)
            if hit:
                change.durable = True
                if change.needs is not None:
                    change.needs.durable = True

    @staticmethod
    def _name(names, folder, name, node):
        if node is None:
            names.pop((folder, name), None)
        else:
            names[folder, name] = node

    def _apply(self, change, how, names, contents, modes):
        if change.names:
            for folder, name, node in change.names:
                self._name(names, folder, name, node)
        elif change.letter == "h":
            modes[change.node] = change.at & 0o7777
        else:
            before = contents.get(change.node, change.node.content)
            contents[change.node] = self._changed(before, change, how)

    def state(self, chosen):
        """Return the state in which, of the changes that are not durable, those *chosen* (change -> how) are there."""
        names, contents, modes = dict(self.names), dict(self.contents), dict(self.modes)
        for change in self.tail:
            if change.durable:
                self._apply(change, KEPT, names, contents, modes)
            elif change in chosen and (change.needs is None or change.needs.durable or change.needs in chosen):
                self._apply(change, chosen[change], names, contents, modes)
        return State(self.root, names, contents, modes)

    def pending(self):
        """Return the changes that a power cut may undo."""
        return [change for change in self.tail if not change.durable]

    def choices(self, draws, chance):
        """Yield the subsets of the changes that are not durable that are looked at, as :meth:`state` takes them.

        The last change is in all but the first: without it they were looked at before it was made.
        """
        pending = self.pending()
        yield {}
        if not pending:
            return
        whole = dict.fromkeys(pending, KEPT)
        yield whole
        if self.model == "ext4":
            yield from self._ordered(pending)
            return
        *others, last = pending
        if len(pending) <= EXHAUSTIVE:
            for size in range(len(others)):
                for some in itertools.combinations(others, size):
                    yield dict.fromkeys((*some, last), KEPT)
        else:
            yield {last: KEPT}
            for index, change in enumerate(others):
                yield dict.fromkeys((one for one in pending if one is not change), KEPT)
                yield dict.fromkeys(pending[index + 1 :], KEPT)
            for _ in range(draws):
                yield dict.fromkeys((one for one in pending if one is last or chance.random() < 0.5), KEPT)
        for torn in [change for change in pending if change.letter == "w"][-TORN:]:
            for how in (HALF, ZEROS):
                yield whole | {torn: how}
                yield {one: KEPT for one in pending if one.names or one.node is not torn.node} | {torn: how}

    def _ordered(self, pending):
        names = [change for change in pending if change.names]
        data = [change for change in pending if not change.names]
        for cut in range(len(names) + 1):
            there = dict.fromkeys(names[:cut], KEPT)
            flushed = {node for change in names[:cut] if change.replaces for _, _, node in change.names if node}
            safe = {change: KEPT for change in data if change.node in flushed}
            rest = [change for change in data if change.node not in flushed]
            yield there | safe
            yield there | dict.fromkeys(data, KEPT)
            for change in rest:
                yield there | safe | dict.fromkeys((one for one in rest if one is not change), KEPT)
            for torn in [change for change in rest if change.letter == "w"][-TORN:]:
                yield there | dict.fromkeys(data, KEPT) | {torn: HALF}


def hashes():
    """Return a function that returns the hash of some bytes."""
    return Memo(lambda content: hashlib.sha256(content).digest())


def _changed(before, change, how):
    if change.letter == "t":
        return before[: change.at].ljust(change.at, b"\0")
    data = change.data
    if how == HALF:
        data = data[: len(data) // 2]
    elif how == ZEROS:
        # Only what is new is zeros: what was there stays.
        end = change.at + len(data)
        return before.ljust(end, b"\0")
    return before[: change.at].ljust(change.at, b"\0") + data + before[change.at + len(data) :]


def crash_states(tree, operations, *, model="strict", begin=0, stride=1, calm=0, draws=0, seed=0, demand=tuple):
    """Yield (number of operations done, state, reports) for every state that a power cut may leave.

    Args:
        tree: What lay on the disk before.
        operations: What was done.
        model: The file system's: ``strict`` or ``ext4``.
        begin: Cuts before that many operations are left out: they are covered elsewhere.
        stride: Of the changes only each so manieth is followed by a cut, the first one being drawn by *seed* ...
        calm: ... before this many reports, and except after a new report.
        draws: How many subsets are drawn where there are too many.
        seed: Draws them.
        demand: The required state, by the reports; after a change of it a state is yielded again.
    """
    replay, hashed, seen = Replay(tree, model), hashes(), set()
    chance = random.Random(seed)  # noqa: S311 - the same seed has to draw the same
    changes, asked = seed, None
    for count, operation in enumerate((None, *operations)):
        if operation is not None:
            replay.step(operation)
        told = tuple(replay.told)
        # A sync leaves fewer states, not others; but more may be demanded of them since something was told.
        changed = operation is not None and operation.what in CHANGES
        changes += changed
        chosen_here = changed and (changes % stride == 0 or len(told) >= calm)
        if count < begin or not (chosen_here or asked != (begin, demand(told))):
            continue
        asked = begin, demand(told)
        for chosen in replay.choices(draws, chance):
            state = replay.state(chosen)
            key = state.key(hashed), demand(told)
            if key not in seen:
                seen.add(key)
                yield count, state, told
