"""The house keeps its shape: who may import whom, how long a module may be, what is opened where."""

import ast
import re
from pathlib import Path

import pytest

from migrator import PIPELINE, cli

HERE = Path(__file__).parent.parent
MODULES = {path.stem: path for path in sorted((HERE / "migrator").glob("*.py"))}

#: What a stage may be built from: records, the error tree, and the rooms where files and databases are handled.
FOUNDATION = {
    "access", "catalogue", "children", "config", "connector", "copying", "counted", "ddl", "declaration", "declared", "digest", "encoding", "envfile", "errors", "events", "evidence", "extra",
    "files", "findings", "freshness", "functions", "grip", "guard", "held", "hints", "holders", "hooks", "inputs", "inuse", "lock", "lookups", "mapping",
    "mapping_checks", "moments", "mounts", "own", "paths", "place", "plain", "private", "rate", "rebuild", "records", "recovery", "rehearsal", "relational", "sharing", "shell", "sqlite",
    "switch", "trust", "virtual", "waivers", "workload",
}  # fmt: skip
#: The rooms that belong to one stage, which no other may use.
ANNEXES = {
    "account": "build", "carry": "build", "load": "build", "prover": "build", "proving": "build",
    "bench": "rollback", "carryback": "rollback", "kept": "rollback", "late": "rollback", "marks": "rollback", "newcomers": "rollback",
    "baseline": "rollback", "readable": "rollback", "residue": "rollback", "trial": "rollback",
    "strangers": "rollback", "untriggered": "rollback", "verbatim": "rollback",
    "faithful": "rollback", "merging": "rollback", "putback": "rollback",
    "carriable": "plan",
    "examine": "inventory", "examiners": "inventory", "recognise": "inventory", "walk": "inventory",
}  # fmt: skip
STAGES = [stage for stage in PIPELINE if stage in MODULES]


def imports(path):
    """Return the modules of this project that *path* imports, as 'package.module'."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {name for name in found if name.split(".")[0] in {"migrator", "contracts"}}


def own(path):
    return {name.split(".")[1] for name in imports(path) if name.startswith("migrator.")} & MODULES.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_the_foundation_and_its_own_rooms_only(stage):
    annexes = {room for room, owner in ANNEXES.items() if owner == stage}

    assert own(MODULES[stage]) <= FOUNDATION | annexes
    for room in annexes:
        assert own(MODULES[room]) <= FOUNDATION | annexes, room


def test_only_the_pipeline_and_the_window_import_stages():
    importers = {name for name, path in MODULES.items() if own(path) & set(PIPELINE)}

    assert importers <= {"maintenance", "pipeline"}


def test_only_the_command_line_and_the_window_import_the_pipeline():
    importers = {name for name, path in MODULES.items() if "pipeline" in own(path)}

    assert {"cli", "maintenance", "maintenance_cli", "options"} == importers


def test_the_foundation_stands_on_itself():
    for name in FOUNDATION & MODULES.keys():
        assert own(MODULES[name]) <= FOUNDATION, name


def test_the_tool_never_imports_the_suite():
    for path in MODULES.values():
        assert not {name for name in imports(path) if name.startswith("contracts")}, path


@pytest.mark.parametrize("folder", ["migrator", "contracts"])
def test_every_connection_is_opened_in_one_place(folder):
    for path in (HERE / folder).rglob("*.py"):
        if path != MODULES["sqlite"]:
            assert "sqlite3.connect(" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("forbidden", ["synchronous = OFF", "journal_mode = MEMORY", "immutable=1"])
def test_no_pragma_that_loses_data_stands_in_the_tool(forbidden):
    for path in (*MODULES.values(), *(HERE / "migrator").rglob("*.sql")):
        assert forbidden.lower() not in path.read_text(encoding="utf-8").lower(), path


def test_contract_folders_carry_the_stage_numbers():
    folders = {path.name for path in (HERE / "contracts").iterdir() if path.name[0].isdigit()}
    numbered = {f"{number}_{stage}" for number, stage in enumerate(PIPELINE, start=1)} | {"9_budget"}

    assert folders <= numbered


def test_the_verbs_are_listed_in_the_order_of_the_pipeline():
    listed = cli.verbs()

    assert list(PIPELINE) == [verb for verb in listed if verb in PIPELINE]
    assert set(listed) == cli.cli.commands.keys()


def test_nothing_names_a_path_of_one_machine():
    pattern = re.compile(r"\.\./shared|/(?:root|home/\w+|work)/")
    for folder in ("migrator", "contracts", "docs", ".ci"):
        for path in (HERE / folder).rglob("*"):
            if path.is_file() and path.suffix in {".py", ".sql", ".md", ".toml", ""}:
                assert not pattern.search(path.read_text(encoding="utf-8")), path
