"""Checks that the record of a switch may be trusted, before a command acts on it.

Another user may have written ``switch.json``, or planted a link where a switch moves a file, and root would follow.  So
each path in it must be one of these: a path below the data directory, a database named by --include, the configured
.env.  No other path is ever written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.errors import Refused
from migrator.system import paths, user_files
from migrator.system.escaping import escaped
from migrator.system.ownership import guard
from migrator.system.shell import quoted

if TYPE_CHECKING:
    from migrator.switch.state import Switch


def refuse(switch: Switch, include: Sequence[Path], env_file: Path) -> None:
    """Check that *switch* leads only to the data directory, the files *include* and the .env *env_file*.

    Raises:
        Refused: It leads elsewhere, or an entry under our names in the data directory can be another user's.
    """
    guard(switch.data_dir)
    outside, options = lacking(switch, include, env_file)
    if switch.env_file in outside:
        raise Refused(
            f"the switch sets the flag in {escaped(switch.env_file)}, and the configured .env is {escaped(env_file)}",
            where=switch.data_dir,
            hint=f"if that is your application's, run the same command with {' '.join(options)}",
        )
    if what := user_files.astray(env_file):
        raise Refused(escaped(what), where=escaped(env_file), hint="name the file itself with --env-file")
    if outside:
        raise Refused(
            f"the switch moves {escaped(outside[0])} too, which no --include names",
            where=switch.data_dir,
            hint=f"if that is a database of yours, run the same command with {' '.join(options)}",
        )
    for folder in _folders(switch):
        if paths.resolved(folder) != folder:
            raise Refused(
                "is a link, or lies behind one", where=escaped(folder), hint="replace the link with the folder"
            )


def lacking(switch: Switch, include: Sequence[Path], env_file: Path) -> tuple[list[Path], list[str]]:
    """Return the files outside of the data directory that no option names, and the options that name all of them."""
    named = {paths.beside_itself(path) for path in include}
    databases = [name.path for name in switch.names if not name.path.is_relative_to(switch.data_dir)]
    outside = [path for path in databases if path not in named]
    options = [f"--include {quoted(path)}" for path in databases] if outside else []
    if paths.beside_itself(switch.env_file) != paths.beside_itself(env_file):
        outside.insert(0, switch.env_file)
        options.insert(0, f"--env-file {quoted(switch.env_file)}")
    return outside, options


def _folders(switch: Switch) -> Iterator[Path]:
    """Yield every folder in which a switch makes, moves or replaces a file."""
    yield from (switch.root, switch.stage, switch.originals, switch.baseline, switch.left_behind, switch.replaced)
    for name in switch.names:
        yield name.path.parent
        for tree in (switch.tree("legacy"), switch.tree("new"), switch.tree("rolled-back"), switch.originals):
            yield (tree / name.place).parent
