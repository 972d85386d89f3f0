"""The same searches on the legacy index and on ours: what differs is explained, and counted by its reason."""

import sqlite3
from contextlib import closing

import pytest

from contracts.checks import full_text, lineage
from contracts.sets import consolidated as consolidated_set
from contracts.sets import made as made_sets
from contracts.sets.case import case_of
from contracts.specimens import generator
from migrator.system import connections

pytestmark = pytest.mark.slow


@pytest.fixture(name="answers")
def _answers(tmp_path):
    """Ask a set in whose reflections a word is inflected, and one was edited behind the back of its index."""
    data = tmp_path / "data"
    generator.make(data, rows=40, seed=1)
    with closing(sqlite3.connect(next(data.rglob("jarvis_memory.db")), isolation_level=None)) as memory:
        for lesson in ("kwitzing is patience", "one kwitzes", "nothing else"):
            memory.execute("INSERT INTO reflections (\"trigger\", lesson) VALUES ('loss', ?)", (lesson,))
        memory.execute("UPDATE reflections SET lesson = 'zappelig' WHERE lesson = 'nothing else'")

    def ask(*statements):
        stage = tmp_path / "migrated" / ".migrator" / "stage"
        if not stage.exists():
            made_sets.migrated(data, tmp_path)
        with closing(connections.scratch(stage / "jarvis_analytics.db")) as analytics:
            for statement in statements:
                analytics.execute(statement)
        scratch = tmp_path / f"scratch-{len(statements)}"
        scratch.mkdir()
        pair = case_of(data, consolidated_set.subject(stage, scratch), scratch, data / "migrator.toml", lineage.choose)
        return full_text.compare(pair, *full_text.index_of(pair))

    return ask


def test_each_difference_has_its_reason(answers):
    found = answers()

    assert [] == found.wrong
    # "kwitzing" and "kwitzes" have one stem; "zappelig" is in no legacy index, "nothing" and "else" are in no row.
    assert (2, 1) == (found.by_tokenizer, found.by_stale_index)
    assert found.words == found.same + 3
    assert 5 < found.same


def test_a_difference_without_a_reason_is_wrong(answers):
    found = answers("UPDATE ai_reflections SET content = 'kwitzing' WHERE content LIKE '%zappelig%'")

    assert any("finds other rows than it should" in said for said in found.wrong)
