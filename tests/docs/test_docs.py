"""The docs agree with the code; tox's package environment runs the README's first command: readme_first_command.py.

``UPDATE_DOCS=1 pytest tests/docs/test_docs.py`` writes docs/reference/cli.md again.
"""

import dataclasses
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import contracts
from contracts.sets import consolidated as consolidated_set
from migrator import PIPELINE
from migrator.application.census import findings as census_findings
from migrator.application.replay import comparison
from migrator.cli import app
from migrator.mapping import explained as mapping_explained
from migrator.records import backup as records_backup
from migrator.records import build as records_build
from migrator.records import fleet as records_fleet
from migrator.records import inventory as records_inventory
from migrator.records import monitor, proposal, rehearsal
from migrator.records import plan as records_plan
from migrator.records import programs as records_programs
from migrator.records import quarantine as records_quarantine
from migrator.records import retention as records_retention
from migrator.records import status as records_status
from migrator.records import switch as records_switch
from migrator.records import verify as records_verify
from migrator.reports import replay as replay_report
from migrator.schema import catalogue
from migrator.system import connections

HERE = Path(__file__).parents[2]
README = (HERE / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def cli_reference():
    pages = ["# The command line", "", "What `migrator --help` and the help of each verb print; a test keeps it so."]
    groups = {
        name: list(app.cli.commands[name].commands)
        for name in app.verbs()
        if hasattr(app.cli.commands[name], "commands")
    }
    every = [[name, *more] for name in app.verbs() for more in ([], *([own] for own in groups.get(name, ())))]
    for verb in ([], *every):
        output = CliRunner().invoke(app.cli, [*verb, "--help"], prog_name="migrator", terminal_width=100).output
        pages += ["", f"## {' '.join(['migrator', *verb])}", "", "```text", output.rstrip(), "```"]
    return "\n".join(pages) + "\n"


def test_the_cli_reference_is_what_help_prints():
    path = HERE / "docs" / "reference" / "cli.md"
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(cli_reference(), encoding="utf-8")

    assert cli_reference() == path.read_text(encoding="utf-8")


def test_the_listed_reasons_are_those_of_the_code():
    path = HERE / "docs" / "how-to" / "replay-statements.md"
    begin, end = "<!-- reasons: begin -->\n", "<!-- reasons: end -->"
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    made = before + begin + replay_report.listed_reasons() + "\n" + end + rest.partition(end)[2]
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(made, encoding="utf-8")

    assert made == path.read_text(encoding="utf-8")


def test_the_stage_table_is_the_pipeline():
    table = [line for line in README.splitlines() if line.startswith("| `")]

    assert list(PIPELINE) == [line.split("`")[1] for line in table]


def test_every_link_in_the_docs_leads_somewhere():
    for page in (
        HERE / "README.md",
        HERE / "CHANGELOG.md",
        HERE / "contracts" / "README.md",
        *HERE.glob("docs/**/*.md"),
    ):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{page}: {link}"


def test_the_index_names_every_page():
    index = (HERE / "docs" / "index.md").read_text(encoding="utf-8")
    named = {(HERE / "docs" / link).resolve() for link in re.findall(r"\]\(([^)#]+)", index)}

    assert [] == [page for page in HERE.glob("docs/*/*.md") if page.resolve() not in named]


def test_a_link_to_a_heading_leads_to_one():
    for page in (HERE / "README.md", HERE / "contracts" / "README.md", *HERE.glob("docs/**/*.md")):
        for link, heading in re.findall(r"\]\(([^):#]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            leads_to = (page.parent / link if link else page).read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.*)$", leads_to, re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in headings}, (
                page,
                heading,
            )


def test_the_glossary_is_in_order_and_has_each_term_once():
    page = (HERE / "docs" / "concepts" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\*\*(.+)\*\*$", page, re.MULTILINE)

    assert sorted(set(terms), key=str.lower) == terms


@pytest.mark.parametrize(
    ("command", "record"),
    [
        ("inventory", records_inventory.Inventory),
        ("init", proposal.Proposal),
        ("plan", records_plan.Plan),
        ("backup", records_backup.Snapshot),
        ("build", records_build.Built),
        ("verify", records_verify.Verified),
        ("verify` after a cutover", records_verify.VerifiedInUse),
        ("prune", records_retention.Pruned),
        ("migrate", records_verify.Migrated),
        ("cutover`, `rollback`, `restore", records_switch.Switched),
        ("monitor", monitor.Watched),
        ("rehearse", rehearsal.Rehearsed),
        ("fleet", records_fleet.Fleet),
        ("status", records_status.Status),
        ("explain", mapping_explained.Explained),
        ("census", census_findings.Census),
        ("replay", comparison.Replay),
        ("quarantine list", records_quarantine.Quarantine),
        ("quarantine accept", records_quarantine.Accepting),
        ("quarantine resolve", records_quarantine.Resolved),
        ("quarantine explain", records_quarantine.Explanation),
        ("quarantine export", records_quarantine.Exported),
        ("quarantine decide", records_quarantine.Deciding),
        ("compat install`, `compat uninstall", records_programs.Startup),
        ("compat export", records_programs.ExportedSet),
    ],
)
def test_the_json_page_names_the_keys_of_each_command(command, record):
    page = (HERE / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{command}`? \| (.*) \|$", page, re.MULTILINE)

    assert [field.name for field in dataclasses.fields(record)] == re.findall(r"`(\w+)`", row)


@pytest.fixture(name="own")
def _own(tmp_path):
    """The two contracts that contracts/README.md shows, in a folder of one's own, and the fault of the first."""
    page = (Path(contracts.__file__).parent / "README.md").read_text(encoding="utf-8")
    folder = tmp_path / "own" / "4_build"
    folder.mkdir(parents=True)
    for language, name in (("sql", "reflections_have_content.sql"), ("python", "test_keys.py")):
        (example,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
        assert f"Saved as `4_build/{name}`" in page
        (folder / name).write_text(example, encoding="utf-8")
    return folder


def judged(pytester, own, consolidated):
    """Return the results of the contracts in *own* on a set."""
    arguments = [str(own), "--import-mode=importlib", "-p", "no:cacheprovider"]
    run = pytester.inline_run(*arguments, "--consolidated-dir", str(consolidated))
    passed, skipped, failed = run.listoutcomes()
    assert [] == skipped
    return {report.nodeid.rpartition("::")[2] for report in passed}, {
        report.nodeid.rpartition("::")[2]: report.longreprtext for report in failed
    }


def test_the_worked_examples_of_contracts_hold_on_a_good_set_and_are_broken_by_their_faults(pytester, tmp_path, own):
    consolidated_set.make_empty_set(tmp_path)
    every = {"holds", "can_fail", "test_config_keys_have_no_blanks"}

    assert (every, {}) == judged(pytester, own, tmp_path)

    _, fault = (own / "reflections_have_content.sql").read_text(encoding="utf-8").split("-- broken by:")
    with connections.closing_scratch(tmp_path / catalogue.TARGETS["analytics"]) as connection:
        connection.execute(fault.replace("analytics.", "").strip())
    with connections.closing_scratch(tmp_path / catalogue.TARGETS["core"]) as connection:
        connection.execute("UPDATE config SET key = 'max trade' WHERE key = 'max_trade_usd'")

    passed, failed = judged(pytester, own, tmp_path)
    # A contract that is broken can still fail on a copy: it is not asked whether the set is sound.
    assert {"can_fail"} == passed
    assert {"holds", "test_config_keys_have_no_blanks"} == failed.keys()
    assert failed["holds"].startswith("Every full-text row has a content.: broken\n  counterexample: (1,)")
    assert "counterexample: max trade" in failed["test_config_keys_have_no_blanks"]


def test_contracts_of_ones_own_run_beside_the_suite(pytester, tmp_path, own):
    """As contracts/README.md writes the command; here only some of the suite, chosen by name."""
    consolidated_set.make_empty_set(tmp_path)
    page = (Path(contracts.__file__).parent / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^pytest (.*OWN/4_build.*)$", page, re.MULTILINE)
    arguments = command.replace("OWN/4_build", str(own)).replace("--legacy-dir DIR ", "").replace("DIR", str(tmp_path))

    run = pytester.inline_run(*arguments.split(), "-k", "config", "-p", "no:cacheprovider")

    passed, _, failed = run.listoutcomes()
    assert [] == failed
    assert {"test_config_keys_have_no_blanks", "test_config_holds_the_specified_rows[core]"} <= {
        report.nodeid.rpartition("::")[2] for report in passed
    }


@pytest.mark.parametrize("pattern", [r"\.\./shared", r"/(?:root|home/\w+)/"])
def test_the_docs_name_no_path_of_one_machine(pattern):
    for page in HERE.glob("**/*.md"):
        if ".tox" not in page.parts and ".venv" not in page.parts:
            assert not re.search(pattern, page.read_text(encoding="utf-8")), page


def test_no_page_and_no_hint_installs_the_distribution_by_its_name():
    """It is on no public index: another project could take the name there."""
    for folder in ("docs", "migrator", "contracts", ".ci"):
        for path in (HERE / folder).rglob("*"):
            if path.suffix in {".md", ".py", ".yml", ""} and path.is_file():
                assert not re.search(r"pip install[^\n]*jarvis-consolidation", path.read_text(encoding="utf-8")), path
