"""The lab: what is recorded, and what has to hold in every state that a power cut or a fault may leave.

A scenario is a set in a folder, a deed, and the two sets between which there is nothing: before and after.  A check is
named by its sentence in :data:`CHECKS`; a judgement is the names of the checks that do not hold, with what was found.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import small_set
from record import Recorder

from migrator.errors import MigratorError
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages.build import stage as build_stage
from migrator.switch import env_flag, recovery
from migrator.switch import state as switch_state
from migrator.system import content_digest, exclusive_access

CHECKS = {
    "one set": "every legacy name leads to one complete database, all of the same set",
    "flag": "the flag is true only where the names lead to the consolidated set",
    "env": "every other byte of .env is there",
    "told": "what was told is not taken back",
    "recovers": "recovery comes to its end, and has nothing to do when it is run again",
    "settled": "after recovery the names stand alone, the flag says what they lead to, and nothing is half done",
    "kept": "what the next verb needs is there and whole: the stage, or originals and baseline, or the three",
    "modes": "each database is in the journal mode that it should be in",
    "again": "the deed, run again, comes to its end",
    "finished": "what a verb takes for a finished snapshot or build is one",
}

ENV = b"# the bot\r\nTOKEN='a=b'\r\nUSE_CONSOLIDATED_DBS=\"false\" # not yet\r\nLAST=1"
LEGACY, CONSOLIDATED = "legacy", "consolidated"
_COMPANIONS = ("", "-wal", "-journal")


@dataclass
class Lab:
    """What a test works with.

    Attributes:
        recorder: Does deeds, and records them.
        scenarios: Deed -> scenario.
        scratch: A folder for temporary files.
        stride: Every so manieth power cut or fault is looked at.
        seed: Draws which.
    """

    recorder: Recorder
    scenarios: dict
    scratch: Path
    stride: int
    seed: int

    @contextlib.contextmanager
    def folder(self):
        """Give the name of a folder that is gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as made:
            yield Path(made) / "home"


class Contents:
    """Digests of databases as a process that opens them reads them; each is opened as a copy."""

    def __init__(self, scratch):
        self._scratch, self._known = scratch, {}

    def of(self, path):
        """Return (digest, journal mode) of the database at *path*, links followed; a word instead of a digest if there is none."""
        real = os.path.realpath(path)
        parts = []
        for suffix in _COMPANIONS:
            try:
                with open(real + suffix, "rb") as file:  # noqa: PTH123 - many thousand times
                    parts.append(file.read())
            except FileNotFoundError:
                parts.append(None)
        if parts[0] is None:
            return "nothing", ""
        key = tuple(None if part is None else hashlib.sha256(part).digest() for part in parts)
        if key not in self._known:
            self._known[key] = self._looked_at(parts)
        return self._known[key]

    def _looked_at(self, parts):
        for suffix, part in zip((*_COMPANIONS, "-shm"), (*parts, None), strict=True):
            copy = Path(f"{self._scratch}/looked-at.db{suffix}")
            copy.unlink(missing_ok=True)
            if part is not None:
                copy.write_bytes(part)
        try:
            with closing(sqlite3.connect(self._scratch / "looked-at.db", isolation_level=None)) as connection:
                if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                    return "not whole", ""
                return content_digest.digest(connection), connection.execute("PRAGMA journal_mode").fetchone()[0]
        except sqlite3.Error as error:
            return f"not whole: {error}", ""


