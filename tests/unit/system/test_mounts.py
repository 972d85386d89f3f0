"""What is mounted between the data directory and a file: refused before anything is touched, with what to do."""

import contextlib
import os
import subprocess
from pathlib import Path

import generated
import other_users
import pytest
import small_set

from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import prune as pipeline_prune
from migrator.pipeline import switchover
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.inventory.stage import inventory
from migrator.switch import recovery
from migrator.system import connections, durable_files, mounts

pytestmark = pytest.mark.slow
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture(name="built", scope="module")
def _built():
    with generated.scratch() as folder:
        yield small_set.make(folder / "built")


@pytest.fixture(name="home")
def _home(built):
    return small_set.copied(built, built.parent / "home")


def prepared(home):
    workspace, configuration = small_set.workspace_of(home)
    with small_set.in_this_process():
        snapshot = backup_stage.latest(workspace.backups, read_back=inventory)
        return cutover_stage.prepare(pipeline_migrate.plan(workspace, configuration), snapshot, home / ".env")


@contextlib.contextmanager
def bound(path):
    """Mount the file or folder *path* over itself, as a container's volume of it would be."""
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@AS_ROOT
@pytest.mark.parametrize("name", ["jarvis.db", "cache", "backup", ".migrator/stage", ".env"])
def test_a_mount_between_is_refused_in_the_dry_run(home, name):
    path = home / "data" / name if name != ".env" else home / name
    (home / ".env").touch()
    assert () == cutover_stage.refusals(prepared(home))

    with bound(path):
        (told, *_) = cutover_stage.refusals(prepared(home))

    assert "mounted by itself" in told or f"lies in the mount {path}" in told, told
    assert "; mount " in told


@contextlib.contextmanager
def overlaid(folder, lower, options):
    """Mount an overlay below *folder* over what *lower* writes; the lower layer is a file system of its own."""
    below, above, merged = (folder / name for name in ("lower", "upper", "merged"))
    for made in (below, above, merged):
        made.mkdir()
    with contextlib.ExitStack() as stack:
        for arguments, point in (
            (["-t", "tmpfs", "lower"], below),
            (
                [
                    "-t",
                    "overlay",
                    "overlay",
                    "-o",
                    f"lowerdir={below},upperdir={above}/up,workdir={above}/work{options}",
                ],
                merged,
            ),
        ):
            if point == merged:
                lower(below)
                for made in ("up", "work"):
                    (above / made).mkdir()
            done = subprocess.run(["mount", *arguments, point], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"this machine mounts no such file system: {done.stderr.strip()}")
            stack.callback(subprocess.run, ["umount", "--lazy", point], check=True)
        yield merged


@AS_ROOT
@pytest.mark.parametrize("options", ["", ",xino=on", ",xino=on,index=on"])
@pytest.mark.parametrize(
    "what", ["all", "the legacy files", "all but a file that was written to", "all but a file that was replaced"]
)
def test_the_dry_run_on_an_overlay_of_two_file_systems_foresees_what_the_cutover_does(built, tmp_path, what, options):
    """A container has its databases in the image, or some of them, and its new files in the layer above."""

    def lower(folder):
        small_set.copied(built, folder / "home")
        if what == "the legacy files":
            for made in ("backup", ".migrator"):
                durable_files.remove_folder(folder / "home" / "data" / made)

    with overlaid(tmp_path, lower, options) as merged:
        home, alerts = merged / "home", merged / "home" / "data" / "alerts.db"
        if what == "all but a file that was written to":
            os.utime(alerts)
        elif what == "all but a file that was replaced":
            alerts.with_name("new").write_bytes(alerts.read_bytes())
            alerts.with_name("new").replace(alerts)
        elif what == "the legacy files":
            small_set.build(home)

        told = cutover_stage.refusals(prepared(home))

        if told:
            assert all(
                "in a lower layer of an overlay file system; replace it by a copy of itself" in one for one in told
            ), told
        else:
            assert small_set.cut_over(home).executed
            assert small_set.roll_back(home).executed


@AS_ROOT
@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
def test_a_companion_that_is_mounted_is_refused_in_the_dry_run(home, suffix):
    """The switch moves it beside its database, or SQLite removes it."""
    companion = connections.beside(home / "data" / "alerts.db", suffix)
    companion.touch()

    with bound(companion):
        assert [f"{companion}: is mounted by itself"] == [
            told.partition(",")[0] for told in cutover_stage.refusals(prepared(home))
        ]


