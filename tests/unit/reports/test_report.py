"""``migrator report`` from the shell, and the same page from pytest: about a run, and about what another tool made."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from contracts.sets import consolidated as consolidated_set
from contracts.specimens import generator

UNLOADED = "import sys; from migrator.cli import app; print(*sys.modules.keys() & {'jinja2', 'pygal', 'markupsafe'})"


def migrator(*arguments):
    command = [sys.executable, "-m", "migrator", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_verb_that_draws_nothing_loads_nothing_to_draw_with():
    done = subprocess.run([sys.executable, "-c", UNLOADED], capture_output=True, text=True, check=True)

    assert "" == done.stdout.strip()


def test_without_evidence_it_is_refused_and_nothing_is_written(tmp_path):
    generator.make(tmp_path / "data", seed=5, rows=0)

    done = migrator("report", "--data-dir", tmp_path / "data", "--output", tmp_path / "page.html")

    assert (3, "") == (done.returncode, done.stdout)
    assert "evidence.json: there is no evidence" in done.stderr
    assert "run: migrator verify" in done.stderr
    assert not (tmp_path / "page.html").exists()


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory):
    """A data directory that was migrated and judged."""
    data = tmp_path_factory.mktemp("report") / "data"
    generator.make(data, seed=5, rows=200, dirty=True)
    done = migrator("migrate", "--data-dir", data, "--quiet")
    assert 0 == done.returncode, done.stderr
    return data


@pytest.mark.slow
def test_each_form_says_what_the_run_came_to(data, tmp_path):
    printed = {
        form: migrator("report", "--data-dir", data, "--format", form, "--output", "-")
        for form in ("html", "markdown", "json")
    }
    written = migrator("report", "--data-dir", data, "--output", tmp_path / "page.html")

    assert [0, 0, 0, 0] == [one.returncode for one in (*printed.values(), written)], written.stderr
    told = json.loads(printed["json"].stdout)["result"]
    held = sum(one["verdict"] == "held" for one in told["evidence"]["contracts"])
    total = sum(one["rows"] for one in told["built"]["sources"])
    quarantined = sum(one["quarantined"] for one in told["built"]["sources"])
    assert [] == told["reasons"]
    assert 300 < held
    assert 0 < quarantined < total
    assert printed["markdown"].stdout.startswith(f"## GO: {held} contracts hold")
    assert f"<h1>GO: {held} contracts hold" in printed["html"].stdout
    assert told["quarantine"]["rows"] == quarantined
    assert f"In quarantine: {quarantined:,} rows" in printed["html"].stdout
    assert f"<p>{total:,} legacy rows = " in printed["html"].stdout
    assert f" + {quarantined:,} quarantined + " in printed["html"].stdout
    # One page, wherever it goes: as migrate left it beside the evidence, to stdout, and to a file.
    assert f"{tmp_path}/page.html\n" == written.stdout
    assert printed["html"].stdout == (tmp_path / "page.html").read_text(encoding="utf-8")
    assert printed["html"].stdout == (data / ".migrator" / "report.html").read_text(encoding="utf-8")
    assert 0o600 == (tmp_path / "page.html").stat().st_mode & 0o777


@pytest.mark.slow
@pytest.mark.parametrize(("form", "suffix"), [("html", "html"), ("markdown", "md"), ("json", "json")])
def test_without_a_name_it_goes_to_a_file_in_the_current_folder(data, tmp_path, monkeypatch, form, suffix):
    monkeypatch.chdir(tmp_path)

    done = migrator("report", "--data-dir", data, "--format", form)

    assert f"{tmp_path}/migrator-report.{suffix}\n" == done.stdout, done.stderr
    assert (tmp_path / f"migrator-report.{suffix}").stat().st_size > 1000


@pytest.mark.slow
def test_it_is_stale_once_a_source_has_changed(data, tmp_path):
    changed = tmp_path / "data"
    shutil.copytree(data, changed)
    with closing(sqlite3.connect(changed / "jarvis.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM trades WHERE rowid = (SELECT min(rowid) FROM trades)")

    done = migrator("report", "--data-dir", changed, "--format", "markdown", "--output", "-")

    assert 0 == done.returncode, done.stderr
    assert done.stdout.startswith("## STALE: ")
    reasons = done.stdout.partition("The evidence does not fit the files as they are now:")[2].partition("###")[0]
    assert "- `legacy file jarvis.db has changed since it was judged`" == reasons.strip()


def told(data):
    """Return the report as Markdown."""
    done = migrator("report", "--data-dir", data, "--format", "markdown", "--output", "-")
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.mark.slow
def test_it_follows_the_run_from_the_accepted_rows_to_the_switch_and_back(data, tmp_path):
    ours = tmp_path / "data"
    shutil.copytree(data, ours)
    keys = migrator("quarantine", "list", "--data-dir", ours, "--keys")
    (tmp_path / "keys").write_text(keys.stdout, encoding="utf-8")

    before = told(ours)
    accepted = migrator("quarantine", "accept", "--data-dir", ours, "--keys", tmp_path / "keys")
    after = told(ours)

    assert 0 == accepted.returncode, accepted.stderr
    assert f"`migrator quarantine accept --data-dir {ours}`" in before
    assert "You have accepted the rows as they are." not in before
    assert "You have accepted the rows as they are." in after
    assert "migrator quarantine" not in after
    assert f"1. See what the switch would do; nothing is changed. `migrator cutover --data-dir {ours}`" in after

    switched = migrator("cutover", "--data-dir", ours, "--execute")
    in_use = told(ours)
    back = migrator("rollback", "--data-dir", ours, "--execute")
    rolled_back = told(ours)
    status = migrator("status", "--data-dir", ours)

    assert [0, 0] == [switched.returncode, back.returncode], switched.stderr + back.stderr
    assert in_use.startswith("## GO: ")
    assert "This set is in use." in in_use
    assert "cutover --data-dir" not in in_use
    assert rolled_back.startswith("## STALE: ")
    assert "evidence:   STALE, GO no longer stands\n" in status.stdout
    assert "- `the switch to this set was rolled back, and the legacy set is in use`" in rolled_back
    assert (
        f"1. Migrate the files as they are now, and judge the result. `migrator migrate --data-dir {ours}`"
        in rolled_back
    )


@pytest.mark.slow
def test_what_was_lost_is_no_go_and_not_stale(data, tmp_path):
    """Also once a file has changed since: it would be lost again."""
    lost = tmp_path / "data"
    shutil.copytree(data, lost)
    with closing(sqlite3.connect(lost / ".migrator" / "stage" / "jarvis_core.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM trades WHERE id = (SELECT min(id) FROM trades)")
        connection.execute("DELETE FROM sqlite_stat1")
    judged = migrator("verify", "--data-dir", lost, "--quiet")
    with closing(sqlite3.connect(lost / "jarvis.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM trades WHERE rowid = (SELECT min(rowid) FROM trades)")

    done = migrator("report", "--data-dir", lost, "--format", "markdown", "--output", "-")

    assert (1, 0) == (judged.returncode, done.returncode), judged.stderr + done.stderr
    assert done.stdout.startswith("## NO-GO: ")
    assert "**Rows are lost:** `1 of " in done.stdout.partition("###")[0]
    assert "`legacy file jarvis.db has changed since it was judged`" in done.stdout.partition("###")[0]
    assert done.stdout.index("Rows are lost") < done.stdout.index("Queries may be slow")
    assert f"`migrator migrate --data-dir {lost}`" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("ours", [True, False])
def test_pytest_writes_the_page_about_any_pair(data, tmp_path, ours):
    judged = data / ".migrator" / "stage"
    if not ours:
        judged = tmp_path / "judged"
        judged.mkdir()
        consolidated_set.make_empty_set(judged)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", "contracts", "--import-mode=importlib", "-p", "no:cacheprovider",
         "--legacy-dir", data, "--consolidated-dir", judged, "--contracts-report", tmp_path / "said"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip

    html = (tmp_path / "said" / "report.html").read_text(encoding="utf-8")
    summary = (tmp_path / "said" / "report.md").read_text(encoding="utf-8")
    assert (0 if ours else 1) == done.returncode, done.stdout
    verdict = "GO" if ours else "NO-GO"
    assert f"<h1>{verdict}: " in html
    assert summary.startswith(f"## {verdict}: ")
    for text in (html, summary):
        assert ours == ("Rows are lost" not in text and "Broken contracts" not in text)
        assert ours == ("legacy rows have no row in the consolidated set" not in text)
