"""docs/how-to/run-in-ci.md works: the commands of its YAML are run."""

import json
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
OF_BOT, WORKFLOW, HOOKS = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
ACTION = yaml.safe_load((HERE / "action.yml").read_text(encoding="utf-8"))
#: The one step that is not run here: it is the README's, which tox's ``package`` environment runs.
INSTALL = "python -m pip install --quiet '.[contracts]'"
STEPS = WORKFLOW["jobs"]["contracts"]["steps"]


def resolved(text, values):
    """Return *text* with the expressions of GitHub Actions replaced; an unknown expression is an error."""
    return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: values[found[1]], text)


def without_ours():
    """The environment without what would change what is judged."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONTRACTS_", "PYTEST_"))}
    for name in ("LEGACY_DIR", "CONSOLIDATED_DIR", "MIGRATOR_CONFIG"):
        kept.pop(name, None)
    return kept


def of_ours():
    """That environment, our commands first."""
    return without_ours() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def as_the_runner(script, **options):
    """Run *script* as GitHub's runner starts it."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        capture_output=True, text=True, check=False, timeout=600, **options,
    )  # fmt: skip


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


def test_the_workflow_of_the_bot_calls_the_action_with_inputs_that_it_has():
    steps = OF_BOT["jobs"]["judge"]["steps"]
    checkout, call = (
        (step for step in steps if "path" in step.get("with", {}) and "repository" in step["with"]),
        (step for step in steps if step["uses"].startswith("./")),
    )
    (other,), (action,) = checkout, call

    assert f"./{other['with']['path']}" == action["uses"]
    assert action["with"].keys() <= ACTION["inputs"].keys()
    used = set(re.findall(r"steps\.migrator\.outputs\.(\w+)", PAGE))
    assert {"report", "verdict"} == used == ACTION["outputs"].keys()
    assert {"migrator"} == {step["id"] for step in steps if "id" in step}
    assert "uses: ./.github/actions/migrator" in PAGE


def test_the_action_has_the_form_of_one():
    assert {"name", "description", "inputs", "outputs", "runs"} == ACTION.keys()
    assert "composite" == ACTION["runs"]["using"]
    for given in ACTION["inputs"].values():
        assert {"description", "default"} == given.keys()
    for step in ACTION["runs"]["steps"]:
        assert {"name", "shell", "env", "run"} <= step.keys() <= {"name", "id", "if", "shell", "env", "run"}, step
        assert "bash" == step["shell"]
        # An expression in a script would run what an input holds.
        assert "${{" not in step["run"]
    named = set(re.findall(r"inputs\.([\w-]+)", (HERE / "action.yml").read_text(encoding="utf-8")))
    assert ACTION["inputs"].keys() == named


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
        done = as_the_runner(step["run"], cwd=HERE, env=environment)
        codes.append(done.returncode)
        printed += done.stdout + done.stderr

    assert [0 if sound else 1, 0] == codes, printed
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("## GO:" if sound else "## NO-GO:")
    files = {path.name for path in (tmp_path / "contracts").iterdir()}
    assert set(re.findall(r"^\| `(\S+)` \|", PAGE, re.MULTILINE)) == files
    said = verify_evidence.read(tmp_path / "contracts" / "evidence.json")
    assert ("GO" if sound else "NO-GO") == said.verdict
    assert 29 == len(said.legacy)