@dataclass(kw_only=True)
class Scenario:
    """A deed, and what it leads from and to.

    Attributes:
        deed: Its name in :mod:`deeds`.
        start: The folder as it is before; it is not touched.
        done: The folder as it is afterwards, undisturbed.
        before: Which set is in use before: ``legacy`` or ``consolidated``.
        contents: Where digests are known.
    """

    deed: str
    start: Path
    done: Path
    before: str
    contents: Contents

    def __post_init__(self):
        switched = switch_state.read(self.done / "data")
        self.names = {str(name.place): name.target for name in switched.names}
        self.modes = {str(name.place): name.journal_mode for name in switched.names}
        self.run = switched.run
        self.sets = {}
        for home, which in ((self.start, self.before), (self.done, self.after)):
            self.sets[which] = {place: self.contents.of(home / "data" / place)[0] for place in self.names}
            assert all(len(one) == 64 for one in self.sets[which].values()), self.sets[which]
        whole = self.start if self.before == CONSOLIDATED else self.done
        self.three = {target: self.contents.of(whole / "data" / name)[0] for target, name in catalogue.TARGETS.items()}

    @property
    def after(self):
        return CONSOLIDATED if self.before == LEGACY else LEGACY

    def demand(self, told):
        """Return which sets may be in use after these reports in *told*, and whether success was among them."""
        allowed = (self.before, self.after)
        if any("COMMITTED" in text or "after its commit" in text for text in told):
            allowed = (self.after,)
        elif any("before its commit" in text for text in told):
            allowed = (self.before,)
        return allowed, "success" in told

    # ---- what is seen ----

    def in_use(self, home):
        """Return the set that all names lead to; else what is wrong."""
        found = {place: self.contents.of(home / "data" / place)[0] for place in self.names}
        for which, expected in self.sets.items():
            if found == expected:
                return which
        wrong = {
            place: next((which for which, one in self.sets.items() if one[place] == seen), seen)
            for place, seen in found.items()
        }
        return f"neither set: {wrong}"

    def judge_as_found(self, home, told):
        """Judge *home* as a power cut has left it, before any recovery."""
        which = self.in_use(home)
        if which not in self.sets:
            yield "one set", which
        if env_flag.flag(home / ".env") and which != CONSOLIDATED:
            yield "flag", f"true, and the names lead to {which}"
        env = (home / ".env").read_bytes() if (home / ".env").exists() else b""
        if env not in {env_flag.with_flag(ENV, on=on) for on in (False, True)}:
            yield "env", env
        allowed, success = self.demand(told)
        if which in self.sets and which not in allowed:
            yield "told", f"{told[-1]!r}, and the names lead to {which}"
        if success and which in self.sets:
            yield from self.judge_settled(home, which)

    def judge_recovered(self, home, told):
        """Recover *home*, and judge it."""
        try:
            # A rollback that ended before it held a database leaves its copies to the next one.
            copies = switch_state.under_way(home / "data") is None
            recovery.settle(home / "data")
            if said := recovery.settle(home / "data"):
                yield "recovers", f"again: {said}"
        except (MigratorError, OSError, sqlite3.Error) as error:
            yield "recovers", repr(error)
            return
        which = self.in_use(home)
        if which not in self.sets:
            yield "one set", which
            return
        if which not in self.demand(told)[0]:
            yield "told", f"{told[-1]!r}, and after recovery the names lead to {which}"
        yield from self.judge_settled(home, which, copies=copies)

    def judge_settled(self, home, which, *, copies=False):
        """Judge *home*, in which nothing may be under way, and the set *which* is in use; with *copies* a rollback's may be left."""
        data = home / "data"
        try:
            last = switch_state.read(data)
        except MigratorError as error:
            yield "settled", str(error)
            return
        if env_flag.flag(home / ".env") != (which == CONSOLIDATED):
            yield "settled", f"the flag, and the names lead to {which}"
        under_way = last is not None and not last.finished
        if under_way or (last is not None and last.consolidated) != (which == CONSOLIDATED):
            yield "settled", f"the record says {last and (last.kind, last.finished)}, and the names lead to {which}"
        for place, target in self.names.items():
            leads = os.path.relpath(data / catalogue.TARGETS[target], (data / place).parent)
            if which == CONSOLIDATED:
                alone = (data / place).is_symlink() and str((data / place).readlink()) == leads
            else:
                alone = not (data / place).is_symlink() and (data / place).stat().st_nlink == 1
            if not alone:
                yield "settled", f"{place} does not stand alone"
            if which == LEGACY and self.contents.of(data / place)[1] != self.modes[place]:
                yield "modes", f"{place} is in {self.contents.of(data / place)[1]}, was in {self.modes[place]}"
        # The next record takes the place of a record's draft.
        left = [str(path.relative_to(home)) for path in home.rglob(".*.draft") if path.name != ".switch.json.draft"]
        folders = ["legacy"] if copies and which == CONSOLIDATED else ["legacy", "rolled-back", "rollback"]
        left += [name for name in folders if (data / ".migrator" / name).exists()]
        if which == LEGACY:
            left += [name for name in ("active", "new") if os.path.lexists(data / ".migrator" / name)]
        if left:
            yield "settled", f"left: {left}"
        yield from self._judge_kept(data, which)

    def _judge_kept(self, data, which):
        backup = data / "backup" / self.run
        needed = {}
        if which == CONSOLIDATED:
            needed |= {backup / "originals" / place: one for place, one in self._originals().items()}
            needed |= self._three(data)
            needed |= self._three(backup / "consolidated", self._baseline())
            for path in self._three(data):
                if self.contents.of(path)[1] != "wal":
                    yield "modes", f"{path.name} is in {self.contents.of(path)[1]}"
        elif self.deed == "rollback":
            needed |= self._three(backup / "rolled-back") | {backup / "rolled-back" / "residue.db": self._residue()}
        else:
            needed |= self._three(data / ".migrator" / "stage")
            if not (data / ".migrator" / "stage" / build_stage.FINISHED).exists():
                yield "kept", "the stage is not marked as finished"
        for path, expected in needed.items():
            journal = path.with_name(f"{path.name}-journal")
            # As SQLite decides whether it is hot (sqlite.org/lockingv3.html, section 4.0; its first byte is not zero).
            if journal.exists() and journal.read_bytes()[:1] not in (b"", b"\0"):
                yield "kept", f"{path.relative_to(data)} has a journal, and cannot be read without being written to"
            if self.contents.of(path)[0] != expected:
                yield "kept", f"{path.relative_to(data)}: {self.contents.of(path)[0]}"

    def _three(self, folder, digests=None):
        return {folder / name: (digests or self.three)[target] for target, name in catalogue.TARGETS.items()}

    def _of_whole(self, folder):
        """Return the folder below ``backup/<run>`` of whichever end of the scenario is consolidated."""
        whole = self.start if self.before == CONSOLIDATED else self.done
        return whole / "data" / "backup" / self.run / folder

    def _originals(self):
        return {place: self.contents.of(self._of_whole("originals") / place)[0] for place in self.names}

    def _baseline(self):
        return {
            target: self.contents.of(self._of_whole("consolidated") / name)[0]
            for target, name in catalogue.TARGETS.items()
        }

    def _residue(self):
        return self.contents.of(self.done / "data" / "backup" / self.run / "rolled-back" / "residue.db")[0]

    def judge_again(self, home):
        """Do the deed again in the recovered *home*, or undo it, and judge what comes."""
        try:
            if self.in_use(home) == self.before:
                getattr(small_set, {"cutover": "cut_over", "rollback": "roll_back"}[self.deed])(home)
                expected = self.after
            elif self.deed == "cutover":
                small_set.roll_back(home)
                expected = self.before
            else:
                return
        except (MigratorError, OSError, sqlite3.Error) as error:
            yield "again", repr(error)
            return
        if (which := self.in_use(home)) != expected:
            yield "again", which
        elif which == self.after:
            yield from self.judge_settled(home, which)

    def judge(self, home, told, *, again):
        """Return everything that is wrong in *home* after a crash: check -> what was found first."""
        wrong = list(self.judge_as_found(home, told))
        wrong += self.judge_recovered(home, told)
        if again and not wrong:
            wrong += self.judge_again(home)
        return dict(reversed(wrong))


