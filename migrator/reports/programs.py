"""Shows what serves whole programs: the file that an interpreter reads when it starts, and exported legacy files."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from migrator.records.programs import ExportedSet, Startup
from migrator.system.escaping import escaped


def startup(file: Startup) -> RenderableType:
    """Return whether the programs of the environment are served."""
    python, path = escaped(file.python), escaped(file.path)
    if file.active:
        done = "was written" if file.changed else "was there already"
        return Text(f"programs of {python} get legacy databases from migrator, from their next start on\n{path} {done}")
    done = "was removed" if file.changed else "was not there"
    return Text(f"programs of {python} open databases by themselves, from their next start on\n{path} {done}")


def exported(exports: ExportedSet) -> RenderableType:
    """Return how many files were written, and where."""
    size = sum(file.size_bytes for file in exports.files) / 1_000_000
    source = "consolidated" if exports.consolidated else "legacy"
    return Text(
        f"{len(exports.files)} legacy databases, {size:,.1f} MB, from the {source} set, for reading only:"
        f" {escaped(exports.folder)}"
    )
