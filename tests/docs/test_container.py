"""The Dockerfile makes what docs/how-to/run-in-a-container.md describes: its RUN steps are run in fresh folders, without Docker."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from contracts.specimens import generator

HERE = Path(__file__).parents[2]


def instructions(text):
    """Return the instructions of a Dockerfile by stage: word and rest, comments left out and lines joined."""
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    stages = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages


BUILD, FINAL = instructions((HERE / "Dockerfile").read_text(encoding="utf-8"))
LAST = dict(FINAL)


def ignored(path):
    """Return whether .dockerignore keeps *path* out: the last line that matches decides."""
    out = False
    for line in (HERE / ".dockerignore").read_text(encoding="utf-8").split():
        pattern = line.lstrip("!")
        parts = pattern.split("/")
        if parts[0] == "**":
            matches = any(fnmatch(part, parts[1]) for part in path.parts)
        else:
            matches = fnmatch("/".join(path.parts[: len(parts)]), pattern)
        if matches:
            out = not line.startswith("!")
    return out


def test_it_runs_as_a_user_without_rights_on_a_volume():
    assert ["python:3.12-slim AS build", "python:3.12-slim"] == [dict(stage)["FROM"] for stage in (BUILD, FINAL)]
    assert ("migrator", "/data", "/data") == (LAST["USER"], LAST["WORKDIR"], LAST["VOLUME"])
    assert (["migrator"], ["--help"]) == (json.loads(LAST["ENTRYPOINT"]), json.loads(LAST["CMD"]))
    words = [word for word, _ in FINAL]
    # Nothing is run or copied as root after the change of user.
    assert {"USER", "WORKDIR", "VOLUME", "ENTRYPOINT", "CMD"} == set(words[words.index("USER") :])


#: Runs the second argument as root of an overlay over this system, in a mount namespace of its own: the system stays as it is.
IN_AN_OVERLAY = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
chroot "$1/root" sh -ec "$2"
"""


def in_an_overlay(folder, script):
    command = ["unshare", "--mount", "sh", "-ec", IN_AN_OVERLAY, "sh", folder, script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_its_user_owns_the_volume_and_nothing_else(tmp_path):
    if (can := in_an_overlay(tmp_path, "true")).returncode:
        pytest.skip(f"no overlay can be mounted here: {can.stderr.strip()}")
    looked_at = (
        "stat --format '%a %U %G %u %g' /data; getent passwd migrator; "
        "setpriv --reuid migrator --regid migrator --clear-groups sh -c 'touch /data/own; touch /etc/other || echo refused'"
    )

    done = in_an_overlay(tmp_path, f"{LAST['RUN']}; {looked_at}")

    assert 0 == done.returncode, done.stderr
    assert [
        "700 migrator migrator 10001 10001",
        "migrator:x:10001:10001::/nonexistent:/usr/sbin/nologin",
        "refused",
    ] == done.stdout.splitlines()
    assert "warning" not in done.stderr


def test_what_is_copied_is_not_ignored_and_nothing_else_is_sent():
    copied = {source for word, rest in BUILD if word == "COPY" for source in rest.split()[:-1]}

    assert [] == [source for source in copied if ignored(Path(source))]
    assert all((HERE / source).exists() for source in copied)
    for other in (".git/config", "tests/conftest.py", "docs/index.md", "migrator/__pycache__/errors.cpython-312.pyc"):
        assert ignored(Path(other)), other


@pytest.fixture(name="root", scope="module")
def _root(tmp_path_factory):
    """The folder that stands for the root of the image, after the steps of the build."""
    root = tmp_path_factory.mktemp("image")
    work = root
    inside = lambda text: re.sub(r"(?<![\w.])/(?=opt|src|data)", f"{root}/", text)  # noqa: E731
    python = root / "usr"
    python.mkdir()
    (python / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    for word, rest in BUILD:
        if word == "WORKDIR":
            work = Path(inside(rest))
            work.mkdir()
        elif word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                where = work / target / Path(source).name if target.endswith("/") else work / target
                where.parent.mkdir(parents=True, exist_ok=True)
                if (HERE / source).is_dir():
                    shutil.copytree(HERE / source, where, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(HERE / source, where)
        elif word == "RUN":
            done = subprocess.run(
                ["sh", "-c", inside(rest)], cwd=work, env=environment | {"PATH": f"{python}:{environment['PATH']}"},
                capture_output=True, text=True, check=False, timeout=600,
            )  # fmt: skip
            assert 0 == done.returncode, done.stderr
    # The second stage takes the environment alone.
    assert ("COPY", "--from=build /opt/migrator /opt/migrator") in FINAL
    shutil.rmtree(work)
    return root


@pytest.mark.slow
def test_the_entry_point_migrates_what_lies_in_the_volume(root):
    generator.make(root / "data", seed=5, rows=200)
    given = dict(part.split("=", 1) for part in shlex.split(LAST["ENV"]))
    environment = {
        "PATH": given["PATH"].replace("/opt", f"{root}/opt").replace("$PATH", os.environ["PATH"]),
        "MIGRATOR_DATA_DIR": given["MIGRATOR_DATA_DIR"].replace("/data", f"{root}/data"),
        # The user has none.
        "HOME": "/nonexistent",
    }

    done = [
        subprocess.run(
            [*json.loads(LAST["ENTRYPOINT"]), *arguments], cwd=root / "data", env=environment, capture_output=True,
            text=True, check=False, timeout=300,
        )
        for arguments in (json.loads(LAST["CMD"]), ["migrate"])
    ]  # fmt: skip

    assert [0, 0] == [one.returncode for one in done], done[-1].stderr
    assert done[0].stdout.startswith("Usage: migrator")
    assert "GO: " in done[1].stdout
    assert (root / "opt" / "migrator" / "share" / "man" / "man1" / "migrator.1").is_file()
