"""Runs the README's first command as a newcomer would and compares what it prints with what the README shows.

It has a fresh copy, and no environment but the system's Python.  Not a test module: tox's ``package`` environment calls
it, since it makes a virtual environment and installs into it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[2]


def main() -> int:
    (command, shown, *_) = re.findall(r"```\w+\n(.*?)```", (HERE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    left_out = shutil.ignore_patterns(".git", ".tox", ".venv", "*_cache", "__pycache__", "demo")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        shutil.copytree(HERE, clone, ignore=left_out)
        # The interpreter that tox was started with is the newcomer's python3, with none of tox's environment.
        (Path(folder) / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON", "TOX"))
        }
        path = f"{folder}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=clone,
            env=kept | {"PATH": path},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    print(done.stdout)
    printed = {as_shown(line) for line in done.stdout.splitlines()} | {"#"}
    missing = [line for line in shown.strip().splitlines() if as_shown(line) not in printed]
    for line in missing:
        print("README.md shows what was not printed:", line, file=sys.stderr)
    return done.returncode or bool(missing)


def as_shown(line: str) -> str:
    """Seconds differ from run to run, widths from terminal to terminal; the README leaves lines out with '...'."""
    return re.sub(r"\b\d+\.\d+\b|\b\d+(?= s\b)|\.\.\.", "#", " ".join(line.split()))


if __name__ == "__main__":
    sys.exit(main())
