"""What ``explain`` and docs/reference/columns.md show is what the mappings do.

``UPDATE_DOCS=1 pytest tests/docs/test_columns.py`` writes the page and the examples, from a specimen, again.
"""

import json
import os
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from contracts.performance import workbench
from migrator.mapping import columns, examples, sql_functions
from migrator.mapping import reader as mapping_reader
from migrator.reports import columns as columns_page
from migrator.schema import catalogue
from migrator.system import connections
from migrator.system.connections import quoted

HERE = Path(__file__).parents[2]
EXAMPLES = HERE / "migrator" / "mapping" / "examples.json"
ROWS = [mapping for mapping in mapping_reader.mappings() if not mapping.stub]
#: Mapped tables of which a specimen has no row.
EMPTY = {"cache_db.cache"}
#: Aliases of other tables and of WITH clauses in formulas: an example has its own row alone.
JOINED = ("m.", "p.", "e.", "t.", "u.", "k.", "c.", ":order_amount_sol", ":llm_providers")


@pytest.fixture(scope="module", name="sets")
def _sets(tmp_path_factory):
    """A legacy set, of which everything has a home, and the consolidated set made of it."""
    return workbench.sets(tmp_path_factory.mktemp("columns"), rows=20_000)


def shown(cell):
    """Return a cell as the examples have it: JSON has no bytes."""
    return f"x'{cell.hex()}'" if isinstance(cell, bytes) else cell


def row(connection, query, *values):
    cursor = connection.execute(query, values)
    names = [name for name, *_ in cursor.description]
    return [dict(zip(names, map(shown, cells), strict=True)) for cells in cursor]


def made_examples(sets):
    """Return of each mapped table the mapped row with the most cells that say something, and what became of it."""
    found = {}
    for mapping in ROWS:
        place = next(known.place for known in catalogue.legacy_databases() if known.name == mapping.database)
        if not (sets.legacy / place).exists():
            continue
        with (
            closing(connections.read(sets.legacy / place)) as legacy,
            closing(connections.read(sets.consolidated / catalogue.TARGETS[mapping.target])) as ours,
        ):
            entries = dict(
                ours.execute(
                    "SELECT legacy_key, min(target_id) FROM lineage WHERE source = ? AND target = ? AND target_id IS NOT NULL"
                    " GROUP BY legacy_key",
                    (mapping.source, mapping.table),
                ).fetchall()
            )
            rows = [
                one
                for one in row(legacy, f"SELECT * FROM {quoted(mapping.source_table)} ORDER BY {quoted(mapping.key)}")
                if one[mapping.key] in entries
            ]
            if rows:
                best = max(rows, key=lambda one: sum(cell not in (None, "", 0, 0.0) for cell in one.values()))
                key = "rowid" if mapping.table == "ai_reflections" else next(iter(_key(ours, mapping.table)))
                star = "rowid, *" if key == "rowid" else "*"
                (target,) = row(
                    ours, f"SELECT {star} FROM {mapping.table} WHERE {quoted(key)} = ?", entries[best[mapping.key]]
                )
                found[mapping.source] = {"legacy": best, "target": target}
    return found


def _key(connection, table):
    return connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk", (table,)).fetchone()


@pytest.mark.slow
def test_the_examples_are_rows_of_a_specimen(sets):
    made = made_examples(sets)
    if os.environ.get("UPDATE_DOCS"):
        EXAMPLES.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    assert made.keys() == json.loads(EXAMPLES.read_text(encoding="utf-8")).keys()


def test_only_tables_that_are_empty_in_production_have_no_example():
    assert EMPTY == {mapping.source for mapping in ROWS if examples.of(mapping.source) is None}


@pytest.mark.parametrize(
    "mapping", [mapping for mapping in ROWS if mapping.source not in EMPTY], ids=lambda mapping: mapping.source
)
def test_an_example_is_what_the_formulas_make_of_its_row(mapping):
    example = examples.of(mapping.source)
    explained = columns.explained(mapping.source)
    assert list(example.legacy) == [column.name for column in explained.columns]
    computed = 0
    with closing(connections.memory()) as connection:
        sql_functions.register(connection)
        names = ", ".join(f":{name} AS {quoted(name)}" for name in example.legacy)
        for column in explained.columns:
            for destination in column.becomes:
                target = destination.column.rpartition(".")[2]
                formula = destination.formula or quoted(column.name)
                new_id = column.kept == "lineage.legacy_key"
                if destination.members or new_id or mapping.parts or any(part in formula for part in JOINED):
                    continue
                (cell,) = connection.execute(
                    f"SELECT {formula} FROM (SELECT {names})", dict(example.legacy) | {"local_utc_offset": None}
                ).fetchone()
                computed += 1
                assert cell == example.target[target], (column.name, formula)

    assert computed or mapping.parts


@pytest.mark.slow
@pytest.mark.parametrize("mapping", ROWS, ids=lambda mapping: mapping.source)
def test_the_statement_that_reads_a_column_gives_its_legacy_values(sets, mapping):
    place = next(known.place for known in catalogue.legacy_databases() if known.name == mapping.database)
    if not (sets.legacy / place).exists():
        assert mapping.source in EMPTY
        return
    ours = sets.consolidated / catalogue.TARGETS[mapping.target]
    with closing(connections.read(ours)) as connection:
        connections.attach(connection, sets.legacy / place, "legacy")
        for column in columns.explained(mapping.source).columns:
            if not column.reading:
                continue
            found = Counter(cell for (cell,) in connection.execute(column.reading))
            # What back computes otherwise, rest keeps; the statement reads rest for columns that have no other place.
            kept = "" if column.kept == "lineage.rest" else f" AND json_type(l.rest, '$.{column.name}') IS NULL"
            wanted = connection.execute(
                f"SELECT s.{quoted(column.name)} FROM legacy.{quoted(mapping.source_table)} AS s"
                f" WHERE EXISTS (SELECT 1 FROM lineage AS l WHERE l.source = ? AND l.target = ?"
                f" AND l.legacy_key = +s.{quoted(mapping.key)} AND l.target_id IS NOT NULL{kept})",
                (mapping.source, mapping.table),
            )
            lost = Counter(cell for (cell,) in wanted) - found

            assert lost == Counter(), column.name


def test_the_page_is_what_the_mappings_do():
    path = HERE / "docs" / "reference" / "columns.md"
    page = columns_page.markdown(map(columns.explained, columns.sources()))
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(page, encoding="utf-8")

    assert page == path.read_text(encoding="utf-8")
