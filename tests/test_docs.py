"""The docs say what is so; tox's package environment runs the README's first command: readme_first_command.py.

``UPDATE_DOCS=1 pytest tests/test_docs.py`` writes docs/cli.md anew.
"""

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import contracts
from migrator import PIPELINE, cli

HERE = Path(__file__).parent.parent
README = (HERE / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def cli_reference():
    pages = ["# The command line", "", "What `migrator --help` and the help of each verb print; a test keeps it so."]
    for verb in ([], *([name] for name in cli.verbs())):
        output = CliRunner().invoke(cli.cli, [*verb, "--help"], prog_name="migrator", terminal_width=100).output
        pages += ["", f"## {' '.join(['migrator', *verb])}", "", "```text", output.rstrip(), "```"]
    return "\n".join(pages) + "\n"


def test_the_cli_reference_is_what_help_prints():
    path = HERE / "docs" / "cli.md"
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(cli_reference(), encoding="utf-8")

    assert cli_reference() == path.read_text(encoding="utf-8")


def test_the_stage_table_is_the_pipeline():
    table = [line for line in README.splitlines() if line.startswith("| `")]

    assert list(PIPELINE) == [line.split("`")[1] for line in table]


def test_every_link_in_the_docs_leads_somewhere():
    for page in (HERE / "README.md", HERE / "CHANGELOG.md", HERE / "contracts" / "README.md", *HERE.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{page}: {link}"


@pytest.mark.slow
def test_the_worked_example_of_a_contract_works(pytester, tmp_path):
    """The contract that contracts/README.md shows is collected, holds, and can fail."""
    page = (Path(contracts.__file__).parent / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "4_build" / "reflections_have_content.sql"
    path.parent.mkdir()
    path.write_text(example, encoding="utf-8")

    run = pytester.inline_run(str(path), "-p", "no:cacheprovider")

    passed, _, failed = run.listoutcomes()
    assert [] == failed
    assert ["holds", "can_fail"] == [report.nodeid.rpartition("::")[2] for report in passed]


@pytest.mark.parametrize("pattern", [r"\.\./shared", r"/(?:root|home/\w+)/"])
def test_the_docs_name_no_path_of_one_machine(pattern):
    for page in HERE.glob("**/*.md"):
        if ".tox" not in page.parts and ".venv" not in page.parts:
            assert not re.search(pattern, page.read_text(encoding="utf-8")), page
