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
    printed = {form: migrator("report", "--data-dir", data, "--format", form) for form in ("html", "markdown", "json")}
    written = migrator("report", "--data-dir", data, "--output", tmp_path / "page.html")

    assert [0, 0, 0, 0] == [one.returncode for one in (*printed.values(), written)], written.stderr
    told = json.loads(printed["json"].stdout)
    held = sum(one["verdict"] == "held" for one in told["evidence"]["contracts"])
    total = sum(one["rows"] for one in told["built"]["sources"])
    quarantined = sum(one["quarantined"] for one in told["built"]["sources"])
    assert [] == told["reasons"]
    assert 300 < held
    assert 0 < quarantined < total
    assert printed["markdown"].stdout.startswith(f"## GO: {held} contracts hold")
    assert f"<h1>GO: {held} contracts hold" in printed["html"].stdout
    assert f"<p>{total:,} legacy rows = " in printed["html"].stdout
    assert f" + {quarantined:,} quarantined + " in printed["html"].stdout
    # One page, wherever it goes: as migrate left it beside the evidence, to stdout, and to a file.
    assert "" == written.stdout
    assert printed["html"].stdout == (tmp_path / "page.html").read_text(encoding="utf-8")
    assert printed["html"].stdout == (data / ".migrator" / "report.html").read_text(encoding="utf-8")
    assert 0o600 == (tmp_path / "page.html").stat().st_mode & 0o777


@pytest.mark.slow
def test_it_is_stale_once_a_source_has_changed(data, tmp_path):
    changed = tmp_path / "data"
    shutil.copytree(data, changed)
    with closing(sqlite3.connect(changed / "jarvis.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM trades WHERE rowid = (SELECT min(rowid) FROM trades)")

    done = migrator("report", "--data-dir", changed, "--format", "markdown")

    assert 0 == done.returncode, done.stderr
    assert done.stdout.startswith("## STALE: ")
    assert (
        "jarvis.db" in done.stdout.partition("The evidence does not fit the files as they are now:")[2].splitlines()[0]
    )


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
        assert ours == ("verify/no_legacy_row_is_lost` " not in text and "Broken, and what to do" not in text)
        assert ours == ("legacy rows have no row in the consolidated set" not in text)
