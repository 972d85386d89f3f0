"""Runs a program with the ``connect`` of sqlite3 replaced, as Python itself would run it."""

from __future__ import annotations

import builtins
import io
import os
import pkgutil
import runpy
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType

from migrator.application.programs import hook
from migrator.errors import UsageError
from migrator.system import output_files, paths

_USAGE = """\
usage: python -m migrator.compat [--record FILE] PROGRAM [ARGUMENT ...]
       python -m migrator.compat [--record FILE] -m MODULE [ARGUMENT ...]

Run a Python program that nothing was changed in: sqlite3 shows it the legacy schema, also on the consolidated set.

  --record FILE  add each statement on a legacy database to FILE, with the types of its parameters, for migrator replay
"""
#: The exit code of Python for a wrong command line, or a program that is not there.
_WRONG = 2


def main(arguments: Sequence[str]) -> None:
    """Run the program that *arguments* name: what :data:`_USAGE` shows.

    Raises:
        SystemExit: The arguments are wrong, there is no such program, or it ends by itself.
    """
    left = list(arguments)
    while left and left[0].startswith("-"):
        option = left.pop(0)
        name, equals, value = option.partition("=")
        if name in ("-h", "--help"):
            sys.stdout.write(_USAGE)
            return
        if name == "--record" and (equals or left):
            record = paths.beside_itself(Path(value if equals else left.pop(0)))
            try:
                output_files.refuse(record, beside=())
            except (UsageError, OSError) as error:
                _refuse(str(error))
            os.environ[hook.RECORD] = str(record)
        elif option == "-m" and left:
            _run_module(left[0], left[1:])
            return
        else:
            _refuse(f"{option}: expected a program, or an option and its value")
    if not left:
        _refuse("expected a program")
    _run_file(left[0], left)


def _refuse(what: str) -> None:
    sys.stderr.write(f"{_USAGE}\nmigrator.compat: {what}\n")
    sys.exit(_WRONG)


def _run_module(name: str, arguments: Sequence[str]) -> None:
    """Run the module *name*, as ``python -m`` does."""
    _prepare(ModuleType("__main__"), ["-m", *arguments], _run_module)
    # What python -m itself calls; run_module would take __main__ away when the program ends, before its threads do.
    runpy._run_module_as_main(name)  # type: ignore[attr-defined]  # noqa: SLF001 - see above


def _run_file(path: str, arguments: Sequence[str]) -> None:
    """Run the file *path*, or the folder or the archive with a ``__main__.py``."""
    module = ModuleType("__main__")
    _prepare(module, arguments, _run_file)
    itself = str(Path(path).absolute())
    if pkgutil.get_importer(itself) is not None:
        sys.path[: 0 if sys.flags.safe_path else 1] = [itself]
        runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        return
    if not sys.flags.safe_path:
        sys.path[0] = str(Path(path).resolve().parent)
    try:
        with io.open_code(itself) as file:
            source = file.read()
    except OSError as error:
        sys.stderr.write(f"{sys.executable}: can't open file {itself!r}: [Errno {error.errno}] {error.strerror}\n")
        sys.exit(_WRONG)
    module.__dict__.update(
        __builtins__=builtins, __file__=itself, __cached__=None, __loader__=SourceFileLoader("__main__", itself)
    )
    exec(compile(source, itself, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the program of the user


def _prepare(module: ModuleType, arguments: Sequence[str], runner: Callable[..., None]) -> None:
    """Replace connect, give the program *arguments*, and print its errors without the frames down to *runner*."""
    hook.install()
    sys.argv[:] = arguments
    sys.modules["__main__"] = module
    show = sys.excepthook

    def shown(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        inner = trace
        while inner is not None and inner.tb_frame.f_code is not runner.__code__:
            inner = inner.tb_next
        if inner is not None:
            error.__traceback__ = trace = inner.tb_next
        show(kind, error, trace)

    sys.excepthook = shown