class Job:
    """A job of the bot's repository on a runner, with what its steps leave: the action's steps are run as GitHub would."""

    def __init__(self, folder, repository):
        self.folder, self.repository, self.outputs = folder, repository, {}
        self.summary = folder / "summary.md"

    def value(self, expression, inputs):
        """Return the value of an *expression*: an input, an output of a step, or the first of several that is not empty."""
        for name in expression.split(" || "):
            kind, _, rest = name.partition(".")
            if kind == "inputs":
                found = inputs.get(rest, ACTION["inputs"][rest]["default"])
            elif kind == "steps":
                step, _, output = rest.partition(".outputs.")
                found = self.outputs.get(step, {}).get(output, "")
            else:
                found = {"github.action_path": str(HERE)}[name]
            if found:
                return found
        return ""

    def run(self, step, inputs):
        """Run one *step* of the action; return how it ended."""
        written = self.folder / "output.txt"
        written.write_text("", encoding="utf-8")
        resolve = lambda found: self.value(found[1], inputs)  # noqa: E731
        environment = {
            name: re.sub(r"\$\{\{ *(.*?) *\}\}", resolve, value) for name, value in step.get("env", {}).items()
        }
        python = Path(sys.base_prefix) / "bin"
        done = as_the_runner(
            step["run"], cwd=self.repository,
            env=without_ours() | environment | {
                "PATH": f"{python}:{os.environ['PATH']}", "RUNNER_TEMP": str(self.folder),
                "GITHUB_OUTPUT": str(written), "GITHUB_STEP_SUMMARY": str(self.summary),
            },
        )  # fmt: skip
        if "id" in step:
            lines = written.read_text(encoding="utf-8").splitlines()
            self.outputs[step["id"]] = dict(line.split("=", 1) for line in lines)
        return done


INSTALLING, LISTING, JUDGING = ACTION["runs"]["steps"]


@pytest.fixture(name="job", scope="module")
def _job(tmp_path_factory):
    """A job in the repository of a bot whose own files are in the way, with migrator installed by the action."""
    folder = tmp_path_factory.mktemp("runner")
    repository = folder / "bot"
    for name in ("contracts", "migrator", "src"):
        (repository / name).mkdir(parents=True)
    for name in ("contracts", "migrator"):
        (repository / name / "__init__.py").write_text("raise RuntimeError('the bot has a package of this name')\n")
    (repository / "conftest.py").write_text("raise RuntimeError('the bot has tests')\n")
    (repository / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (repository / "src" / "bot.py").write_text(
        "import sqlite3\nsqlite3.connect('jarvis.db').execute('PRAGMA user_version = 3')\n"
    )
    (folder / "temporary").mkdir()
    job = Job(folder / "temporary", repository)
    done = job.run(INSTALLING, {})
    assert 0 == done.returncode, done.stderr
    return job


@pytest.mark.slow
def test_the_action_judges_in_the_repository_of_the_bot(job, copy):
    found = job.run(JUDGING, {"legacy-dir": str(copy)})

    assert 0 == found.returncode, found.stdout + found.stderr
    report = Path(job.outputs["install"]["report"])
    assert {"verdict": "GO"} == job.outputs["judge"]
    assert job.summary.read_text(encoding="utf-8").startswith("## GO: ")
    assert {"report.md", "report.html", "evidence.json", "contracts.xml", "broken.json"} <= {
        p.name for p in report.iterdir()
    }
    assert 29 == len(verify_evidence.read(report / "evidence.json").legacy)


@pytest.mark.slow
def test_the_action_fails_where_the_set_is_broken_or_nothing_is_judged(job, copy, tmp_path):
    consolidated_set.make_empty_set(tmp_path)

    broken = job.run(JUDGING, {"legacy-dir": str(copy), "consolidated-dir": str(tmp_path)})
    told = dict(job.outputs["judge"])
    nothing = job.run(JUDGING, {"legacy-dir": str(tmp_path / "gone")})

    assert [1, {"verdict": "NO-GO"}] == [broken.returncode, told]
    assert 0 != nothing.returncode
    # What an earlier job has left is not its verdict.
    assert {} == job.outputs["judge"]


@pytest.mark.slow
@pytest.mark.parametrize(("most", "code"), [("", 0), ("0", 1)])
def test_the_action_lists_what_must_change_in_the_code(job, most, code):
    done = job.run(LISTING, {"code": "src", "max-changes": most})

    assert code == done.returncode, done.stderr
    assert "jarvis.db" in done.stdout
    sarif = json.loads((Path(job.outputs["install"]["report"]) / "census.sarif").read_text(encoding="utf-8"))
    assert "2.1.0" == sarif["version"]
    assert {"src/bot.py"} == {
        place["physicalLocation"]["artifactLocation"]["uri"]
        for result in sarif["runs"][0]["results"]
        for place in result["locations"]
    }


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
