"""The commands of the tutorial, run in their order, print what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "tutorial"
#: A command with what it prints; None where the page shows no output.
STEP = re.compile(r"```sh\n(.*?)```\n(?:\n```text\n(.*?)```)?", re.DOTALL)


def as_shown(text):
    """Return *text* without what differs from run to run: seconds, sizes on disk, and where lines and columns end."""
    return re.sub(r"\b[\d.]+ [KMG]iB|\b\d+\.\d+\b|\b\d+ s\b", "#", " ".join(text.split()))


@pytest.mark.slow
@pytest.mark.parametrize(("page", "steps"), [("first-migration.md", 13), ("decide-a-quarantine.md", 14)])
def test_the_tutorial_prints_what_it_shows(tmp_path, page, steps):
    found_steps = STEP.findall((PAGES / page).read_text(encoding="utf-8"))
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for name in [name for name in environment if name.startswith("MIGRATOR_")]:
        del environment[name]

    assert steps == len(found_steps)
    for command, shown in found_steps:
        done = subprocess.run(
            ["bash", "-ec", command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=True, timeout=300,
        )  # fmt: skip
        printed = as_shown(done.stdout.replace(str(tmp_path), "FOLDER"))
        for line in (line for line in shown.splitlines() if line not in ("", "...")):
            _, found, printed = printed.partition(as_shown(line))
            assert found, f"{line!r} is missing, or not in its place:\n{done.stdout}"
    assert [] == list(tmp_path.iterdir())
