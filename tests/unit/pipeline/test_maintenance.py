"""The maintenance window from the command line: hooks, catching up, the watch that goes back by itself, the rehearsal."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import accepted_quarantine
import pytest

import migrator
from contracts.specimens import generator
from migrator.config import config_file
from migrator.pipeline import migrate as pipeline_migrate
from migrator.schema import catalogue
from migrator.switch.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(name="migrated", scope="module")
def _migrated(tmp_path_factory):
    """A clean set, migrated and judged, whose owners accept what is in quarantine."""
    home = tmp_path_factory.mktemp("migrated")
    generator.make(home / "data", seed=3, rows=300, wal=True)
    workspace, toml = Workspace(home / "data"), home / "data" / "migrator.toml"
    done = pipeline_migrate.migrate(workspace, config_file.load(toml), toml)
    assert done.holds
    accepted_quarantine.accept(home / "data")
    toml.write_text(toml.read_text() + '\n[hooks]\nfolder = "hooks"\n')
    (home / "data" / "hooks").mkdir(mode=0o700)
    return home


@pytest.fixture(name="home")
def _home(migrated, tmp_path):
    return shutil.copytree(migrated, tmp_path / "home", symlinks=True)


def run(verb, home, *arguments, given=""):
    command = [sys.executable, "-m", "migrator", verb, "--data-dir", home / "data", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def hook(home, name, body):
    path = home / "data" / "hooks" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)


def test_a_hook_stops_the_bot_and_another_starts_it(home):
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM sqlite_schema').fetchone();"
        " print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, home / "data" / "jarvis.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as bot:
        bot.stdout.readline()
        refused = run("cutover", home, "--execute")
        assert 3 == refused.returncode
        assert f"refused: jarvis.db is open in process {bot.pid}" in refused.stdout

        hook(
            home,
            "before-cutover",
            f"kill {bot.pid}; while kill -0 {bot.pid} && ! grep -q zombie /proc/{bot.pid}/status; do sleep 0.1; done",
        )
        hook(home, "after-cutover", f"cat > {home}/told")
        done = run("cutover", home, "--execute")

    assert 0 == done.returncode, done.stderr
    told = json.loads((home / "told").read_text())
    assert ("after-cutover", "cutover", True) == (told["hook"], told["verb"], told["executed"])


def test_a_dry_run_says_all_that_would_be_done_and_a_quiet_one_says_why_not(home):
    (home / ".env").write_text("A=1")

    told, dry = run("cutover", home), json.loads(run("cutover", home, "--json").stdout)["result"]
    (home / "data" / "jarvis_core.db").touch()
    quiet = run("cutover", home, "--quiet", "--execute")

    assert 0 == told.returncode, told.stdout
    assert f"USE_CONSOLIDATED_DBS=true in {home}/.env" in told.stdout
    assert "the originals go to backup/0001/originals" in told.stdout
    assert (3, False) == (len(dry["steps"]), dry["executed"])
    assert "A=1" == (home / ".env").read_text()
    assert (3, "") == (quiet.returncode, quiet.stdout)
    assert "jarvis_core.db: exists already" in quiet.stderr


def test_a_cutover_says_what_to_do_now_and_a_second_one_that_it_is_done(home):
    done, again, dry = run("cutover", home, "--execute"), run("cutover", home, "--execute"), run("cutover", home)

    assert [0, 0, 0] == [one.returncode for one in (done, again, dry)], done.stderr
    assert done.stdout.startswith("cutover of run 0001 is done; ")
    for verb in ("monitor", "backup", "replay"):
        assert f"migrator {verb} --data-dir {home}/data" in done.stdout
    assert "migrator census" in done.stdout
    assert again.stdout.startswith("already done: the consolidated set of run 0001 is in use\n")
    assert again.stdout == dry.stdout
    assert "refused" not in again.stdout + again.stderr


def test_reasons_stand_above_what_will_not_be_served(home):
    """Refusals stood above 88 bullets, out of sight on a terminal of 24 lines."""
    (home / "data" / ".migrator" / "accepted.json").unlink()
    with closing(sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)) as connection:
        for number in range(30):
            connection.execute(f"CREATE TABLE own_{number} (a PRIMARY KEY, b AS (a + 1))")

    few, every = run("cutover", home), run("cutover", home, "--all")

    assert (3, 3) == (few.returncode, every.returncode)
    assert re.match(r"REFUSED: \d+ reasons against the cutover; nothing was touched\nrefused: ", few.stdout)
    assert few.stdout.count("\n") < 24 < every.stdout.count("\n")
    assert "refused: " not in few.stdout.rpartition("refused: ")[2].partition("\n")[2]


def test_a_hook_that_fails_stops_the_switch(home):
    hook(home, "before-cutover", "exit 1")

    done = run("cutover", home, "--execute")

    assert (3, "") == (done.returncode, done.stdout)
    assert "the hook before-cutover ended with 1; nothing was switched" in done.stderr
    assert not (home / "data" / "jarvis.db").is_symlink()


def test_a_source_that_changed_refuses_by_its_name_and_catching_up_takes_the_change_along(home):
    with closing(sqlite3.connect(home / "data" / "tax.db", isolation_level=None)) as late:
        late.execute("CREATE TABLE late (x)")
        late.execute("INSERT INTO late VALUES (1)")

    refused = run("cutover", home, "--execute")
    hook(home, "on-failure", f"cat > {home}/failed")
    done = run("cutover", home, "--execute", "--catch-up")

    assert 3 == refused.returncode
    assert "tax.db" in refused.stdout
    assert 0 == done.returncode, done.stderr
    assert not (home / "failed").exists()
    with closing(migrator.connect("tax.db", schema="consolidated", data_dir=home / "data")) as core:
        assert [(1,)] == core.execute("SELECT x FROM legacy_tax_late").fetchall()


def test_what_speaks_against_it_after_catching_up_is_told_to_the_hook(home):
    with closing(sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)) as late:
        late.execute("UPDATE trades SET side = 'hold' WHERE id = (SELECT min(id) FROM trades)")
    hook(home, "on-failure", f"cat > {home}/failed")
    hook(home, "before-cutover", "true")

    done = run("cutover", home, "--execute", "--catch-up")

    assert 3 == done.returncode
    assert "quarantined rows are not accepted" in json.loads((home / "failed").read_text())["error"]


def test_after_the_cutover_a_backup_is_of_the_three_and_the_way_back_does_not_mind(home):
    """Committed rows that are in a WAL are in it; the snapshot that the cutover came from stays the newest of its kind."""
    data = home / "data"
    assert 0 == run("cutover", home, "--execute").returncode
    with closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=data)) as core:
        core.execute("INSERT INTO config (key, value) VALUES ('zanzibar', 'okapi')")
        core.commit()
        before = {path.name: path.read_bytes() for path in data.glob("jarvis_*.db*") if not path.name.endswith("-shm")}

        done = run("backup", home, "--json")

        assert before == {name: (data / name).read_bytes() for name in before}
    assert 0 == done.returncode, done.stderr
    folder = data / "backup" / "consolidated" / "0001"
    assert {*catalogue.TARGETS.values(), "snapshot.json"} == {path.name for path in folder.iterdir()}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    with closing(sqlite3.connect(folder / "jarvis_core.db")) as copy:
        assert [("ok",)] == copy.execute("PRAGMA integrity_check").fetchall()
        assert [("okapi",)] == copy.execute("SELECT value FROM config WHERE key = 'zanzibar'").fetchall()
    assert 0 == run("backup", home).returncode
    assert ["0001", "0002"] == sorted(path.name for path in folder.parent.iterdir())
    back = run("rollback", home, "--execute")
    assert 7 == back.returncode, back.stderr
    assert "residue: backup/0001/rolled-back/residue.db" in back.stdout


def test_a_database_in_use_that_cannot_be_read_is_no_backup(home):
    data = home / "data"
    assert 0 == run("cutover", home, "--execute").returncode
    (data / "jarvis_cache.db").write_bytes(b"x" * 5000)

    done = run("backup", home)

    assert (3, "") == (done.returncode, done.stdout)
    assert "jarvis_cache.db" in done.stderr
    assert "restore it from a copy" in done.stderr
    assert not (data / "backup" / "consolidated").exists()


def test_the_monitor_goes_back_once_and_says_so(home):
    assert 0 == run("cutover", home, "--execute").returncode
    few = run("monitor", home, "--events", "-", given='{"ok": 1}\nnonsense\n')
    assert 6 == few.returncode, few.stderr
    assert "1 lines hold no event" in few.stdout
    assert "not enough events to decide: 0 of 1 events failed (0.00%)" in few.stdout
    quiet = run("monitor", home, "--events", "-", given='{"ok": 95}\n')
    assert 0 == quiet.returncode, quiet.stderr
    assert "sound: 0 of 96 events failed (0.00%), which proves a rate below 5.00%" in quiet.stdout
    with closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=home / "data")) as core:
        core.execute("PRAGMA user_version")

    fired = run(
        "monitor", home, "--json", "--events", "-", "--prometheus", home / "prom", given='{"ok": 900, "failed": 96}\n'
    )

    said = json.loads(fired.stdout)["result"]
    assert (4, True, {}) == (fired.returncode, said["fired"], said["rolled_back"]["residue"])
    assert "test" == said["rule"]
    assert "ROLLING BACK: 96 of 1,092 events failed (8.79%)" in fired.stderr
    assert "migrator_limit_passed 1\n" in (home / "prom").read_text()
    assert not (home / "data" / "jarvis.db").is_symlink()
    again = run("monitor", home, "--events", "-")
    assert 3 == again.returncode
    assert "there is nothing to watch" in again.stderr


def test_a_file_for_prometheus_that_cannot_be_written_stops_no_rollback(home):
    assert 0 == run("cutover", home, "--execute").returncode

    fired = run("monitor", home, "--events", "-", "--prometheus", home / "gone" / "prom", given='{"failed": 500}\n')

    assert 4 == fired.returncode, fired.stderr
    assert 1 == fired.stderr.count("the file for Prometheus is not written: no such file or directory")
    assert not (home / "data" / "jarvis.db").is_symlink()


def test_a_rollback_that_cannot_be_done_is_5_and_is_not_tried_again(home):
    assert 0 == run("cutover", home, "--execute").returncode
    hook(home, "on-failure", f"cat > {home}/failed")
    with closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=home / "data")) as core:
        core.execute("SELECT 1 FROM positions").fetchone()
        fired = run("monitor", home, "--events", "-", "--patience", "0.2", given='{"failed": 500}\n')

    assert (5, "") == (fired.returncode, fired.stdout)
    assert "jarvis_core.db is open in process" in fired.stderr
    assert re.search("migrator rollback .*--execute", fired.stderr)
    again = run("monitor", home, "--events", "-", given='{"failed": 500}\n')
    assert (3, True) == (again.returncode, "has fired for this cutover before" in again.stderr)
    assert 0 == run("rollback", home, "--execute").returncode


def test_the_hooks_of_an_automatic_rollback_are_run_once_while_it_waits(home):
    """A bot that takes its time to end must not be started again by on-failure, again and again."""
    assert 0 == run("cutover", home, "--execute").returncode
    script = (
        "import signal, sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM positions').fetchone();"
        " signal.signal(signal.SIGTERM, lambda *_: (time.sleep(2), sys.exit())); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, home / "data" / "jarvis.db"], stdout=subprocess.PIPE, start_new_session=True
    ) as bot:
        bot.stdout.readline()
        for name in ("before-rollback", "after-rollback", "on-failure"):
            hook(home, name, f"echo {name} >> {home}/ran; [ {name} != before-rollback ] || kill {bot.pid}")

        fired = run("monitor", home, "--events", "-", "--patience", "30", given='{"failed": 500}\n')

    assert 4 == fired.returncode, fired.stderr
    assert ["before-rollback", "after-rollback"] == (home / "ran").read_text().split()


def test_what_our_connections_count_is_what_the_monitor_sees_and_a_signal_ends_it(home):
    assert 0 == run("cutover", home, "--execute").returncode
    with closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=home / "data")) as core:
        for _ in range(9):
            core.execute("SELECT 1")
        with pytest.raises(sqlite3.OperationalError):
            core.execute("SELECT nothing")
    (original,) = (home / "data" / "backup").glob("*/originals/tax.db")
    with closing(sqlite3.connect(original)) as late:
        late.execute("CREATE TABLE late (x)")

    command = [sys.executable, "-m", "migrator", "monitor", "--data-dir", home / "data"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        seen = [watching.stderr.readline(), watching.stderr.readline()]
        watching.send_signal(signal.SIGTERM)
        out, _ = watching.communicate(timeout=30)

    assert "1 of 10 events failed (10.00%)" in "".join(seen)
    assert f"ALARM: {original} was written to after the cutover" in "".join(seen)
    assert "not enough events to decide: 1 of 10 events failed (10.00%)" in out
    assert 1 == watching.returncode


def test_a_timer_runs_the_monitor_once_and_again_and_no_event_counts_twice(home, tmp_path):
    assert 0 == run("cutover", home, "--execute").returncode
    log = tmp_path / "bot.log"

    def once(*lines):
        with log.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        done = run("monitor", home, "--once", "--json", "--events", log)
        return done.returncode, json.loads(done.stdout)["result"]["seen"] if done.returncode != 3 else done.stderr

    assert 2 == run("monitor", home, "--threshold", "5").returncode
    missing = run("monitor", home, "--once", "--events", log)
    assert (1, f"ALARM: {log} does not exist" in missing.stderr) == (missing.returncode, True), missing.stderr
    assert [(6, 3), (6, 3), (0, 103)] == [once({"ok": 3}), once(), once({"ok": 100})]
    log.rename(tmp_path / "bot.log.1")
    with (tmp_path / "bot.log.1").open("a") as file:
        file.write('{"failed": 1}\n')
    assert (0, 304) == once({"ok": 200})
    code, seen = once({"failed": 20})
    assert (4, 324) == (code, seen)
    assert (3, True) == ((refused := once())[0], "there is nothing to watch" in refused[1])


def test_two_monitors_do_not_watch_at_once(home):
    assert 0 == run("cutover", home, "--execute").returncode
    command = [sys.executable, "-m", "migrator", "monitor", "--data-dir", home / "data"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watching:
        watching.stderr.readline()
        second = run("monitor", home, "--once")
        watching.terminate()

    assert (3, True) == (second.returncode, "another monitor watches here" in second.stderr)


def test_a_process_that_goes_round_connect_is_told(home):
    assert 0 == run("cutover", home, "--execute").returncode
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM config').fetchone();"
        " print('open', flush=True); sys.stdin.read()"
    )
    counting = (
        "import migrator, sys, time; c = migrator.connect('jarvis_core.db', data_dir=sys.argv[1]);"
        " c.execute('SELECT 1'); time.sleep(1.1); c.execute('SELECT 1'); print('open', flush=True); sys.stdin.read()"
    )
    data = home / "data"
    with (
        subprocess.Popen(
            [sys.executable, "-c", script, data / "jarvis_core.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as bot,
        subprocess.Popen(
            [sys.executable, "-c", counting, data],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as sound,
    ):
        bot.stdout.readline()
        sound.stdout.readline()
        first = run("monitor", home, "--once", "--silence", "0.5")
        # A monitor may take less time than a process may have a database open without having counted.
        time.sleep(0.6)
        second = run("monitor", home, "--once", "--silence", "0.5")

    assert f"process {bot.pid}" not in first.stderr
    assert f"ALARM: jarvis_core.db is open in process {bot.pid}" in second.stderr
    assert "has counted no statement; open it with migrator.connect" in second.stderr
    assert f"process {sound.pid}" not in second.stderr
    assert 1 == second.returncode


def test_a_rehearsal_runs_the_owners_own_tests_on_the_consolidated_copy(home, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in (home / "data").rglob("*") if path.is_file()}
    script = tmp_path / "own.py"
    script.write_text(
        "import os, pathlib, sys\n"
        "data = pathlib.Path(os.environ['DATA_DIR'])\n"
        "sys.exit(0 if (data / 'jarvis.db').resolve().name == 'jarvis_core.db' and os.environ['USE_CONSOLIDATED_DBS'] == 'true'"
        " else 9)\n"
    )

    done = run("rehearse", home, "--run", f"{sys.executable} {script}")
    failed = run("rehearse", home, "--run", "false", "--json")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "the legacy set is what it was, and what was written since" in done.stdout
    # Of the scratch folder nothing is left.
    assert "migrator-rehearsal-" not in re.sub(r"(?m)^snapshot .*$", "", done.stdout)
    assert ["plan", "backup", "build", "verify", "cutover", "monitor"] == re.findall(
        r"^migrator: (\w+): [\d.]+ s", done.stderr, re.MULTILINE
    )
    assert (1, 1) == (failed.returncode, json.loads(failed.stdout)["result"]["code"])
    assert before == {path: path.stat().st_mtime_ns for path in (home / "data").rglob("*") if path.is_file()}
    assert not Path(home / ".env").exists()
