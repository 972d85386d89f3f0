"""A mapping file is complete, or it is an error with file, line and column."""

import pytest

from migrator.errors import MappingError
from migrator.mapping import lookups
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader

GOOD = """-- target: core.scorecard
-- source: jarvis.test
-- key:    id
-- why:    An example.
SELECT
    s.id AS legacy_key,
    s.id AS id,
    {columns}
FROM jarvis.test AS s;

-- back:
SELECT l.legacy_key AS legacy_key, l.rest AS rest, t.id AS id
FROM core.lineage AS l
JOIN core.scorecard AS t ON t.id = l.target_id
WHERE l.source = 'jarvis.test' AND l.target = 'scorecard';
""".format(
    columns=",\n    ".join(
        f"NULL AS {column.name}"
        for column in schema_reader.target("core").table("scorecard").columns
        if column.name != "id"
    )
)


def test_every_mapping_of_the_package_is_read_and_checked():
    found = mapping_reader.mappings()

    tables = {f"{one.target}.{one.table}" for one in found}
    assert tables == set(mapping_reader.all_tables()) - {"core.config", "cache.sessions"}
    assert all(one.back or one.stub for one in found)
    assert all(one.parse().given for one in found), "an error is raised when the SELECTs are parsed"


def test_the_selects_are_parsed_when_their_columns_are_first_used(monkeypatch):
    parsed = []
    select = mapping_reader._select
    monkeypatch.setattr(mapping_reader, "_select", lambda *given: parsed.append(given) or select(*given))
    mapping_reader.mappings.cache_clear()
    trades = next(one for one in mapping_reader.mappings() if one.file == "mapping/sql/core/trades.sql")
    assert not parsed

    assert trades.columns
    assert trades.uses

    assert 2 == len(parsed), "forward and back, once each"


def test_a_mapping_says_where_each_legacy_column_goes():
    trades = next(one for one in mapping_reader.mappings() if one.file == "mapping/sql/core/trades.sql")

    assert ("direction",) == trades.uses["side"]
    assert set(trades.legacy_columns) == set(trades.uses) | set(trades.rest) | {trades.key}


def test_a_good_mapping_is_read():
    found = mapping_reader.read(GOOD, "example.sql")

    assert ("core", "scorecard", "jarvis.test", "id") == (found.target, found.table, found.source, found.key)
    assert not found.parts


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("-- key:    id\n", "", "example.sql:1:1: lacks the line '-- key:'"),
        ("-- key:    id\n", "-- kye:    id\n", "example.sql:3:1: unknown line in the header"),
        ("-- key:    id\n", "-- key:    id\n-- key:    id\n", "example.sql:4:1: 'key' is there twice"),
        ("core.scorecard\n-- source", "core.score\n-- source", "the specification has no table score"),
        ("-- source: jarvis.test", "-- source: jarvis.tset", "no table jarvis.tset of the variant found is known"),
        ("s.id AS legacy_key,\n", "", "has to begin with legacy_key"),
        ("NULL AS win_rate", "NULL AS winrate", "scorecard takes no column winrate"),
        ("    NULL AS win_rate,\n", "", "column win_rate of scorecard appears 0 times"),
        (
            "    NULL AS win_rate,\n",
            "    NULL AS win_rate,\n    NULL AS win_rate,\n",
            "win_rate of scorecard appears 2",
        ),
        (
            "FROM jarvis.test AS s;",
            "FROM jarvis.test AS s, jarvis.items AS i;",
            "example.sql:25:35: reads jarvis.items",
        ),
        (
            "NULL AS win_rate",
            "(SELECT i.id FROM jarvis.test AS i WHERE rowid = 1) AS win_rate",
            "example.sql:17:50: Cannot resolve 'rowid'",
        ),
        ("    NULL AS win_rate,\n", "    *,\n", "'*' hides which columns are meant"),
        ("    NULL AS win_rate,\n", "    NULL NULL AS win_rate,\n", "example.sql:17:"),
        ("t.id AS id\nFROM core", "t.id AS number\nFROM core", "missing id"),
        ("-- back:", "-- bakc:", "needs one SELECT"),
        ("FROM jarvis.test AS s;", "FROM jarvis.test AS s", "within a statement"),
        ("-- why: ", "-- rest:   colour\n-- why: ", "'rest' names colour"),
        ("-- why: ", "-- rest:   id\n-- why: ", "id is used and is in 'rest' too"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old, new, sentence):
    assert 1 == GOOD.count(old)

    with pytest.raises(MappingError) as caught:
        mapping_reader.read(GOOD.replace(old, new), "example.sql")

    assert sentence in str(caught.value)


def test_a_legacy_column_that_goes_nowhere_is_an_error():
    text = GOOD.replace("jarvis.test", "jarvis.items").replace("t.id AS id\n", "t.id AS id, NULL AS value\n")

    with pytest.raises(MappingError, match="legacy column value is neither used nor in 'rest'"):
        mapping_reader.read(text, "example.sql")


def test_tables_come_parents_first():
    order = mapping_reader.all_tables()

    for target in catalogue.TARGETS:
        for table in schema_reader.target(target).tables:
            for key in table.foreign_keys:
                assert order.index(f"{target}.{key.parent}") <= order.index(f"{target}.{table.name}")


def test_a_cycle_of_foreign_keys_is_an_error_that_names_it(monkeypatch):
    cyclic = schema_reader.read("CREATE TABLE a (id REFERENCES b(id)); CREATE TABLE b (id REFERENCES a(id));")
    monkeypatch.setattr(schema_reader, "target", lambda _: cyclic)

    with pytest.raises(MappingError, match=r"foreign keys form a cycle: (a -> b -> a|b -> a -> b)"):
        list(mapping_reader.in_order("core"))


def test_every_lookup_of_the_package_is_read():
    assert {"mints", "swaps", "order_links", "lot_sales"} == {lookup.name for lookup in lookups.lookups()}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SELECT 1;", "lacks the line '-- lookup:'"),
        ("-- lookup: mints\nSELECT 1;", "lacks the line '-- lookup: name(column, ...)'"),
        ("-- lookup: x(a)\n-- from: jarvis.items found\nSELECT 1;\n", "lacks the part '-- gives:'"),
    ],
)
def test_a_lookup_that_says_too_little_is_an_error(text, sentence):
    with pytest.raises(MappingError) as caught:
        lookups.read(text, "example.sql")

    assert sentence in str(caught.value)