class Migration:
    """Snapshot and build: the legacy set is not touched, and nothing half done is taken for finished."""

    deed = "migrate"

    def __init__(self, start, done, contents):
        self.start, self.done, self.contents = start, done, contents
        self.snapshot = self._files(backup_stage.newest(done / "data" / "backup"))
        self.stage = self._files(done / "data" / ".migrator" / "stage")
        self.legacy = self._files(start / "data")
        assert self.snapshot
        assert len(self.stage) == len(catalogue.TARGETS)

    def _files(self, folder):
        found = (
            path for path in folder.rglob("*.db") if not {"backup", ".migrator"} & set(path.relative_to(folder).parts)
        )
        return {str(path.relative_to(folder)): self.contents.of(path)[0] for path in found}

    def demand(self, told):
        """Return whether success was reported."""
        return "success" in told

    def judge(self, home, told, *, again):
        """Return everything that is wrong in *home* after a crash."""
        data, wrong = home / "data", {}
        if self._files(data) != self.legacy:
            wrong["one set"] = self._files(data)
        if (home / ".env").read_bytes() != ENV:
            wrong["env"] = (home / ".env").read_bytes()
        newest = backup_stage.newest(data / "backup") if (data / "backup").is_dir() else None
        stage = data / ".migrator" / "stage"
        if newest is not None and self._files(newest) != self.snapshot:
            wrong["finished"] = f"snapshot: {self._files(newest)}"
        if (stage / build_stage.FINISHED).exists() and self._files(stage) != self.stage:
            wrong["finished"] = f"stage: {self._files(stage)}"
        if self.demand(told) and (newest is None or not (stage / build_stage.FINISHED).exists()):
            wrong["told"] = "success, and snapshot or stage is not there"
        if again and not wrong:
            try:
                small_set.build(home)
            except (MigratorError, OSError, sqlite3.Error) as error:
                wrong["again"] = repr(error)
            else:
                if self._files(stage) != self.stage:
                    wrong["again"] = "another stage"
        return wrong


def written_to(home):
    """Write to the consolidated set in *home* as a bot would that then dies: rows lie in the WAL."""
    child = os.fork()
    if child == 0:
        try:
            core = sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)
            core.execute("UPDATE positions SET notes = 'only here' WHERE id = (SELECT min(id) FROM positions)")
            carried = "legacy_jarvis_pick_performance"
            core.execute(f"DELETE FROM {carried} WHERE rowid = (SELECT min(rowid) FROM {carried})")
            assert core.total_changes == 2
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert (home / "data" / "jarvis_core.db-wal").stat().st_size > 0


