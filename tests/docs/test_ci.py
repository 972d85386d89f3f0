"""docs/how-to/run-in-ci.md works: the commands of its YAML are run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.sets import consolidated as consolidated_set
from contracts.specimens import generator
from migrator.stages.verify import evidence as verify_evidence

yaml = pytest.importorskip("yaml", reason="PyYAML reads the examples; tox installs it")

HERE = Path(__file__).parents[2]
PAGE = (HERE / "docs" / "how-to" / "run-in-ci.md").read_text(encoding="utf-8")
WORKFLOW, HOOKS = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
#: The one step that is not run here: it is the README's, which tox's ``package`` environment runs.
INSTALL = "python -m pip install --quiet '.[contracts]'"
STEPS = WORKFLOW["jobs"]["contracts"]["steps"]


def resolved(text, values):
    """Return *text* with the expressions of GitHub Actions replaced; an unknown expression is an error."""
    return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: values[found[1]], text)


def of_ours():
    """The environment without what would change what is judged, our commands first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONTRACTS_", "PYTEST_"))}
    for name in ("LEGACY_DIR", "CONSOLIDATED_DIR", "MIGRATOR_CONFIG"):
        kept.pop(name, None)
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_the_workflow_has_the_form_of_one():
    # YAML 1.1 reads the key "on" as true.
    assert {"name", True, "permissions", "jobs"} == set(WORKFLOW)
    for step in STEPS:
        assert 1 == len({"uses", "run"} & step.keys()), step
        assert step.keys() <= {"uses", "run", "with", "name", "if"}, step
        assert "uses" not in step or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), step
    uploads = [step["with"]["path"] for step in STEPS if "upload-artifact" in step.get("uses", "")]
    assert ["${{ runner.temp }}/contracts"] == uploads
    # A job's env knows of no runner yet.
    assert {"LEGACY_DIR": "${{ vars.LEGACY_DIR }}"} == WORKFLOW["jobs"]["contracts"]["env"]


def test_what_is_installed_is_what_the_readme_installs():
    readme = (HERE / "README.md").read_text(encoding="utf-8")

    assert INSTALL == STEPS[2]["run"]
    assert INSTALL.removeprefix("python -m ") in readme


def test_tox_takes_the_same_arguments():
    told = (HERE / "tox.ini").read_text(encoding="utf-8").partition("[testenv:contracts]")[2].partition("[testenv:")[0]
    judging = next(step["run"] for step in STEPS if "pytest" in step.get("run", ""))

    assert f"commands = {judging.partition(' --contracts-report')[0]} {{posargs}}" in told
    assert all(name in told for name in ("LEGACY_DIR", "CONSOLIDATED_DIR"))


@pytest.fixture(name="copy", scope="module")
def _copy(tmp_path_factory):
    """What stands for the copy of production."""
    folder = tmp_path_factory.mktemp("production") / "data"
    generator.make(folder, seed=5, rows=300, dirty=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("sound", [True, False])
def test_the_steps_of_the_workflow_do_what_the_page_says(copy, tmp_path, sound):
    """On a good copy, and on a set without the legacy rows: the job's page shows the difference."""
    values = {"vars.LEGACY_DIR": str(copy)}
    environment = of_ours() | {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"), "RUNNER_TEMP": str(tmp_path)}
    environment |= {name: resolved(value, values) for name, value in WORKFLOW["jobs"]["contracts"]["env"].items()}
    if not sound:
        (tmp_path / "empty").mkdir()
        consolidated_set.make_empty_set(tmp_path / "empty")
        environment["CONSOLIDATED_DIR"] = str(tmp_path / "empty")
    codes, printed = [], ""
    for step in STEPS:
        if "run" not in step or step["run"] == INSTALL:
            continue
        if codes and any(codes) and step.get("if") != "${{ !cancelled() }}":
            continue
        # As GitHub's runner starts it.
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step["run"]], cwd=HERE, env=environment, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        codes.append(done.returncode)
        printed += done.stdout + done.stderr

    assert [0 if sound else 1, 0] == codes, printed
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("## GO:" if sound else "## NO-GO:")
    files = {path.name for path in (tmp_path / "contracts").iterdir()}
    assert set(re.findall(r"^\| `(\S+)` \|", PAGE, re.MULTILINE)) == files
    said = verify_evidence.read(tmp_path / "contracts" / "evidence.json")
    assert ("GO" if sound else "NO-GO") == said.verdict
    assert 29 == len(said.legacy)


@pytest.mark.slow
def test_the_hook_of_pre_commit_runs(copy):
    (hook,) = [hook for repository in HOOKS["repos"] for hook in repository["hooks"]]
    touched = re.compile(hook["files"])

    done = subprocess.run(
        ["bash", "-c", hook["entry"]], cwd=HERE, env=of_ours() | {"LEGACY_DIR": str(copy)}, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip

    assert 0 == done.returncode, done.stdout
    assert "GO: " in done.stdout
    assert {"repos"} == set(HOOKS)
    assert {"id", "name", "language", "entry", "pass_filenames", "files", "stages"} == hook.keys()
    assert touched.search("migrator/mapping/sql/core/trades.sql")
    assert touched.search("contracts/5_verify/no_reference_dangles.sql")
    assert not touched.search("README.md")
