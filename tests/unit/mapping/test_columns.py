"""Where legacy tables and columns went, as the mappings say, and the statements that replace the bot's."""

from contextlib import closing

import pytest
import sqlglot

from migrator.errors import UsageError
from migrator.mapping import columns, legacy_names, named_columns, refusals, workload
from migrator.mapping import reader as mapping_reader
from migrator.records.plan import Fate
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections


def column(name):
    source, _, own = name.rpartition(".")
    return next(one for one in columns.explained(source).columns if one.name == own)


def only(name):
    (destination,) = column(name).becomes
    return destination


def test_a_renamed_column_has_its_new_name_and_declaration():
    assert only("jarvis.positions.entry_amount_tokens").column == "core.positions.amount"
    assert only("jarvis.positions.entry_amount_tokens").declared == "REAL NOT NULL"
    assert only("jarvis.positions.entry_amount_tokens").formula == ""


def test_an_empty_cell_is_filled_from_a_lookup():
    mint = only("jarvis.positions.token_mint")

    assert mint.column == "core.positions.token_address"
    assert mint.formula == "coalesce(nullif(token_mint, ''), m.mint)"
    assert mint.changes == ("'' becomes NULL", "if it is empty or missing, the lookup mints gives it")
    assert mint.refuses == ("NOT NULL token_address", "UNIQUE token_address")


@pytest.mark.parametrize(
    ("name", "becomes", "change"),
    [
        ("jarvis.positions.opened_at", "core.positions.entry_time", "ISO 8601 text becomes UTC text"),
        ("metrics.metrics_1h.timestamp", "analytics.metrics.timestamp", "ISO 8601 text becomes UTC text"),
        ("cache_db.cache.created_at", "cache.cache_entries.created_at", "at constants.local_utc_offset"),
        ("file_cache.cache_entries.created_at", "cache.cache_entries.created_at", "seconds since 1970"),
    ],
)
def test_the_form_of_a_time_before_and_after_is_named(name, becomes, change):
    assert only(name).column == becomes
    assert change in only(name).changes[0]


def test_words_of_a_vocabulary_are_paired_and_the_allowed_ones_listed():
    status, kept = column("jarvis.positions.status").becomes

    assert status.words == (("closed_*", "closed"), ("failed", "closed"))
    assert status.allowed == ("open", "closed", "partial")
    assert (kept.column, kept.members) == ("core.positions.metadata", ("$.legacy_status",))
    assert only("whales.whale_movements.direction").words == (
        ("BUY", "in"),
        ("IN", "in"),
        ("SELL", "out"),
        ("OUT", "out"),
    )
    provider, _ = column("llm_costs.llm_usage.provider").becomes
    assert provider.words == (("any but anthropic, xai, openai, other", "other"),)


def test_a_unit_is_converted_by_the_formula_that_is_shown():
    score, _ = column("sentiment.sentiment_readings.score").becomes

    assert "(score + 100.0) / 2" in score.formula


def test_a_column_of_a_wide_row_shows_its_own_branch():
    assert only("metrics.metrics_1m.error_rate").formula == "CASE m.part WHEN 3 THEN error_rate END"


def test_a_column_of_a_wide_row_has_no_example_of_another_measure():
    assert column("metrics.metrics_1m.error_rate").example is None
    assert column("metrics.metrics_1m.component").example is not None
    assert column("whales.whale_movements.amount").example is not None


def test_what_only_decides_which_value_is_taken_is_no_change_of_it():
    orders = {one.column.rpartition(".")[2]: one.changes for one in column("jarvis.treasury_orders.order_json").becomes}

    assert "upper case becomes lower case" in orders["status"]
    assert "upper case becomes lower case" not in orders["filled_at"]
    assert only("whales.whale_movements.amount").changes == ()


def test_an_old_key_is_read_from_lineage():
    assert column("jarvis.treasury_orders.order_id").reading == (
        "SELECT DISTINCT legacy_key FROM lineage WHERE source = 'jarvis.treasury_orders' AND target = 'treasury_orders'"
    )


def test_what_no_target_column_holds_is_read_from_rest():
    fee = column("tax.tax_lots.fee")

    assert (fee.becomes, fee.kept) == ((), "lineage.rest")
    assert "json_extract(l.rest, '$.fee[0]')" in fee.reading


def test_a_column_that_only_serves_another_is_named_with_it():
    assert column("jarvis.positions.symbol").serves == ("core.positions.token_address",)


def test_a_new_key_keeps_the_old_one_in_lineage():
    key = column("jarvis.trades.id")

    assert key.kept == "lineage.legacy_key"
    assert [destination.column for destination in key.becomes] == ["core.trades.id"]
    assert columns.explained("jarvis.trades").keys.startswith("Rows get new integer ids in the order of timestamp")
    assert columns.explained("jarvis.scorecard").keys == "Keys are kept in id."