class Restoration:
    """A restore: all names open the present files or all those of the run, and no present file is lost."""

    deed = "restore"
    #: Files that are changed, missing and damaged before, and one that is as it was.
    CHANGED, MISSING, DAMAGED, SAME = "jarvis.db", "alerts.db", "cache/file_cache.db", "jarvis_memory.db"

    def __init__(self, built, folder, contents):
        self.contents, self.start, self.done = contents, folder / "spoilt", folder / "restored"
        data = small_set.copied(built, self.start) / "data"
        with closing(sqlite3.connect(data / self.CHANGED, isolation_level=None)) as connection:
            connection.execute("UPDATE trades SET symbol = 'LATE'")
        (data / self.MISSING).unlink()
        (data / self.DAMAGED).write_bytes(b"no database" * 500)
        (data / f"{self.DAMAGED}-wal").write_bytes(b"a WAL of nothing")
        small_set.restore(small_set.copied(self.start, self.done))
        self.present, self.restored = (self._names(home) for home in (self.start, self.done))
        assert [len(self.restored[name]) for name in self.restored] == [64] * 4
        assert {self.CHANGED, self.MISSING, self.DAMAGED} == {
            name for name, digest in self.restored.items() if digest != self.present[name]
        }

    def _names(self, home):
        return {
            name: self.contents.of(home / "data" / name)[0]
            for name in (self.CHANGED, self.MISSING, self.DAMAGED, self.SAME)
        }

    def under_the_names(self, home):
        """Return which files are under the names; else what is wrong."""
        found = self._names(home)
        known = {"present": self.present, "restored": self.restored}
        return next((which for which, names in known.items() if names == found), f"neither: {found}")

    def demand(self, told):
        """Return which files may be under the names after these reports in *told*, and whether success was among them."""
        allowed = ("present", "restored")
        if any("COMMITTED" in text or "after its commit" in text for text in told):
            allowed = ("restored",)
        elif any("before its commit" in text for text in told):
            allowed = ("present",)
        return allowed, "success" in told

    def judge(self, home, told, *, again):
        """Return everything that is wrong in *home* after a crash."""
        if (found := self.under_the_names(home)) not in self.demand(told)[0]:
            return {"one set": found}
        try:
            recovery.settle(home / "data")
        except (MigratorError, OSError, sqlite3.Error) as error:
            return {"recovers": repr(error)}
        if (found := self.under_the_names(home)) not in self.demand(told)[0]:
            return {"one set": f"after recovery: {found}"}
        wrong = dict(self._judge_settled(home / "data", restored=found == "restored"))
        if again and not wrong and found == "present":
            try:
                small_set.restore(home)
            except (MigratorError, OSError, sqlite3.Error) as error:
                wrong["again"] = repr(error)
            else:
                wrong |= self._judge_settled(home / "data", restored=True)
        return wrong

    def _judge_settled(self, data, *, restored):
        if (data / ".migrator" / "switch.json").exists():
            yield "settled", "a record is left"
        if linked := [name for name in self.present if (data / name).is_symlink()]:
            yield "settled", f"links: {linked}"
        left = [name for name in ("legacy", "rolled-back") if (data / ".migrator" / name).exists()]
        if left and restored:
            yield "settled", f"left: {left}"
        for name in (self.CHANGED, self.DAMAGED) if restored else ():
            kept = {self.contents.of(path)[0] for path in (data / "backup" / "0001").glob(f"replaced*/{name}")}
            if self.present[name] not in kept:
                yield "kept", f"{name}: {kept}"


@contextlib.contextmanager
def scenarios(folder):
    """Make each scenario in *folder*: deed -> scenario."""
    home = small_set.make(folder / "built")
    (home / ".env").write_bytes(ENV)
    (folder / "scratch").mkdir()
    contents = Contents(folder / "scratch")
    switched = small_set.copied(home, folder / "switched")
    small_set.cut_over(switched)
    small_set.copied(switched, folder / "used")
    written_to(folder / "used")
    back = small_set.copied(folder / "used", folder / "back")
    assert {"core.positions": 1} == dict(small_set.roll_back(back).residue)
    empty = small_set.copied(home, folder / "empty")
    shutil.rmtree(empty / "data" / "backup")
    shutil.rmtree(empty / "data" / ".migrator")
    # No other process is at work here: waiting would be in vain, and scanning all processes each time takes longest.
    with (
        small_set.in_this_process(),
        mock.patch.object(exclusive_access, "PATIENCE_S", 0.01),
        mock.patch.object(exclusive_access, "holders", return_value=[]),
    ):
        yield {
            "cutover": Scenario(deed="cutover", start=home, done=switched, before=LEGACY, contents=contents),
            "rollback": Scenario(
                deed="rollback", start=folder / "used", done=back, before=CONSOLIDATED, contents=contents
            ),
            "migrate": Migration(empty, home, contents),
            "restore": Restoration(home, folder, contents),
        }
