"""The specification's validation queries that compare; the others are ``.sql`` files."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import judgement
from contracts.oracle.cells import rows, shown
from contracts.sets.case import Case
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections
from migrator.system.connections import quoted

EVERY_TARGET = pytest.mark.parametrize("target", catalogue.TARGETS)
#: Words to search for one by one [words]; the whole index is compared in addition.
_WORDS = 300


@pytest.mark.clause("V3")
@EVERY_TARGET
def test_counts_compare_with_the_sources(case: Case, target: str) -> None:
    """Rows of each table = rows of its sources - quarantined rows + stubs."""
    wrong = []
    for table in schema_reader.target(target).tables:
        wrong += _miscounted(case, target, table.name)
    judgement.none(catalogue.TARGETS[target], "number of rows differs from the sources", wrong)


@pytest.mark.clause("V4")
@pytest.mark.parametrize("target", ["analytics"])
def test_reflections_compare_with_the_source(case: Case, target: str) -> None:
    """SELECT count(*) FROM ai_reflections agrees with jarvis_memory.db."""
    for table in schema_reader.target(target).virtual_tables:
        wrong = _miscounted(case, target, table.name)
        judgement.none(f"{target}.{table.name}", "number of rows differs from the source", wrong)


def _miscounted(case: Case, target: str, table: str) -> list[str]:
    if problem := case.judged.unreadable(f"{target}.{table}"):
        return [f"{table}: {problem}"]
    wrong = case.lineage.miscounted(f"{target}.{table}")
    return [wrong] if wrong else []


@pytest.mark.clause("M5")
@pytest.mark.parametrize("target", ["analytics"])
def test_search_finds_what_a_fresh_index_finds(case: Case, target: str, tmp_path: Path) -> None:
    """The index equals a rebuilt index, and searches in both find the same rows."""
    copy = case.judged.fresh_copy(target, tmp_path)
    with connections.closing_scratch(copy) as connection:
        for table in schema_reader.target(target).virtual_tables:
            name = quoted(table.name)
            if problem := case.judged.unreadable(f"{target}.{table.name}", table.columns):
                judgement.broken(f"{target}.{table.name}: full-text table", expected="to be searched", found=problem)
            (made,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table.name,)).fetchone()
            connection.execute("ATTACH '' AS fresh")
            connection.execute(made.replace("CREATE VIRTUAL TABLE ", "CREATE VIRTUAL TABLE fresh.", 1))
            columns = ", ".join(map(quoted, ("rowid", *table.columns)))
            connection.execute(f"INSERT INTO fresh.{name} ({columns}) SELECT {columns} FROM main.{name}")
            instances = {where: quoted(f"words_{where}") for where in ("main", "fresh")}
            for where, words in instances.items():
                connection.execute(f"CREATE VIRTUAL TABLE temp.{words} USING fts5vocab({where}, {name}, instance)")
            wrong = [
                f"rowid {doc}, {column}, word {offset}: {shown(term, values=case.show_values)} is only in the {side} index"
                for side, has, lacks in (("fresh", "fresh", "main"), ("judged", "main", "fresh"))
                for term, doc, column, offset in rows(
                    connection,
                    f"SELECT term, doc, col, offset FROM temp.{instances[has]}"
                    f" EXCEPT SELECT term, doc, col, offset FROM temp.{instances[lacks]} ORDER BY 1, 2, 3, 4",
                )
            ]
            judgement.none(f"{target}.{table.name}", "index entry that does not match the rows", wrong)
            words_of_fresh = f"SELECT DISTINCT term FROM temp.{instances['fresh']} ORDER BY term LIMIT {_WORDS}"
            for (word,) in rows(connection, words_of_fresh).fetchall():
                asked = '"' + word.replace('"', '""') + '"'
                found = {
                    where: connection.execute(
                        f"SELECT rowid FROM {where}.{name} WHERE {name} MATCH ? ORDER BY rowid", (asked,)
                    ).fetchall()
                    for where in ("main", "fresh")
                }
                judgement.same(
                    f"{target}.{table.name}", "result of a search", expected=found["fresh"], found=found["main"]
                )
