"""Libraries that open databases by sqlite3 print and leave the same as on a set that never moved: nothing in them was changed."""

import importlib.util
from pathlib import Path

import pytest
import whole_programs

PROGRAMS = Path(__file__).parent / "programs"
#: Program -> the modules that it needs.
NEEDS = {
    "with_aiosqlite": ["aiosqlite"],
    "with_sqlalchemy": ["aiosqlite", "greenlet", "sqlalchemy"],
    "with_peewee": ["peewee"],
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory):
    return whole_programs.make(tmp_path_factory.mktemp("made") / "set", dirty=True)


@pytest.mark.parametrize("program", NEEDS)
def test_a_library_gets_the_legacy_schema_through_cutover_and_rollback_and_again(made, tmp_path, program):
    missing = [module for module in NEEDS[program] if importlib.util.find_spec(module) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: tox -e libraries installs it")

    whole_programs.compare(PROGRAMS / f"{program}.py", made, tmp_path)
