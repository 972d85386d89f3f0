"""The plugin: options and their twins, first and last lines, waivers, xdist; judging changes nothing."""

import argparse
import gc
import json
import os
import re
import sqlite3
import subprocess
import sys
import weakref
from contextlib import closing
from pathlib import Path

import pytest

from contracts.sets import consolidated as consolidated_set
from contracts.specimens import generator
from contracts.suite import in_process, options, results
from migrator.config import waivers
from migrator.schema import catalogue
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify.evidence import Outcome

WAIVER = """
[[waivers]]
id = "build/config_holds_the_specified_rows"
scope = "{scope}"
reason = "the desk wants another default"
owner = "operations"
expires = {expires}
"""


@pytest.fixture(name="judged")
def _judged(tmp_path):
    """The three databases as specified, without a row of ours."""
    folder = tmp_path / "judged"
    folder.mkdir()
    consolidated_set.make_empty_set(folder)
    return folder


def pytest_run(*arguments, cwd, **environment):
    """Run the contracts as their users do, away from this project's configuration."""
    kept = {name: value for name, value in os.environ.items() if name not in {one for one, _ in options.TWINS.values()}}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--pyargs",
        "contracts",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
    ]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=cwd,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def spoil(judged):
    with closing(sqlite3.connect(judged / "jarvis_core.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM config WHERE key = (SELECT min(key) FROM config)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def waived(tmp_path, *, scope="core", expires="2999-12-31", **changed):
    path = tmp_path / "waivers.toml"
    text = WAIVER.format(scope=scope, expires=expires)
    for old, new in changed.items():
        text = text.replace(f"{old} = ", f"{new} = ")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow
def test_the_header_says_which_contracts_judge_what(judged, tmp_path):
    done = pytest_run("--consolidated-dir", judged, "-k", "config_holds", cwd=tmp_path)

    header = [line for line in done.stdout.splitlines() if line.startswith("contracts: ")]
    assert f"judging {judged}; no legacy set was named" in header[0]
    assert str(results.HERE) in header[0]
    assert f"sqlite {sqlite3.sqlite_version}" in header[1]
    assert 0 == done.returncode, done.stdout


def test_the_docs_name_every_option_and_its_twins():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")

    for name, (variable, ini) in options.TWINS.items():
        assert re.search(rf"`--{name.replace('_', '-')}\b.*` \| `{variable}` \| `{ini}`", page), name


def test_the_waiver_that_the_docs_show_is_understood(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "waive-a-contract.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(\[\[waivers\]\].*?)```", page, re.DOTALL)
    (tmp_path / "waivers.toml").write_text(shown, encoding="utf-8")

    (waiver,) = waivers.read(tmp_path / "waivers.toml")

    assert waiver.covers("verify/row_says_what_was_decided[core.trades]")
    assert not waiver.covers("verify/row_says_what_was_decided[core.positions]")


@pytest.mark.slow
def test_every_option_has_a_twin_in_the_environment_and_in_the_configuration_file(judged, tmp_path):
    """The option wins over the environment, the environment over the file; a path in the file is below its folder."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "waivers.toml").touch()
    (home / "pytest.ini").write_text(
        "[pytest]\ncontracts_consolidated_dir = ../judged\ncontracts_report = report\n"
        "contracts_waivers = ../waivers.toml\ncontracts_show_values = true\n",
        encoding="utf-8",
    )
    chosen = ["-k", "config_holds", "-c", home / "pytest.ini"]

    by_file = pytest_run(*chosen, cwd=tmp_path)
    by_environment = pytest_run(*chosen, cwd=tmp_path, CONTRACTS_REPORT=str(tmp_path / "other"))
    by_option = pytest_run(*chosen, "--consolidated-dir", tmp_path / "no", cwd=tmp_path, CONSOLIDATED_DIR=str(judged))

    assert (0, 0, 4) == (by_file.returncode, by_environment.returncode, by_option.returncode), by_file.stdout
    written = {"evidence.json", "broken.json", "contracts.xml", "report.html", "report.md"}
    assert written == {path.name for path in (home / "report").iterdir()}
    assert written == {path.name for path in (tmp_path / "other").iterdir()}
    assert [0o600] * 5 == [path.stat().st_mode & 0o777 for path in (home / "report").iterdir()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["--contracts-config", "no.toml"], {}, "--contracts-config: {cwd}/no.toml: cannot be read"),
        (["--contracts-waivers", "no.toml"], {}, "--contracts-waivers: {cwd}/no.toml: cannot be read"),
        (
            ["--contracts-waivers", "odd.toml"],
            {},
            "waiver 1 has no expires; write id, scope, reason, owner and expires",
        ),
        (["--contracts-waivers", "other.toml"], {}, "other.toml: may hold [[waivers]] and nothing else"),
        (["--contracts-report", "odd.toml"], {}, "--contracts-report: {cwd}/odd.toml: is not a folder"),
        (["--contracts-report", "taken"], {}, "evidence.json: exists and is not an evidence file"),
        ([], {"LEGACY_DIR": "no"}, "--legacy-dir: {cwd}/no: no such folder"),
        ([], {"CONTRACTS_SHOW_VALUES": "perhaps"}, "$CONTRACTS_SHOW_VALUES: expected 1 or 0, found 'perhaps'"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error_before_anything_runs(judged, tmp_path, arguments, environment, sentence):
    (tmp_path / "odd.toml").write_text(WAIVER.partition("expires")[0], encoding="utf-8")
    (tmp_path / "other.toml").write_text("[constants]\n", encoding="utf-8")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "evidence.json").write_text("my notes", encoding="utf-8")

    done = pytest_run("--consolidated-dir", judged, *arguments, cwd=tmp_path, **environment)

    assert pytest.ExitCode.USAGE_ERROR == done.returncode, done.stdout
    assert sentence.format(cwd=tmp_path.resolve()) in done.stderr
    assert "passed" not in done.stdout
    assert "my notes" == (tmp_path / "taken" / "evidence.json").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["-n", "2"]], ids=["here", "xdist"])
def test_nothing_judged_is_a_failure(judged, tmp_path, more):
    report = tmp_path / "report"
    report.mkdir()

    none = pytest_run("--consolidated-dir", judged, "-k", "zzz", *more, "--contracts-report", report, cwd=tmp_path)
    skipped = pytest_run("--consolidated-dir", judged, "-k", "times_have_one_form", *more, cwd=tmp_path)

    for done in (none, skipped):
        assert pytest.ExitCode.TESTS_FAILED == done.returncode, done.stdout
        assert "the contracts judged nothing" in done.stdout
    assert not (report / "evidence.json").exists()


@pytest.mark.slow
def test_a_project_that_only_has_the_plugin_installed_is_left_in_peace(tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n", encoding="utf-8")

    own = subprocess.run(
        [sys.executable, "-m", "pytest", "test_own.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert 0 == own.returncode, own.stdout
    assert "GO" not in own.stdout


@pytest.mark.slow
def test_a_run_of_some_contracts_is_no_verdict_and_says_what_it_left_out(judged, tmp_path):
    done = pytest_run("--consolidated-dir", judged, "-k", "config_holds", "--contracts-report", "r", cwd=tmp_path)

    found = verify_evidence.read(tmp_path / "r" / "evidence.json")
    assert 0 == done.returncode
    assert f"NO VERDICT: 1 held, {found.deselected} left out" in done.stdout
    assert found.deselected > 300
    assert ["build/config_holds_the_specified_rows[core]"] == [one.id for one in found.contracts]
    assert {} == found.legacy


@pytest.mark.slow
def test_evidence_of_an_earlier_run_does_not_outlive_the_next(judged, tmp_path):
    """One that stops at its first failure has not looked at the rest."""
    arguments = ["--consolidated-dir", judged, "-k", "stored or config", "--contracts-report", "r"]
    pytest_run(*arguments, cwd=tmp_path)
    assert (tmp_path / "r" / "evidence.json").exists()
    spoil(judged)

    done = pytest_run(*arguments, "-x", cwd=tmp_path)

    assert pytest.ExitCode.TESTS_FAILED == done.returncode
    assert "not reached" in done.stdout
    assert not (tmp_path / "r" / "evidence.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["-n", "2"]], ids=["here", "xdist"])
def test_a_waiver_is_shown_apart_and_is_no_failure(judged, tmp_path, more):
    spoil(judged)
    arguments = ["--consolidated-dir", judged, "-k", "config_holds", "--contracts-report", "r", *more]

    red = pytest_run(*arguments, cwd=tmp_path)
    done = pytest_run(*arguments, cwd=tmp_path, CONTRACTS_WAIVERS=str(waived(tmp_path)))

    found = verify_evidence.read(tmp_path / "r" / "evidence.json")
    assert (1, 0) == (red.returncode, done.returncode), done.stdout + done.stderr
    assert "1 waived" in done.stdout.splitlines()[-1]
    assert "build/config_holds_the_specified_rows[core], by operations until 2999-12-31: the desk wants" in done.stdout
    assert [Outcome.WAIVED] == [one.verdict for one in found.contracts]
    assert ["operations"] == [waiver.owner for waiver in found.waivers]
    assert "<skipped" in (tmp_path / "r" / "contracts.xml").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "waiver", "sentence"),
    [
        (True, {"expires": "2020-12-31"}, "ran out on 2020-12-31"),
        (False, {}, "is not needed, the contract holds: remove it"),
        (True, {"scope": "cache"}, "names an unknown contract"),
    ],
)
def test_a_waiver_that_cannot_count_fails_the_run_in_one_sentence(judged, tmp_path, broken, waiver, sentence):
    if broken:
        spoil(judged)

    done = pytest_run(
        "--consolidated-dir",
        judged,
        "--contracts-waivers",
        waived(tmp_path, **waiver),
        "-k",
        "config_holds",
        cwd=tmp_path,
    )

    said = [line for line in done.stdout.splitlines() if sentence in line]
    assert 1 == done.returncode, done.stdout
    assert 1 == len(said), done.stdout
    assert said[0].startswith("the waiver of build/config_holds_the_specified_rows")


@pytest.mark.slow
def test_all_covers_every_case_but_that_a_contract_can_fail(judged, tmp_path):
    spoil(judged)

    done = pytest_run(
        "--consolidated-dir",
        judged,
        "--contracts-waivers",
        waived(tmp_path, scope="all"),
        "-k",
        "config_holds",
        cwd=tmp_path,
    )

    assert 0 == done.returncode, done.stdout
    assert "1 waived" in done.stdout


def test_a_contract_that_could_not_be_asked_is_never_waived(pytester, judged, tmp_path):
    """A crash is not a finding that an owner could waive."""
    stage = pytester.mkdir("5_verify")
    (stage / "test_own.py").write_text(
        "import pytest\n"
        "@pytest.mark.clause('S1')\ndef test_crashes(judged):\n    1 / 0\n"
        "@pytest.mark.clause('S1')\ndef test_is_broken(judged):\n    pytest.fail('broken', pytrace=False)\n",
        encoding="utf-8",
    )
    text = "".join(
        WAIVER.format(scope="all", expires="2999-12-31").replace(
            "build/config_holds_the_specified_rows", f"verify/{name}"
        )
        for name in ("crashes", "is_broken")
    )
    (tmp_path / "w.toml").write_text(text, encoding="utf-8")

    run = pytester.inline_run(
        str(stage), "--consolidated-dir", str(judged), "--contracts-waivers", str(tmp_path / "w.toml"),
        "--import-mode=importlib", "-p", "no:cacheprovider",
    )  # fmt: skip

    _, skipped, failed = run.listoutcomes()
    assert ["test_crashes"] == [report.nodeid.rpartition("::")[2] for report in failed]
    assert ["test_is_broken"] == [report.nodeid.rpartition("::")[2] for report in skipped]


@pytest.fixture(name="pair", scope="module")
def _pair(tmp_path_factory):
    data = tmp_path_factory.mktemp("pair") / "data"
    generator.make(data, seed=5, rows=300, dirty=True, wal=True)
    subprocess.run([sys.executable, "-m", "migrator", "migrate", "--quiet", "--data-dir", str(data)], check=True)
    return data


def every_byte(folder):
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.stat().st_mode,
            path.is_file() and path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.slow
def test_what_is_judged_is_as_it_was_even_while_the_bot_has_it_open(pair):
    """Rows in a WAL, a mapped -shm, a consolidated database with a WAL: not a byte, name, mode or time changes."""
    stage = pair / ".migrator" / "stage"
    with (
        closing(sqlite3.connect(pair / "jarvis.db", isolation_level=None)) as bot,
        closing(sqlite3.connect(stage / catalogue.TARGETS["cache"], isolation_level=None)) as application,
    ):
        bot.execute("SELECT count(*) FROM trades").fetchone()
        application.execute("UPDATE cache_entries SET key = key")
        before = every_byte(pair)
        assert {"jarvis.db-wal", "jarvis.db-shm", ".migrator/stage/jarvis_cache.db-wal"} <= before.keys()

        done = pytest_run("--legacy-dir", pair, "--consolidated-dir", stage, "-q", cwd=pair.parent)

        assert before == every_byte(pair)
    assert 0 == done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("several", [("-n", "2"), ("--contracts-processes", "2")], ids=["xdist", "forked"])
def test_several_processes_reach_the_verdict_of_one(pair, tmp_path, several):
    """With a legacy set alone it is migrated once, and each contract is judged once."""
    alone = pytest_run("--legacy-dir", pair, "--contracts-report", "alone", cwd=tmp_path)
    shared = pytest_run("--legacy-dir", pair, "--contracts-report", "shared", *several, cwd=tmp_path)

    one, two = (verify_evidence.read(tmp_path / name / "evidence.json") for name in ("alone", "shared"))
    assert (0, 0) == (alone.returncode, shared.returncode), shared.stdout
    assert [(said.id, said.verdict, said.counts) for said in one.contracts] == [
        (said.id, said.verdict, said.counts) for said in two.contracts
    ]
    assert (one.legacy, one.consolidated, one.quarantine) == (two.legacy, two.consolidated, two.quarantine)
    assert json.loads((pair / "specimen.json").read_text(encoding="utf-8"))["dirty"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "exit_code", "sentence"),
    [
        ("import os\ndef test_ends(): os._exit(0)", 3, "a process that judges contracts ended before they did"),
        ("def test_ends(): assert not 'broken'", 1, "1 failed"),
        ("import pytest\ndef test_ends(): pytest.exit('enough', 2)", 3, "a process that judges contracts ended"),
    ],
    ids=["death", "failure", "exit"],
)
def test_a_forked_process_that_fails_or_ends_fails_the_run(judged, tmp_path, source, exit_code, sentence):
    (tmp_path / "test_ends.py").write_text(source, encoding="utf-8")

    options = ("--consolidated-dir", judged, "--contracts-processes", "2", "-k", "ends or by_chance")
    done = pytest_run(*options, "test_ends.py", cwd=tmp_path)

    assert exit_code == done.returncode, done.stdout + done.stderr
    assert sentence in done.stdout + done.stderr


@pytest.mark.slow
def test_a_set_that_cannot_be_read_fails_its_contracts_in_several_processes_too(judged, tmp_path):
    """The processes are forked after the sets are copied and read: an error then is left to the contracts."""
    with (judged / "jarvis_core.db").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)

    runs = [
        pytest_run("--consolidated-dir", judged, "-k", "config or by_chance", "-q", "-rfE", *several, cwd=tmp_path)
        for several in ((), ("--contracts-processes", "2"))
    ]

    alone, forked = ({line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))} for run in runs)
    assert [1, 1] == [run.returncode for run in runs], runs[1].stdout
    assert alone
    assert alone == forked


def test_a_run_in_this_process_keeps_nothing_from_the_collector_of_garbage(tmp_path):
    """The sabotage runs the suite a thousand times in one process."""
    arguments = [str(results.HERE), "--import-mode=importlib", "--collect-only", "-c", str(tmp_path / "pytest.ini")]
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")

    ring = argparse.Namespace()
    ring.itself = ring
    alive = weakref.ref(ring)

    code, said = in_process.run([*arguments, "-p", "no:cacheprovider"], object())
    del ring
    gc.collect()

    assert 0 == code, said
    assert alive() is None, "what was held during the run is never collected"
