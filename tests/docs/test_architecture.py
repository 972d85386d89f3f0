"""The architecture page names what is there: every package with its first line, the layers, and paths that exist.

``UPDATE_DOCS=1 pytest tests/docs/test_architecture.py`` writes the tree, the layers and the preconditions again.
"""

import ast
import importlib.util
import os
import re
from pathlib import Path

import pytest

from migrator.pipeline import preconditions
from migrator.stages import prune as prune_stage
from migrator.stages.plan import preconditions as plan_preconditions
from migrator.switch import preconditions as switch_preconditions

HERE = Path(__file__).parent.parent.parent
PAGE = HERE / "docs" / "concepts" / "architecture.md"


def first_line(path):
    """Return the first line of a module's docstring, without the word that all packages begin with."""
    line = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    return line.removeprefix("Does: ").removesuffix(".")


def rooms(root):
    """Yield each package below *root*, itself first, and the modules that lie beside packages, as the tree shows them."""
    yield f"{root.name}/", root / "__init__.py", 0
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if path.name == "__init__.py" and len(parts) > 1:
            yield f"{parts[-2]}/", path, len(parts) - 1
        elif path.name != "__init__.py" and (path.parent == root or path.parent.name == "stages"):
            yield path.name, path, len(parts)


def tree():
    """Return a line for each room, indented by its depth, roots first."""
    found = ["```text"]
    for root in ("migrator", "contracts"):
        lines = [(str(path.parent / name if name.endswith(".py") else path.parent), name, path, depth)
                 for name, path, depth in rooms(HERE / root) if not re.match(r"\d_", path.parent.name)]  # fmt: skip
        for _, name, path, depth in sorted(lines, key=lambda line: line[0]):
            found.append(f"{'  ' * depth + name:<24} {first_line(path)}")
    return "\n".join([*found, "```"])


def layers():
    """Return the layers that tests/test_shape.py checks, a line for each package."""
    spec = importlib.util.spec_from_file_location("shape", HERE / "tests" / "test_shape.py")
    shape = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shape)
    lines = []
    for root, heights in shape.LAYERS.items():
        names = [
            ", ".join(name.removeprefix(f"{root}.") for name in layer if not re.search(r"\.\d_", name))
            for layer in heights
        ]
        lines.append(f"{root}: {' < '.join(names)}")
    return "\n".join(["```text", *lines, "```"])


def conditions():
    """Return a line for each precondition, in the order in which a command checks them."""
    scopes = {
        "plan": plan_preconditions.PLAN,
        "cutover": preconditions.CUTOVER,
        "rollback": switch_preconditions.ROLLBACK,
        "restore": switch_preconditions.RESTORE,
        "prune": prune_stage.PRUNE,
    }
    lines = ["| scope | condition | requires |", "|---|---|---|"]
    for scope, listed in scopes.items():
        for condition in listed:
            requires = condition.__doc__.partition("\n")[0].removeprefix("Require that ").removeprefix("Require ")
            requires = requires.replace(", and that ", ", and ").replace(", or that ", ", or ").replace("``", "`")
            lines.append(f"| {scope} | `{condition.__name__}` | {requires.removesuffix('.')} |")
    return "\n".join(lines)


@pytest.mark.parametrize(("part", "made"), [("tree", tree), ("layers", layers), ("conditions", conditions)])
def test_the_tree_the_layers_and_the_preconditions_are_those_of_the_code(part, made):
    begin, end = f"<!-- {part}: begin -->\n", f"\n<!-- {part}: end -->"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    shown, _, after = rest.partition(end) if not rest.startswith(end[1:]) else ("", "", rest.removeprefix(end[1:]))
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(f"{before}{begin}{made()}{end}{after}", encoding="utf-8")
        shown = made()

    assert made() == shown


def test_every_path_on_the_page_exists():
    named = re.findall(r"`((?:migrator|contracts|tests)/[\w./-]+)`", PAGE.read_text(encoding="utf-8"))

    assert len(named) > 30
    assert [] == [path for path in named if not (HERE / path).exists()]
