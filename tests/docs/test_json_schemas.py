"""The JSON Schema files of the package are those of the records; ``UPDATE_DOCS=1 pytest tests/docs`` writes them again."""

import json
import os
from importlib import resources
from pathlib import Path

import pytest

from contracts.specimens.generator import Manifest
from migrator.cli import app, json_schema

FOLDER = Path(str(resources.files("migrator.cli") / "schemas"))
#: The specimens are made by the contracts.
RECORDS = {"specimen": (Manifest,), **json_schema.RECORDS}


@pytest.mark.parametrize("verb", RECORDS)
def test_the_file_is_the_schema_of_the_record(verb):
    made = json.dumps(json_schema.schema(verb, RECORDS[verb]), indent=1) + "\n"
    path = FOLDER / json_schema.file_name(verb)
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(made, encoding="utf-8")

    assert made == path.read_text(encoding="utf-8")


def verbs_with_json():
    """Return each verb that takes --json, and report, which prints the same object with --format json."""
    for name, command in app.cli.commands.items():
        for path, verb in [(name, command)] + [
            (f"{name} {own}", sub) for own, sub in getattr(command, "commands", {}).items()
        ]:
            if any("--json" in parameter.opts for parameter in verb.params):
                yield path
    yield "report"


def test_each_verb_that_prints_json_has_a_schema():
    assert set(verbs_with_json()) == RECORDS.keys(), "add its record to migrator.cli.json_schema.RECORDS"


def test_each_file_is_of_a_verb():
    assert {json_schema.file_name(verb) for verb in RECORDS} == {path.name for path in FOLDER.iterdir()}
