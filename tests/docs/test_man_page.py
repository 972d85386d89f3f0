"""docs/reference/migrator.1 is the command line as ``man migrator`` shows it; the wheel installs it.

``UPDATE_DOCS=1 pytest tests/docs/test_man_page.py`` writes it again.
"""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from migrator.cli import app

HERE = Path(__file__).parents[2]
PAGE = HERE / "docs" / "reference" / "migrator.1"


def escaped(text):
    """Return *text* in one line for roff: no character of it is a request, and hyphens can be copied."""
    words = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{words}" if words[:1] in {".", "'"} else words


def commands(group, context):
    """Yield the name and context of each command, groups before what is in them, in the order of the help."""
    for name in group.list_commands(context):
        command = group.commands[name]
        inner = click.Context(command, info_name=name, parent=context)
        yield f"{context.command_path} {name}", command, inner
        if isinstance(command, click.Group):
            yield from commands(command, inner)


def described(command):
    return [paragraph for paragraph in (command.help or "").replace("\b", "").split("\n\n") if paragraph.strip()]


def section(path, command, context):
    """Yield the lines about one command: its call, what it does, its options."""
    yield f'.SS "{escaped(path)}"'
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"\\fB{escaped(path)}\\fR {escaped(usage)}".rstrip()
    for paragraph in described(command):
        yield ".PP"
        yield escaped(paragraph)
    for option in command.get_params(context):
        record = option.get_help_record(context)
        if record and record[1] and "--help" not in option.opts:
            yield ".TP"
            yield f"\\fB{escaped(record[0])}\\fR"
            yield escaped(record[1])


def man_page():
    context = click.Context(app.cli, info_name="migrator")
    every = list(commands(app.cli, context))
    variables = {
        variable: f"the same as {option.opts[0]}"
        for _, command, inner in every
        for option in command.get_params(inner)
        for variable in ([option.envvar] if isinstance(option.envvar, str) else option.envvar or [])
    }
    table = [
        [cell.strip() for cell in line.split("|")]
        for line in (HERE / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    means = table[0].index("means")
    codes = [(row[1], row[means]) for row in table if row[1].isdigit()]
    lines = [
        '.TH MIGRATOR 1 "" "migrator"',
        ".SH NAME",
        f"migrator \\- {escaped(described(app.cli)[0].rstrip('.'))}",
        ".SH SYNOPSIS",
        "\\fBmigrator\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]",
        ".SH DESCRIPTION",
        "The commands are in the order in which a migration uses them.",
        "\\fBmigrator init\\fR is the first.",
        "Until \\fBmigrator cutover \\-\\-execute\\fR the databases are only read.",
        "Each command has \\fB\\-\\-help\\fR.",
        ".SH COMMANDS",
    ]
    for path, command, inner in every:
        lines += section(path, command, inner)
    lines.append(".SH EXIT STATUS")
    for code, means in codes:
        lines += [".TP", f"\\fB{code}\\fR", escaped(means.replace("`", ""))]
    lines.append(".SH ENVIRONMENT")
    for variable, means in sorted(variables.items()):
        lines += [".TP", f"\\fB{variable}\\fR", escaped(means)]
    return "\n".join(lines) + "\n"


def test_the_man_page_is_what_help_prints():
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(man_page(), encoding="utf-8")

    assert man_page() == PAGE.read_text(encoding="utf-8")


def test_it_has_every_command_and_every_exit_code():
    page = PAGE.read_text(encoding="utf-8")
    context = click.Context(app.cli, info_name="migrator")

    titles = re.findall(r'^\.SS "(.*)"$', page, re.MULTILINE)
    assert [path.replace("-", "\\-") for path, _, _ in commands(app.cli, context)] == titles
    assert {"migrator quarantine explain", "migrator cutover"} <= set(titles)
    assert len(re.findall(r"\.TP\n\\fB\d+\\fR", page)) > 6


def test_a_line_of_text_is_no_request():
    assert "\\&.env is read" == escaped(".env is\n  read")
    assert "\\&'x' \\-\\-y \\e" == escaped("'x' --y \\")


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_formats_it_without_a_warning():
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-P-c", "-P-b", "-P-u", PAGE],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "" == done.stderr
    assert "migrator cutover [OPTIONS]" in done.stdout


def test_the_wheel_installs_it_where_man_looks():
    with (HERE / "pyproject.toml").open("rb") as file:
        wheel = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert {"docs/reference/migrator.1": "share/man/man1/migrator.1"} == wheel["shared-data"]
