"""``python -m migrator.compat PROGRAM`` runs a program as Python itself does."""

import subprocess
import sys

import pytest

SHOWS = """
import os, sys, threading
sys.stderr.write("seen\\n")
print(sys.argv, __name__, __file__, __spec__ and __spec__.name, __package__, sys.path[0], sys.modules["__main__"].__dict__ is globals())
"""
LATE = """
import threading, sys

def late():
    threading.main_thread().join()
    print(sys.modules["__main__"].MINE)

MINE = "whole"
threading.Thread(target=late).start()
"""
#: A program, and the name under which it is saved.
PROGRAMS = {
    "sees itself": ("program.py", SHOWS),
    "ends with a code": ("program.py", "import sys; sys.exit(7)"),
    "ends with a sentence": ("program.py", "raise SystemExit('no money left')"),
    "fails": ("program.py", "def f():\n    return 1 / 0\n\ntry:\n    f()\nexcept ZeroDivisionError:\n    f()\n"),
    "is interrupted": ("program.py", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass\n"),
    "is no Python": ("program.py", "def f(:\n"),
    "has its own hook": ("program.py", "import sys\nsys.excepthook = lambda *_: print('mine')\n1 / 0\n"),
    "has another encoding": ("program.py", "# coding: latin-1\nprint(ascii('\xe9'))\n".encode("latin-1")),
    "works on in a thread": ("program.py", LATE),
    "is a folder": ("program/__main__.py", SHOWS),
    "is missing": ("other.py", ""),
}


def run(folder, *command):
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def saved(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_file_does_the_same_as_in_python(tmp_path, kind):
    name, text = PROGRAMS[kind]
    saved(tmp_path, name, text)
    program = "program" if kind == "is a folder" else "program.py"
    native = run(tmp_path, program, "--record", "-m")

    code, output, errors = run(tmp_path, "-m", "migrator.compat", program, "--record", "-m")

    assert "seen" in native[2] or kind not in ("sees itself", "is a folder")
    if kind == "is interrupted":
        # Python ends itself by the signal, and prints where it was.
        assert native[:2] == (code, output)
        assert errors.endswith("KeyboardInterrupt\n")
    else:
        assert native == (code, output, errors)


@pytest.mark.parametrize("kind", [kind for kind in PROGRAMS if kind != "is interrupted"])
def test_a_module_does_the_same_as_in_python(tmp_path, kind):
    name, text = PROGRAMS[kind]
    saved(tmp_path, name, text)
    native = run(tmp_path, "-m", "program", "a", "-b")

    assert native == run(tmp_path, "-m", "migrator.compat", "-m", "program", "a", "-b")


@pytest.mark.parametrize("arguments", [(), ("--record",), ("--what", "program.py"), ("-m",)])
def test_a_wrong_command_line_is_refused_with_the_usage(tmp_path, arguments):
    code, _, errors = run(tmp_path, "-m", "migrator.compat", *arguments)

    assert (2, "usage: python -m migrator.compat") == (code, errors[:32])


def test_a_program_that_opens_no_legacy_database_imports_nothing_of_migrator_but_what_starts_it(tmp_path):
    saved(tmp_path, "program.py", (
        "import sys\nbefore = set(sys.modules)\nprint('sqlite3' in before)\n"
        "import sqlite3\nsqlite3.connect('mine.db').execute('CREATE TABLE t (a)')\n"
        "print([name for name in set(sys.modules) - before if name.startswith('migrator')])\n"
    ))  # fmt: skip

    assert (0, "False\n[]\n", "") == run(tmp_path, "-m", "migrator.compat", "program.py")
