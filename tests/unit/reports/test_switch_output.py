"""What ``migrator cutover`` and ``migrator rollback`` print of a switch."""

import io

import pytest
from rich.console import Console

from migrator.records.switch import Switched
from migrator.reports import switch


def printed(switched):
    text = io.StringIO()
    Console(file=text, width=400).print(switch.text(switched))
    return text.getvalue()


@pytest.mark.parametrize(
    ("name", "rows", "line"),
    [
        ("core.config", 1, "residue: 1 row of core.config that the legacy set does not have"),
        # Written to an original since the cutover: a legacy table could hold it.
        ("notes.notes", 3, "residue: 3 rows of notes.notes that the legacy set does not have"),
    ],
)
def test_the_residue_is_what_the_legacy_set_does_not_have(name, rows, line):
    told = printed(Switched(kind="rollback", run="0001", executed=True, names={}, residue={name: rows}))

    assert line in told.splitlines()
    assert "residue: backup/0001/rolled-back/residue.db" in told
