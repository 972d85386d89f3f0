"""``migrator explain``: text and JSON about a database, a table and a column; it needs no data directory."""

import json

import pytest
from click.testing import CliRunner

from migrator.cli import app
from migrator.errors import UsageError


def explain(*arguments):
    return CliRunner().invoke(app.cli, ["explain", *arguments], catch_exceptions=False)


def test_a_column_is_explained_from_its_new_name_to_its_statements():
    lines = explain("positions.token_mint").output.splitlines()

    assert lines[0] == "jarvis.positions.token_mint becomes core.positions.token_address"
    assert "  file         jarvis.db -> jarvis_core.db" in lines
    assert "  read it by   SELECT token_address FROM positions" in lines
    assert "Statement positions_open, hot: every sweep of prices" in lines
    assert "  SELECT symbol, token_address, entry_price, amount_sol, entry_time" in lines


def test_a_table_is_explained_with_each_column():
    output = explain("tax_lots").output

    assert output.startswith("tax.tax_lots (tax.db) is mapped into core.tax_lots (jarvis_core.db)\n")
    assert "lineage.rest $.wash_sale_adjustment" in output
    assert "The lookup" not in output


def test_a_database_is_a_list_of_its_tables():
    output = explain("tax").output

    assert output.startswith("tax: 3 tables\n")
    assert "core.legacy_tax_sales" in output


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("raids", "raid_bot.raids (raid_bot.db) stays in its own file"),
        ("facts_fts", "jarvis_memory.facts_fts (jarvis_memory.db) stays in the backup: an index over other tables"),
        ("tax.sales", "tax.sales (tax.db) is carried into core.legacy_tax_sales (jarvis_core.db)"),
    ],
)
def test_a_table_that_is_not_mapped_has_its_fate_in_the_first_line(name, sentence):
    assert explain(name).output.splitlines()[0] == sentence


def test_json_has_every_field():
    told = json.loads(explain("positions.status", "--json").output)

    assert (told["verb"], told["result"]["name"], told["result"]["tables"][0]["into"]) == (
        "explain",
        "jarvis.positions.status",
        "core.positions",
    )
    (column,) = told["result"]["tables"][0]["columns"]
    assert column["becomes"][0]["words"] == [["closed_*", "closed"], ["failed", "closed"]]


def test_an_unknown_name_is_a_usage_error():
    with pytest.raises(UsageError, match="did you mean positions"):
        explain("postions")


def test_quiet_prints_nothing():
    assert explain("positions", "--quiet").output == ""