@pytest.mark.parametrize(
    ("source", "fate", "into"),
    [
        ("jarvis.pick_performance", Fate.CARRIED, "core.legacy_jarvis_pick_performance"),
        ("tax.sales", Fate.CARRIED, "core.legacy_tax_sales"),
        ("raid_bot.raids", Fate.STANDALONE, ""),
        ("jarvis_memory.facts_fts", Fate.DERIVED, ""),
    ],
)
def test_a_table_without_a_mapping_has_its_fate(source, fate, into):
    assert (columns.explained(source).fate, columns.explained(source).into) == (fate, into)


def test_a_table_that_only_a_lookup_reads_names_what_it_serves():
    assert columns.explained("tax.sales").lookups == ("lot_sales: serves core.tax_lots, core.wash_sales",)


def test_every_known_table_and_column_goes_somewhere():
    for source in columns.sources():
        table = columns.explained(source)
        for one in table.columns:
            assert one.becomes or one.kept or table.fate in (Fate.STANDALONE, Fate.DERIVED), (source, one.name)


@pytest.mark.parametrize(
    "mapping",
    [mapping for mapping in mapping_reader.mappings() if not mapping.stub],
    ids=lambda mapping: mapping.source,
)
def test_the_causes_of_quarantine_are_constraints_that_a_build_checks(mapping):
    schema = schema_reader.target(mapping.target)
    checked = {refusal.broken for refusal in refusals.refusals_of(schema, mapping.table, mapping.target, [mapping])}
    named = {cause for cause in columns.explained(mapping.source).quarantine if not cause.startswith("a key (")}

    assert named <= checked
    # What is constant or left to the default breaks no constraint.
    assert all(cause.startswith(("NOT NULL", "CHECK")) for cause in checked - named)


def carried_tables(target):
    """Yield the DDL of each carried table in *target*: the legacy one under its new name."""
    for known in catalogue.legacy_databases():
        with closing(connections.memory()) as legacy:
            legacy.executescript(known.ddl)
            for name, sql in legacy.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall():
                into = (
                    columns.carried_into(f"{known.name}.{name}") if f"{known.name}.{name}" in columns.sources() else ""
                )
                if into.startswith(f"{target}.") and "VIRTUAL" not in sql:
                    yield sql.replace(f"CREATE TABLE {name}", f"CREATE TABLE IF NOT EXISTS {into.partition('.')[2]}")


@pytest.fixture(scope="module", name="specified")
def _specified():
    """The three specified databases, with lineage, quarantine and the carried tables."""
    made = {}
    for target in catalogue.TARGETS:
        made[target] = connections.memory()
        made[target].executescript(catalogue.target_ddl(target))
        made[target].executescript(catalogue.our_ddl())
        for sql in carried_tables(target):
            made[target].execute(sql)
    yield made
    for connection in made.values():
        connection.close()


@pytest.mark.parametrize("question", workload.questions(), ids=lambda question: question.name)
def test_a_replacement_statement_runs_on_the_specified_schema(specified, question):
    values = dict.fromkeys(token.name for token in parameters(question.sql))

    specified[question.target].execute(f"EXPLAIN {question.sql}", values)


def parameters(sql):
    return sqlglot.parse_one(sql, read="sqlite").find_all(sqlglot.exp.Placeholder)


def test_every_statement_of_the_workload_is_shown_with_its_table():
    shown = {statement.name for source in columns.sources() for statement in columns.explained(source).statements}

    assert shown == {question.name for question in workload.questions()}


def test_a_statement_is_shown_for_the_columns_that_it_names():
    explained = columns.explain(legacy_names.find("positions.status"), "positions.status")

    assert explained.name == "jarvis.positions.status"
    assert [one.name for one in explained.tables[0].columns] == ["status"]
    assert [statement.name for statement in explained.tables[0].statements] == ["positions_open"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("jarvis.positions", ("jarvis.positions",)),
        ("POSITIONS", ("jarvis.positions",)),
        ("positions.token_mint", ("jarvis.positions.token_mint",)),
        ("jarvis.positions.token_mint", ("jarvis.positions.token_mint",)),
        ("tax_lots", ("tax.tax_lots",)),
        ("tax.db", ("tax.sales", "tax.tax_lots", "tax.wash_sales")),
        ("cache/file_cache.db", ("file_cache.cache_entries",)),
        ("wash_sale_adjustment", ("tax.tax_lots.wash_sale_adjustment",)),
    ],
)
def test_a_name_is_found(name, found):
    assert legacy_names.find(name) == found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "trades",
            r"3 legacy tables or columns have this name: call_tracking\.trades, database\.trades, jarvis\.trades",
        ),
        ("postions", "did you mean positions"),
        ("positions.token_mnit", r"did you mean positions\.token_mint"),
        ("core.positions", "takes jarvis.positions; run: migrator explain jarvis.positions"),
        ("token_address", r"takes .*jarvis\.positions\.token_mint"),
        ("legacy_tax_sales", r"takes tax\.sales"),
        ("zzzz", "columns.md lists all"),
    ],
)
def test_a_name_that_is_unknown_or_means_several_is_refused_with_proposals(name, message):
    with pytest.raises(UsageError, match=message):
        legacy_names.find(name)


