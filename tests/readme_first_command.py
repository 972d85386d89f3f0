"""Runs the README's first command as a newcomer would: a fresh copy, no environment but the system's Python.

Not a test module: tox's ``package`` environment calls it, since it makes a virtual environment and installs into it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent.parent


def main() -> int:
    (command, *_) = re.findall(r"```sh\n(.*?)```", (HERE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
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
        return subprocess.run(["bash", "-ec", command], cwd=clone, env=kept | {"PATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
