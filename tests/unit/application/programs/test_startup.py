"""``migrator compat install`` serves every program of an environment, and an interpreter always starts."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import small_set
from click.testing import CliRunner

import migrator
from migrator.application.programs import startup
from migrator.cli import app
from migrator.system import installation

SHOWS = """
import sqlite3, subprocess, sys
try:
    print(sqlite3.connect(sys.argv[1]).execute("SELECT count(token_mint) FROM positions").fetchone()[0])
except sqlite3.OperationalError as error:
    print(error)
if sys.argv[2:]:
    print(subprocess.run([sys.executable, __file__, sys.argv[1]], capture_output=True, text=True).stdout.strip())
"""


@pytest.fixture(scope="module", name="home")
def _home(tmp_path_factory):
    home = small_set.make(tmp_path_factory.mktemp("moved") / "set")
    small_set.cut_over(home)
    return home


@pytest.fixture(name="python")
def _python(tmp_path):
    """The interpreter of an environment of the owners', in which migrator is installed."""
    venv.create(tmp_path / "env", symlinks=True)
    (packages,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    folders = [Path(migrator.__file__).parents[1], sysconfig.get_path("purelib")]
    (packages / "installed.pth").write_text("".join(f"{folder}\n" for folder in folders), encoding="utf-8")
    return tmp_path / "env" / "bin" / "python"


def file_of(python):
    (packages,) = (python.parents[1] / "lib").glob("python*/site-packages")
    return packages / startup.NAME


def compat(*arguments):
    return CliRunner().invoke(app.cli, ["compat", *map(str, arguments)], catch_exceptions=False)


def run(python, *arguments, **environment):
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, check=False, env=os.environ | environment,
        cwd="/",  # where no checkout of migrator lies
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_program_and_its_children_are_served_until_the_file_is_removed(home, python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(SHOWS, encoding="utf-8")
    jarvis = home / "data" / "jarvis.db"
    bare = "no such column: token_mint\n"
    assert (0, bare * 2, "") == run(python, program, jarvis, "children")

    told = compat("install", "--python", python).output
    assert f"from their next start on {file_of(python)} was written" in " ".join(told.split())
    assert 0o644 == file_of(python).stat().st_mode & 0o777
    code, output, errors = run(python, program, jarvis, "children")
    assert (0, "") == (code, errors)
    assert output.split()[0] == output.split()[1] != "0"
    assert (0, bare, "") == run(python, program, jarvis, MIGRATOR_COMPAT="off")
    # Beside the file, and while sqlite3 is there already.
    assert (0, "True\n", "") == run(
        python, "-c", "import _sqlite3\nfrom migrator.application.programs import hook\nhook.install()\n"
        "import sqlite3\nprint(sqlite3.connect is _sqlite3.connect is sqlite3.dbapi2.connect)",
    )  # fmt: skip
    assert output.split()[0] == run(python, "-m", "migrator.compat", program, jarvis)[1].strip()

    assert "was there already" in compat("install", "--python", python).output
    assert json.loads(compat("uninstall", "--python", python, "--json").output)["result"]["changed"]
    assert not file_of(python).exists()
    assert (0, bare, "") == run(python, program, jarvis)
    assert not json.loads(compat("uninstall", "--python", python, "--json").output)["result"]["changed"]


def test_the_file_imports_nothing_when_an_interpreter_starts(python):
    shown = "import sys; print(sorted(sys.modules))"
    before = run(python, "-c", shown)
    compat("install", "--python", python)

    assert before == run(python, "-c", shown)


def test_an_interpreter_starts_and_opens_databases_without_migrator(python):
    compat("install", "--python", python)
    (file_of(python).parent / "installed.pth").unlink()

    assert (0, "on\n", "") == run(python, "-c", "print('on')")
    code, output, errors = run(python, "-c", "import sqlite3; print(sqlite3.connect(':memory:'))")
    assert (0, "<sqlite3.Connection") == (code, output[:19])
    assert errors == (
        "migrator: legacy databases are not served: ModuleNotFoundError(\"No module named 'migrator'\"); install migrator,"
        f" or remove {startup.NAME}\n"
    )


def test_an_environment_without_migrator_is_refused(python):
    (file_of(python).parent / "installed.pth").unlink()

    done = CliRunner().invoke(app.cli, ["compat", "install", "--python", str(python)])

    hint = f"run: {installation.command(python)}"
    assert f"{python}: migrator is not installed there; {hint}" == str(done.exception)
    assert not file_of(python).exists()


def test_an_interpreter_that_does_not_run_the_file_is_refused(python, monkeypatch):
    monkeypatch.setenv("MIGRATOR_COMPAT", "off")

    done = CliRunner().invoke(app.cli, ["compat", "install", "--python", str(python)])

    assert f"{python}: this interpreter does not run {file_of(python)}; it was removed" in str(done.exception)
    assert not file_of(python).exists()


@pytest.mark.parametrize(("program", "sentence"), [("/bin/echo", "is no Python"), ("/nowhere", "does not start")])
def test_what_is_no_python_is_refused(program, sentence):
    done = CliRunner().invoke(app.cli, ["compat", "install", "--python", program])

    assert sentence in str(done.exception)
    assert 2 == done.exception.exit_code


def test_migrator_itself_works_in_a_served_environment(home, python, tmp_path):
    moved = small_set.copied(home, tmp_path / "set")
    compat("install", "--python", python)

    code, output, errors = run(
        python, "-m", "migrator", "rollback", "--execute", "--data-dir", moved / "data", "--bot-is-stopped"
    )

    assert 0 == code, output + errors
    assert not (moved / "data" / "jarvis.db").is_symlink()
    assert sys.prefix not in str(python)