TABLES = {"t": ("a", "b", "x"), "u": ("a", "c"), "facts": ("entity", "fact", "confidence")}


def named(sql):
    statement = named_columns.read(sql, TABLES)
    return {f"{one.table}.{one.column}" for one in statement.named if one.column}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT x, c FROM t JOIN u ON t.a = u.a", {"t.x", "u.c", "t.a", "u.a"}),
        ("SELECT p.x AS c FROM t AS p WHERE p.b > ? ORDER BY c", {"t.x", "t.b"}),
        ("SELECT * FROM t", {"t.*"}),
        ("SELECT z FROM t", {"t.z"}),
        ("SELECT z FROM t, u", set()),
        ('SELECT a FROM t WHERE b = "z"', {"t.a", "t.b"}),
        ("SELECT a AS z FROM t ORDER BY z", {"t.a"}),
        ("SELECT u.* FROM t, u", {"u.*"}),
        ("SELECT count(*) FROM t", set()),
        ("SELECT (SELECT max(c) FROM u WHERE u.a = q.a) FROM t AS q", {"u.c", "u.a", "t.a"}),
        ("WITH r AS (SELECT a FROM t) SELECT a FROM r", {"t.a"}),
        ("INSERT OR REPLACE INTO t(a, b) VALUES (?, ?)", {"t.a", "t.b"}),
        ("REPLACE INTO t(a) VALUES (1)", {"t.a"}),
        ("INSERT INTO t VALUES (1, 2, 3)", {"t.*"}),
        (
            (
                "INSERT INTO facts(entity, fact) VALUES (?, ?) ON CONFLICT(entity, fact)"
                " DO UPDATE SET confidence = max(excluded.confidence, facts.confidence)"
            ),
            {"facts.entity", "facts.fact", "facts.confidence"},
        ),
        ("UPDATE t SET a = a + 1 WHERE rowid = :id", {"t.a", "t.rowid"}),
        ("DELETE FROM t WHERE x LIKE ? RETURNING *", {"t.x", "t.*"}),
        ("EXPLAIN QUERY PLAN SELECT a FROM t", {"t.a"}),
        ("SELECT a FROM t WHERE b = $name", {"t.a", "t.b"}),
        ("CREATE INDEX i ON t(a)", {"t.a"}),
        ("ALTER TABLE t RENAME COLUMN a TO z", {"t.a"}),
    ],
)
def test_a_column_is_found_where_a_statement_names_it(sql, expected):
    assert named(sql) == expected


def test_a_name_is_found_where_it_is_written():
    for sql in ("SELECT p.x FROM t AS p", "REPLACE INTO t(x) VALUES (1)", "EXPLAIN SELECT x FROM t"):
        for one in named_columns.read(sql, TABLES).named:
            assert sql[one.offset :].startswith(one.column or one.table), (sql, one)


@pytest.mark.parametrize(
    ("sql", "kind", "detail"),
    [
        ("PRAGMA user_version = 3", named_columns.Kind.PRAGMA, "user_version = 3"),
        ("PRAGMA journal_mode", named_columns.Kind.PRAGMA, "journal_mode"),
        ("ATTACH DATABASE 'tax.db' AS tax", named_columns.Kind.ATTACH, "tax.db"),
        ("ATTACH ? AS tax", named_columns.Kind.ATTACH, ""),
        ("ALTER TABLE t ADD COLUMN z TEXT", named_columns.Kind.CHANGE_SCHEMA, "ALTER TABLE"),
        ("DROP TABLE IF EXISTS t", named_columns.Kind.CHANGE_SCHEMA, "DROP TABLE"),
        ("CREATE TABLE IF NOT EXISTS z (a)", named_columns.Kind.CREATE, "CREATE TABLE z"),
        ("CREATE TEMP TABLE z AS SELECT a FROM t", named_columns.Kind.OTHER, "CREATE TABLE z"),
        ("BEGIN IMMEDIATE", named_columns.Kind.OTHER, ""),
    ],
)
def test_a_statement_has_a_kind(sql, kind, detail):
    statement = named_columns.read(sql, TABLES)

    assert (statement.kind, statement.detail) == (kind, detail)


def test_a_statement_that_cannot_be_parsed_names_its_tables_all_the_same():
    trigger = named_columns.read("CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", TABLES)
    broken = named_columns.read("SELECT a FROM t WHERE (", TABLES)

    assert (trigger.whole, [one.table for one in trigger.named]) == (False, ["t"])
    assert (broken.whole, [one.table for one in broken.named]) == (False, ["t"])
