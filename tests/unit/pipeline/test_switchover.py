"""A cutover carries out the plan that was made, and plans again only if something changed meanwhile."""

import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import accepted_quarantine
import pytest
import small_set

from migrator.errors import Refused
from migrator.pipeline import migrate, preconditions, status, switchover
from migrator.records.observer import Observer
from migrator.stages.inventory.stage import inventory


@pytest.fixture(name="home", scope="module")
def make_home(tmp_path_factory):
    return small_set.make(tmp_path_factory.mktemp("switchover"))


@pytest.fixture(name="ready")
def make_ready(home, tmp_path, monkeypatch):
    """A copy of the set whose files can be switched; evidence and decisions are checked elsewhere."""
    kept = [one for one in preconditions.CUTOVER if one not in preconditions.RENEWED]
    monkeypatch.setattr(preconditions, "CUTOVER", kept)
    small_set.copied(home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(name="read")
def make_read(monkeypatch):
    """The folders that were read by an inventory, in order."""
    read = []

    def noted(folder, **options):
        read.append(folder)
        return inventory(folder, **options)

    for module in (migrate, status, switchover):
        monkeypatch.setattr(module, "inventory", noted)
    return read


def cut_over(home, observer=None, **decisions):
    workspace, configuration = small_set.workspace_of(home)
    with small_set.in_this_process():
        return switchover.cutover(workspace, replace(configuration, **decisions), execute=True, observer=observer)


def test_the_legacy_set_is_read_once_for_the_plan_that_is_carried_out(ready, read):
    assert cut_over(ready).executed
    assert 1 == read.count(ready / "data")


@pytest.mark.parametrize(
    ("does", "reads"), [("pass", 1), ("open(DATA + '/new.txt', 'w').write('new')", 2)], ids=["nothing", "a new file"]
)
def test_the_plan_is_made_anew_if_the_hook_before_it_changed_anything(ready, read, does, reads):
    hook = ready / "hooks" / "before-cutover"
    hook.parent.mkdir(mode=0o700)
    hook.write_text(f"#!{sys.executable}\nDATA = {str(ready / 'data')!r}\n{does}\n", encoding="utf-8")
    hook.chmod(0o700)

    assert cut_over(ready, hooks=hook.parent).executed
    assert reads == read.count(ready / "data")


def test_a_process_that_opened_a_file_after_the_plan_is_refused(ready, monkeypatch):
    monkeypatch.setattr(switchover.cutover_stage, "holders", lambda _: ("process 7 has jarvis.db open",))

    done = cut_over(ready)

    assert not done.executed
    assert ("process 7 has jarvis.db open",) == done.holders


def test_a_journal_that_the_bot_removes_while_the_folder_is_read_is_passed_over(ready, monkeypatch):
    workspace, _ = small_set.workspace_of(ready)
    before = switchover._entries(workspace)
    monkeypatch.setattr(
        switchover.os, "walk", lambda _: [(ready / "data", [], [*map(str, before), "jarvis.db-journal"])]
    )

    assert before == switchover._entries(workspace)


class Pausing(Observer):
    """Calls *does* while the file ``hold`` pauses the cutover, then removes the file."""

    def __init__(self, own_folder, does):
        self._hold, self._does = own_folder / "hold", does
        self._hold.touch()

    def waiting(self, sentence):
        assert "paused before the switch" in sentence
        self._does()
        self._hold.unlink()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (lambda own: (own / "accepted.json").unlink(), "quarantined rows are not accepted"),
        (lambda own: write_to(own / "stage" / "jarvis_core.db"), "the stage has changed"),
        (Path.exists, None),
    ],
    ids=["acceptance withdrawn", "stage written to", "nothing"],
)
def test_what_came_up_while_the_cutover_was_paused_stops_it(ready, monkeypatch, changed, reason):
    own = ready / "data" / ".migrator"
    accepted_quarantine.accept(ready / "data")
    judged = small_set.build_stage.recorded(own / "stage").digests
    monkeypatch.setattr(
        status,
        "check",
        lambda _, now: SimpleNamespace(reasons=() if now.consolidated == judged else ("the stage has changed",)),
    )
    pausing = Pausing(own, lambda: changed(own))

    if reason is None:
        assert cut_over(ready, pausing).executed
        return
    with pytest.raises(Refused, match=f"{reason}.*nothing was switched"):
        cut_over(ready, pausing)
    assert not (ready / "data" / "jarvis.db").is_symlink()
    assert not (ready / "data" / "jarvis_core.db").exists()


def write_to(path):
    with closing(sqlite3.connect(path)) as stage:
        stage.execute("CREATE TABLE late (x)")


def test_a_log_that_grows_is_not_a_change_of_what_a_plan_is_made_from(home):
    workspace, _ = small_set.workspace_of(home)
    before = switchover._entries(workspace)
    log = workspace.state / "log" / "20260101T000000.000000Z-monitor.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("a line of another command", encoding="utf-8")

    assert before == switchover._entries(workspace)