@contextlib.contextmanager
def changed(path, letter):
    """Set an attribute of the file or folder *path*."""
    done = subprocess.run(["chattr", f"+{letter}", path], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this file system has no attributes: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{letter}", path], check=True)


def image(home):
    """Return each entry below *home* -> what a write would change of it, and its bytes."""
    kept = ("st_mode", "st_ino", "st_nlink", "st_size", "st_mtime_ns", "st_ctime_ns")
    return {
        path: ([getattr(path.lstat(), name) for name in kept], path.is_file() and path.read_bytes())
        for path in (home, *home.rglob("*"))
    }


@pytest.fixture(name="on_disk")
def _on_disk(built, tmp_path):
    """A copy where the file system may have attributes."""
    home = small_set.copied(built, tmp_path / "home")
    (home / ".env").write_text("A=1\n")
    return home


@AS_ROOT
@pytest.mark.parametrize("letter", "ia")
@pytest.mark.parametrize(
    "name",
    [
        *("data/alerts.db", "data/cache/file_cache.db", "data/alerts.db-journal", "data/alerts.db-wal"),
        *("data", "data/cache", "data/.migrator", "data/.migrator/stage", "data/.migrator/stage/jarvis_core.db"),
        *(".env", "."),
    ],
)
def test_what_cannot_be_renamed_is_refused_in_the_dry_run_which_writes_nothing(on_disk, name, letter):
    path = on_disk / name
    if not path.exists():
        path.touch()
    wanted = prepared(on_disk)
    assert () == cutover_stage.refusals(wanted)

    with changed(path, letter):
        before = image(on_disk)
        told = cutover_stage.refusals(wanted)
        after = image(on_disk)

    assert before == after
    (named,) = [one for one in told if f"chattr -{letter} {path}" in one]
    assert "cannot be renamed" in named or "no entry of it can be renamed" in named
    assert not any("chmod" in one for one in told)


@AS_ROOT
@pytest.mark.parametrize("letter", "ia")
@pytest.mark.parametrize("name", ["data", "data/backup", "data/.migrator"])
def test_a_folder_of_ours_that_keeps_its_entries_is_refused_by_the_plan(on_disk, name, letter):
    workspace, configuration = small_set.workspace_of(on_disk)

    with changed(on_disk / name, letter), small_set.in_this_process():
        told = pipeline_migrate.plan(workspace, configuration).refusals

    assert 1 == len(told), told
    assert told[0].endswith(f"chattr -{letter} {on_disk / name}")


@AS_ROOT
@pytest.mark.parametrize("name", ["backup", "backup/0001", "backup/0001/alerts.db"])
def test_a_run_with_what_cannot_be_removed_is_refused_by_prune_and_stays_whole(on_disk, name):
    """Owners protect their backups so."""
    small_set.build(on_disk)
    workspace, _ = small_set.workspace_of(on_disk)
    before = image(on_disk / "data" / "backup" / "0001")

    with changed(on_disk / "data" / name, "i"), small_set.in_this_process():
        done = pipeline_prune.prune(workspace, snapshots=1, execute=True)

    assert not done.executed
    assert [one for one in done.refusals if one.endswith(f"chattr -i {on_disk / 'data' / name}")], done.refusals
    assert before.keys() == image(on_disk / "data" / "backup" / "0001").keys()


@AS_ROOT
@pytest.mark.parametrize("name", ["data", "data/cache", "data/.migrator", "data/jarvis_core.db"])
def test_what_cannot_be_renamed_after_the_cutover_is_refused_by_the_rollback(on_disk, name):
    small_set.cut_over(on_disk)

    with changed(on_disk / name, "a"), pytest.raises(Refused, match=rf"is append-only, .*chattr -a {on_disk / name}"):
        small_set.roll_back(on_disk)

    assert small_set.roll_back(on_disk).executed


def test_a_file_system_without_links_is_named_in_the_dry_run(home, tmp_path, monkeypatch):
    table = tmp_path / "mountinfo"
    table.write_bytes(b"1 2 0:3 / / rw - ext4 x rw\n3 1 0:4 / %s rw shared:1 - vfat x rw\n" % os.fsencode(home))
    wanted = prepared(home)
    monkeypatch.setattr(mounts, "_TABLE", table)

    assert [
        f"{home / 'data'}: lies on vfat, which has no hard links and no symbolic links; move the data directory to another file system"
    ] == list(cutover_stage.refusals(wanted))


@AS_ROOT
def test_a_companion_of_another_user_in_a_sticky_folder_is_refused_in_the_dry_run(home):
    """Only its owner or the folder's may remove it: the bot runs as another user than the owner of its files."""
    home.parent.chmod(0o755)
    other_users.given(home, 1_000, 1_000)
    data = home / "data"
    os.chown(data, 2_000, 2_000)
    data.chmod(0o1777)
    journal = data / "alerts.db-journal"
    journal.touch(mode=0o666)
    os.chown(journal, 2_000, 2_000)
    wanted = prepared(home)

    told = other_users.as_user(1_000, cutover_stage.refusals, wanted)

    assert [one for one in told if str(journal) in one]
    os.chown(journal, 1_000, 1_000)
    assert not [one for one in other_users.as_user(1_000, cutover_stage.refusals, wanted) if str(journal) in one]


@AS_ROOT
def test_a_mount_that_comes_after_the_cutover_is_refused_by_the_rollback(home):
    small_set.cut_over(home)

    with bound(home / "data" / "backup"), pytest.raises(Refused, match=r"lies in the mount .*/backup, and nothing"):
        small_set.roll_back(home)

    assert small_set.roll_back(home).executed


def test_the_deepest_mount_counts_and_blanks_are_read_as_they_are(tmp_path, monkeypatch):
    table = tmp_path / "mountinfo"
    points = (rb"/", rb"/data", rb"/data/my\040files", rb"/data/my\040files/a.db")
    table.write_bytes(b"".join(b"1 2 0:3 / %s rw - ext4 x rw\n" % point for point in points))
    monkeypatch.setattr(mounts, "_TABLE", table)

    asked = ["/data/my files/a.db", "/data/my files/b.db", "/data/my", "/databases/a.db"]
    found = [str(mounts.mount_of(Path(path))) for path in asked]

    assert ["/data/my files/a.db", "/data/my files", "/data", "/"] == found
    assert [True, False] == [mounts.is_mounted(Path(path)) for path in asked[:2]]


@pytest.mark.parametrize("why", ["no links", "a copy"])
def test_a_file_system_without_links_is_refused_before_anybody_is_held_up(home, monkeypatch, why):
    before = {path: path.lstat().st_mtime_ns for path in (home / "data").rglob("*.db")}

    def hardlink_to(self, target):
        if why == "no links":
            raise PermissionError(1, "Operation not permitted")
        self.write_bytes(Path(target).read_bytes())

    monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
    with pytest.raises(Refused, match=r"cannot be given a second name in .*file system with hard links"):
        small_set.cut_over(home)

    assert before == {path: path.lstat().st_mtime_ns for path in (home / "data").rglob("*.db")}
    assert not (home / "data" / ".migrator" / "legacy").exists()


def test_a_recovery_takes_away_what_a_trial_left_that_was_killed(home, monkeypatch):
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(Path, "samefile", lambda *_: os._exit(9))
        try:
            small_set.cut_over(home)
        finally:
            os._exit(0)
    assert 9 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    named_twice = [path for path in (home / "data").glob("*.db") if path.stat().st_nlink == 2]
    assert 1 == len(named_twice)

    assert "cut short before its commit" in recovery.settle(home / "data")

    assert 1 == named_twice[0].stat().st_nlink

    assert small_set.cut_over(home).executed


@AS_ROOT
@pytest.mark.parametrize("execute", [False, True])
def test_a_full_folder_for_private_copies_is_named_and_not_the_snapshot(home, tmp_path, execute, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in (home / "data").rglob("*.db")}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path], check=True)
    try:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        workspace, configuration = small_set.workspace_of(home)
        with pytest.raises(Refused, match=r"no space for its private copy; set TMPDIR to a folder with room$"):
            switchover.cutover(workspace, configuration, execute=execute)
    finally:
        subprocess.run(["umount", tmp_path], check=True)

    assert before == {path: path.stat().st_mtime_ns for path in (home / "data").rglob("*.db")}
