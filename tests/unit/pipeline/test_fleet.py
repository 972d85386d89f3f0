"""Many installs on a Dask cluster: each is reported, none stops another, none is touched by two at once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import small_set

from migrator.errors import MigratorError, UsageError
from migrator.pipeline import fleet
from migrator.records.fleet import Ending, Install
from migrator.reports import fleet as fleet_report
from migrator.switch.workspace import Workspace

pytest.importorskip("distributed", reason="the extra fleet is not installed")
from distributed import LocalCluster

pytestmark = pytest.mark.slow


def make(home):
    small_set.write(home)
    return Install(name=home.name, data_dir=home / "data")


def endings(found):
    return {outcome.name: outcome.ending for outcome in found.outcomes}


def backups_of(install):
    return sorted(path.name for path in Workspace(install.data_dir).backups.iterdir())


@pytest.fixture(name="cluster")
def _cluster():
    """Two workers that are processes, as on two machines; each can say which disk it has."""
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
        resources={"disk-a": 2},
    ) as cluster:
        yield cluster


def no_go(install):
    """Let the contracts refuse *install*: a waiver whose day is over."""
    config = install.data_dir / "migrator.toml"
    config.write_text(
        f'{config.read_text()}\n[[waivers]]\nid = "build/core_pages_are_whole"\nscope = "all"\nreason = "r"\n'
        'owner = "o"\nexpires = 2020-01-01\n'
    )


def without_permission(install):
    """Let this user have no right to work there."""
    if os.geteuid():
        install.data_dir.chmod(0)
    else:
        # Root may read everything; but what another user could have written under our names is refused.
        Workspace(install.data_dir).stage.parent.mkdir()
        os.chown(Workspace(install.data_dir).stage.parent, 71001, 71001)


def test_twelve_installs_with_one_no_go_one_without_permission_and_a_worker_that_is_killed(tmp_path, cluster):
    installs = [make(tmp_path / f"bot-{number:02}") for number in range(12)]
    no_go(installs[3])
    without_permission(installs[7])

    def kill_a_worker():
        """Kill a worker once the sixth install has begun: then both are at work."""
        while not Workspace(installs[5].data_dir).backups.exists():
            time.sleep(0.05)
        os.kill(cluster.workers[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    found = fleet.run("migrate", installs, scheduler=cluster.scheduler_address)
    killer.join()

    assert [install.name for install in installs] == [outcome.name for outcome in found.outcomes]
    expected = dict.fromkeys((install.name for install in installs), Ending.GO)
    assert {**expected, "bot-03": Ending.NO_GO, "bot-07": Ending.REFUSED} == endings(found)
    # Only the install whose worker died can have been begun twice.
    assert sum(len(backups_of(install)) - 1 for install in installs if install.name != "bot-07") <= 1
    assert {"GO"} == {
        json.loads(Workspace(install.data_dir).evidence.read_text())["verdict"]
        for install in installs
        if expected[install.name] is Ending.GO and install.name not in {"bot-03", "bot-07"}
    }

    before = [backups_of(install) for install in installs if install.name != "bot-07"]
    again = fleet.run("migrate", installs, scheduler=cluster.scheduler_address)

    assert endings(found) == endings(again)
    after = [backups_of(install) for install in installs if install.name != "bot-07"]
    assert [3] == [number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]


def test_an_install_waits_for_its_worker_no_longer_than_a_minute(tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(fleet, "_WORKERLESS_S", 1.0)
    here, there = make(tmp_path / "here"), make(tmp_path / "there")
    installs = [
        Install(name="here", data_dir=here.data_dir, worker="disk-a"),
        Install(name="there", data_dir=there.data_dir, worker="disk-b"),
        Install(name="nowhere", data_dir=there.data_dir, worker="tcp://127.0.0.1:9"),
    ]

    found = fleet.run("status", installs, scheduler=cluster.scheduler_address)

    assert {"here": Ending.DONE, "there": Ending.LOST, "nowhere": Ending.LOST} == endings(found)
    assert "no worker has offered disk-b for 1 s" == found.outcomes[1].says


def test_a_failure_that_may_pass_is_tried_again_and_a_refusal_is_not(tmp_path, monkeypatch):
    tries = tmp_path / "tries"
    sets = [make(tmp_path / "a"), Install(name="b", data_dir=tmp_path / "not there")]
    real = fleet.worker_process.start

    def dies_once(module):
        with tries.open("a") as file:
            file.write("x")
        process = real(module)
        if tries.stat().st_size == 1:
            process.kill()
        return process

    monkeypatch.setattr(fleet.worker_process, "start", dies_once)
    found = fleet.run("status", sets, retries=1, limit=1)

    assert {"a": Ending.DONE, "b": Ending.REFUSED} == endings(found)
    assert 3 == tries.stat().st_size


def test_a_process_that_dies_is_reported_and_the_others_go_on(tmp_path, monkeypatch):
    sets = [make(tmp_path / "a"), make(tmp_path / "b")]
    real, begun = fleet.worker_process.start, []

    def the_first_dies(module):
        begun.append(process := real(module))
        if len(begun) == 1:
            process.kill()
        return process

    monkeypatch.setattr(fleet.worker_process, "start", the_first_dies)
    found = fleet.run("status", sets, limit=1)

    assert {"a": Ending.FAILED, "b": Ending.DONE} == endings(found)
    assert "its process ended with SIGKILL" == found.outcomes[0].says


def test_an_install_with_a_worker_needs_a_scheduler(tmp_path):
    install = Install(name="a", data_dir=tmp_path, worker="disk-a")

    with pytest.raises(UsageError, match="a needs the worker disk-a"):
        fleet.run("status", [install])


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fleet, "_PATIENCE_S", 0.5)
    with pytest.raises(MigratorError, match=r"tcp://127\.0\.0\.1:9: no scheduler answers"):
        fleet.run("status", [Install(name="a", data_dir=tmp_path)], scheduler="tcp://127.0.0.1:9")


def test_ctrl_c_ends_the_processes_and_another_run_goes_on(tmp_path):
    sets = [make(tmp_path / f"bot-{number}") for number in range(3)]
    listed = tmp_path / "installs"
    listed.write_text("".join(f"{install.name}, {install.data_dir}\n" for install in sets))
    command = [sys.executable, "-m", "migrator", "fleet", "migrate", str(listed)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not any(Workspace(install.data_dir).backups.exists() for install in sets):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)

    assert "migrator: interrupted; run it again" == told.strip()
    found = fleet.run("migrate", sets)
    assert {Ending.GO} == set(endings(found).values())


def test_two_fleets_with_one_name_on_one_scheduler_have_their_own_outcomes(tmp_path, cluster):
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    gone = Install(name="bot", data_dir=tmp_path / "gone")
    with fleet._client(cluster.scheduler_address, 1) as client:
        # Another user's run of the same name, whose outcome the scheduler keeps.
        theirs = fleet._submit(client, "status", Install(name="bot", data_dir=one.data_dir), 0)
        fleet._result(theirs, one)
        ours = fleet._submit(client, "status", gone, 0)
        ours.result()

        assert Ending.REFUSED is fleet._result(ours, gone).ending

    assert Ending.DONE is fleet.run("status", [other], scheduler=cluster.scheduler_address).outcomes[0].ending


def test_an_empty_folder_is_refused_and_nothing_is_written(tmp_path):
    (outcome,) = fleet.run("migrate", [Install(name="a", data_dir=tmp_path)]).outcomes

    assert (Ending.REFUSED, []) == (outcome.ending, list(tmp_path.iterdir()))
    assert "no SQLite file here" in outcome.says


def test_the_env_lies_beside_the_folder_as_it_is_named(tmp_path):
    """A cutover by way of a link sets the .env beside the link; the install is verified by the same."""
    make(tmp_path / "disk")
    bot = tmp_path / "bot"
    bot.mkdir()
    (bot / "data").symlink_to(tmp_path / "disk" / "data")
    command = [sys.executable, "-m", "migrator"]
    named = ["--data-dir", str(bot / "data")]
    subprocess.run([*command, "migrate", *named], check=True, capture_output=True)
    subprocess.run([*command, "quarantine", "accept", *named], check=True, capture_output=True)
    subprocess.run([*command, "cutover", "--execute", "--bot-is-stopped", *named], check=True, capture_output=True)

    (outcome,) = fleet.run("verify", [Install(name="a", data_dir=bot / "data")]).outcomes

    assert (Ending.DONE, "the consolidated set is in use and sound") == (outcome.ending, outcome.says)


def test_a_set_in_use_is_verified_as_one(tmp_path):
    install = make(tmp_path / "switched")
    small_set.build(tmp_path / "switched")
    small_set.cut_over(tmp_path / "switched")

    (found,) = fleet.run("verify", [install]).outcomes

    # The switch of this test has no evidence.
    assert Ending.NO_GO is found.ending
    assert "evidence" in found.says
    assert f"migrator status --data-dir {install.data_dir}" == found.next


def test_the_page_shows_each_install_and_escapes_its_name(tmp_path):
    sets = [Install(name="<b>one", data_dir=tmp_path / "gone"), Install(name="two", data_dir=tmp_path / "away")]

    shown = fleet_report.html(fleet.run("status", sets))

    assert "&lt;b&gt;one" in shown
    assert "<b>one" not in shown
    assert 2 == shown.count(">refused<")
    assert "2 installs: 2 refused" in shown
