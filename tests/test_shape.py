"""The structure of the code: allowed imports, places of connections, docstrings of packages, plain words."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from migrator import PIPELINE
from migrator.cli import app

HERE = Path(__file__).parent.parent
CONTRACTS = ["contracts.1_inventory", "contracts.2_plan", "contracts.3_backup", "contracts.4_build", "contracts.5_verify",
             "contracts.6_cutover", "contracts.7_monitor", "contracts.8_rollback", "contracts.9_budget"]  # fmt: skip
#: From the bottom up; a module imports from layers below its own, or from its own package.
LAYERS = {
    "migrator": [
        ["migrator.errors"],
        ["migrator.records"],
        ["migrator.system"],
        ["migrator.schema"],
        ["migrator.mapping", "migrator.config"],
        ["migrator.quarantine"],
        ["migrator.switch"],
        ["migrator.application"],
        ["migrator.stages"],
        ["migrator.reports"],
        ["migrator.pipeline"],
        ["migrator.cli"],
        ["migrator.__main__", "migrator.compat"],
    ],
    "contracts": [
        ["contracts.judgement"],
        ["contracts.oracle", "contracts.specimens"],
        ["contracts.sets"],
        ["contracts.suite", "contracts.performance"],
        ["contracts.checks"],
        ["contracts.smallest", *CONTRACTS],
        ["contracts.plugin"],
        ["contracts.mutants"],
    ],
}
STAGES = [f"migrator.stages.{stage}" for stage in PIPELINE]


def module_of(path):
    return ".".join(path.relative_to(HERE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for root in LAYERS for path in sorted((HERE / root).rglob("*.py"))}


def imports(path):
    """Return the modules of this project that *path* imports, late or for annotations too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else node.module)
    return {name for name in found if name.split(".")[0] in LAYERS}


IMPORTS = {module: imports(path) - {module} for module, path in MODULES.items()}


def within(module, package):
    return module == package or module.startswith(f"{package}.")


def layer_of(module):
    """Return height and package of *module*."""
    return next(
        (height, package)
        for height, packages in enumerate(LAYERS[module.split(".")[0]])
        for package in packages
        if within(module, package)
    )


def test_every_module_has_a_layer():
    for module in MODULES.keys() - LAYERS.keys():
        assert layer_of(module), module


@pytest.mark.parametrize("root", LAYERS)
def test_a_module_imports_from_below_or_from_its_own_package(root):
    broken = set()
    for module in (module for module in MODULES if within(module, root) and module != root):
        height, package = layer_of(module)
        for name in IMPORTS[module]:
            if name == root or not within(name, root):
                continue
            if not within(name, package) and layer_of(name)[0] >= height:
                broken.add((module, name))

    assert set() == broken


def test_no_stage_imports_another():
    for stage in STAGES:
        for module in (module for module in MODULES if within(module, stage)):
            others = {name for name in IMPORTS[module] if any(within(name, one) for one in STAGES if one != stage)}
            assert others == set(), module


def circles():
    """Return the largest sets of modules that all lead to each other."""
    leads = {}
    for module in MODULES:
        leads[module], waiting = set(), [*IMPORTS[module]]
        while waiting:
            name = waiting.pop()
            if name not in leads[module]:
                leads[module].add(name)
                waiting += IMPORTS[name]
    return {
        frozenset(one for one in leads[module] if module in leads[one]) for module in MODULES if module in leads[module]
    }


def test_no_module_imports_itself_by_way_of_others():
    assert set() == circles()


def test_the_tool_never_imports_the_suite():
    for module in MODULES:
        if within(module, "migrator"):
            assert not {name for name in IMPORTS[module] if within(name, "contracts")}, module


def test_the_oracle_shares_with_the_tool_only_how_files_are_opened_and_what_tables_look_like():
    shared = ("migrator.schema", "migrator.system.connections", "contracts.oracle")
    for module in MODULES:
        if within(module, "contracts.oracle"):
            assert not {name for name in IMPORTS[module] if not any(within(name, one) for one in shared)}, module


def test_no_folder_of_tests_is_passed_over(pytestconfig):
    """By default pytest ignores folders named build or dist, and a stage is named build."""
    tests = HERE / "tests"
    folders = {part for path in tests.rglob("test_*.py") for part in path.relative_to(tests).parts[:-1]}
    passed_over = pytestconfig.getini("norecursedirs")

    assert set() == {folder for folder in folders if any(fnmatch(folder, pattern) for pattern in passed_over)}


@pytest.mark.parametrize(("root", "most"), [("migrator", 17), ("contracts", 22)])
def test_a_listing_can_be_taken_in_at_a_glance(root, most):
    listed = [entry for entry in (HERE / root).iterdir() if entry.name != "__pycache__"]

    assert len(listed) <= most


@pytest.mark.parametrize(
    "package", [module for module, path in MODULES.items() if path.name == "__init__.py" and module not in LAYERS]
)
def test_every_package_says_what_it_does_reads_and_writes(package):
    told = ast.get_docstring(ast.parse(MODULES[package].read_text(encoding="utf-8")))

    assert re.match(r"Does: .*^Reads: .*^Writes: ", told, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("root", LAYERS)
def test_every_connection_is_opened_in_one_place(root):
    for module, path in MODULES.items():
        if within(module, root) and module != "migrator.system.connections":
            assert "sqlite3.connect(" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("forbidden", ["synchronous = OFF", "journal_mode = MEMORY", "immutable=1"])
def test_no_pragma_that_loses_data_stands_in_the_tool(forbidden):
    for path in (*(HERE / "migrator").rglob("*.py"), *(HERE / "migrator").rglob("*.sql")):
        assert forbidden.lower() not in path.read_text(encoding="utf-8").lower(), path


def test_contract_folders_carry_the_stage_numbers():
    folders = {path.name for path in (HERE / "contracts").iterdir() if path.name[0].isdigit()}
    numbered = {f"{number}_{stage}" for number, stage in enumerate(PIPELINE, start=1)} | {"9_budget"}

    assert folders <= numbered


def test_the_verbs_are_listed_in_the_order_of_the_pipeline():
    listed = app.verbs()

    assert list(PIPELINE) == [verb for verb in listed if verb in PIPELINE]
    assert set(listed) == app.cli.commands.keys()


def test_nothing_names_a_path_of_one_machine():
    pattern = re.compile(r"\.\./shared|/(?:root|home/\w+|work)/")
    for folder in ("migrator", "contracts", "docs", ".ci"):
        for path in (HERE / folder).rglob("*"):
            if path.is_file() and path.suffix in {".py", ".sql", ".md", ".toml", ""}:
                assert not pattern.search(path.read_text(encoding="utf-8")), path


#: Words without an actor, and advice without an action: the reader has to guess who acts, or what to do.
RIDDLES = re.compile(
    r"\b(nobody|somebody|whoever|whatever|anybody)\b|\b(look at|see to|mend) it\b|\bso many\b", re.IGNORECASE
)


def riddles(folder):
    """Yield each line of *folder* that has a word of RIDDLES."""
    for path in sorted((HERE / folder).rglob("*")):
        if path.suffix in {".py", ".sql", ".j2", ".toml", ".md"}:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if RIDDLES.search(line):
                    yield f"{path.relative_to(HERE)}:{number}: {line.strip()}"


@pytest.mark.parametrize("folder", LAYERS)
def test_sentences_name_who_acts_and_what_to_do(folder):
    assert [] == list(riddles(folder))
