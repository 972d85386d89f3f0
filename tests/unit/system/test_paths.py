"""Paths as users write them: relative, through links and ``..``, with blanks, characters of URIs and invalid UTF-8."""

import os
import subprocess
import sys

import accepted_quarantine
import pytest

from migrator.errors import UsageError
from migrator.system import paths
from migrator.system.temporary_folders import private_folder


@pytest.fixture(name="home")
def _home(tmp_path, monkeypatch):
    (tmp_path / "real" / "data").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "own").symlink_to("data")
    monkeypatch.chdir(tmp_path / "elsewhere" / "link")
    return tmp_path.resolve()


def test_a_path_is_absolute_and_free_of_links_and_dots(home, monkeypatch):
    monkeypatch.setenv("HOME", str(home / "real"))

    for named in (
        "data",
        "own",
        "../real/data",
        "data/.",
        "own/../data",
        "~/data",
        home / "elsewhere" / "link" / "own",
    ):
        assert home / "real" / "data" == paths.resolved(type(home)(named)), named
    # The parent of a link's folder is that of what the link leads to.
    assert home == paths.resolved(home / "elsewhere" / "link" / "..")
    assert home / "real" / "nowhere" / "x" == paths.resolved(type(home)("nowhere/x"))
    with pytest.raises(UsageError, match="no user of that name"):
        paths.resolved(type(home)("~nobody-of-this-name/x"))


def test_of_a_link_only_its_folder_may_be_resolved(home):
    assert home / "real" / "own" == paths.beside_itself(home / "elsewhere" / "link" / "own")
    assert home / "real" == paths.beside_itself(home / "elsewhere" / "link" / "data" / "..")
    assert home / "real" == paths.beside_itself(type(home)(""))


def test_private_copies_lie_where_TMPDIR_leads(home, monkeypatch):  # noqa: N802 - the variable's name
    monkeypatch.setattr("tempfile.tempdir", str(home / "elsewhere" / "link"))

    with private_folder() as folder:
        assert home / "real" == folder.parent


@pytest.fixture(name="odd")
def _odd(tmp_path):
    """Run our commands in a folder with an odd name, whose temporary folder is a link."""
    home = tmp_path / os.fsdecode(b"\xff a#%41?b'c")
    (home / "tmp real").mkdir(parents=True)
    (home / "tmp link").symlink_to("tmp real")
    environment = os.environ | {"TMPDIR": str(home / "tmp link")}

    def run(*arguments, code=0, cwd=home, module="migrator", told=False):
        command = [sys.executable, "-m", module, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, cwd=cwd, env=environment, check=False)
        assert code == done.returncode, (arguments, done.stdout[-2000:], done.stderr[-2000:])
        return done.stderr if told else done.stdout

    return home, run


@pytest.mark.slow
def test_every_verb_and_option_takes_a_path_through_links_and_dots(odd):
    home, run = odd
    (home / "re al").mkdir()
    run("specimen", "re al/../re al/data", "--rows", 100, "--dirty", "--wal", "--quiet")
    (home / "out side").mkdir()
    data = home / "re al" / "data"
    (data / "custom.db").rename(home / "out side" / "custom.db")
    (data / "migrator.toml").rename(home / "c #.toml")
    for link, to in (("link", "re al"), ("out", "out side"), ("c", "c #.toml")):
        (home / link).symlink_to(to)
    where, include = ("--data-dir", "link/../link/data"), ("--include", "link/../out/custom.db")
    configured, quiet = ("--config", "link/../c"), "--quiet"

    run("inventory", *where, *include, quiet)
    for verb in ("plan", "migrate", "status"):
        run(verb, *where, *include, *configured, quiet)
    run("report", *where, *configured, "--output", "link/../out/r.html")
    judged = ("link/data/../data/backup/0001", "link/data/.migrator/../.migrator/stage")
    run("verify", "--legacy", judged[0], "--consolidated", judged[1], *configured, "--evidence", "out/e.json", quiet)
    run("status", "--evidence", "link/../out/e.json", "--legacy", judged[0], "--consolidated", judged[1], *configured)
    run(
        *("--pyargs", "contracts", "-p", "no:cacheprovider", "-q", "-k", "every_file_has_one_verdict or inventory"),
        *("--legacy-dir", "link/../link/data", "--consolidated-dir", judged[1], "--contracts-config", "link/../c"),
        *("--contracts-report", "link/../out"),
        module="pytest",
    )
    accepted_quarantine.accept(home / "link" / "data")
    run("cutover", *where, *include, *configured, "--env-file", "link/../out/.env", "--execute", quiet)
    inside = home / "link" / "data"
    outside = ("--include", "../../out/custom.db", "--env-file", "../../out/.env")
    run("monitor", "--data-dir", ".", *outside, "--config", "../../c", "--for", 0, code=6, cwd=inside)
    run("backup", "--data-dir", ".", "--config", "../../c", quiet, cwd=inside)
    back = ("rollback", "--data-dir", "../data/../../link/data", "--config", "../../c", "--execute", quiet)
    assert b"run the same command with --env-file $'/" in run(*back, code=3, cwd=inside, told=True)
    run(*back, *outside, cwd=inside)

    assert (home / "out side" / ".env").read_text(encoding="utf-8") == "USE_CONSOLIDATED_DBS=false\n"
    assert not (home / "out side" / "custom.db").is_symlink()
    assert [] == list((home / "tmp real").iterdir())


@pytest.mark.slow
def test_a_rehearsal_on_a_specimen_and_the_contracts_on_one_work_below_a_link(odd):
    _, run = odd

    run("rehearse", "--quiet")
    run("--pyargs", "contracts", "-p", "no:cacheprovider", "-q", "-k", "inventory", module="pytest")
