"""Indexes beyond the specification: what may be ordered, what is made, what the contracts accept."""

from contextlib import closing
from pathlib import Path

import pytest

import contracts
from contracts.sets import consolidated as consolidated_set
from contracts.sets import made as made_sets
from migrator.config import config_file, extra_indexes
from migrator.errors import UsageError
from migrator.schema import catalogue
from migrator.stages.inventory import stage as inventory_stage
from migrator.stages.plan import stage as plan_stage
from migrator.system import connections

CONTRACTS = Path(contracts.__file__).parent
LOTS = "CREATE INDEX core.idx_lots_symbol ON tax_lots(symbol)"
ENGAGEMENT = "create index analytics.idx_engagement on legacy_jarvis_admin_engagement (user_id, timestamp DESC)"


def test_an_order_is_read():
    lots, engagement = extra_indexes.read([f" {LOTS};\n", ENGAGEMENT])

    assert ("core", "idx_lots_symbol", "tax_lots", LOTS) == (lots.target, lots.name, lots.table, lots.statement)
    assert "CREATE INDEX idx_lots_symbol ON tax_lots(symbol)" == lots.stored
    assert ("analytics", "legacy_jarvis_admin_engagement") == (engagement.target, engagement.table)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DROP INDEX core.idx_trades_via", "must be a CREATE INDEX"),
        ("CREATE UNIQUE INDEX core.x ON tax_lots(symbol)", "must be a CREATE INDEX"),
        ("CREATE INDEX x ON tax_lots(symbol)", "must be a CREATE INDEX"),
        ("CREATE INDEX jarvis.x ON trades(symbol)", "must be a CREATE INDEX"),
        (f"{LOTS}; DROP TABLE config", "must be a CREATE INDEX"),
        ("CREATE INDEX core.x ON tax_lots(symbl)", "symbl"),
        ("CREATE INDEX core.idx_trades_via ON tax_lots(symbol)", "already exists"),
        ("CREATE INDEX core.x ON tweets(tweet_id)", "core has no table tweets"),
        ("CREATE INDEX core.x ON legacy_tax_sales(symbl)", "symbl"),
    ],
)
def test_what_cannot_be_made_is_a_usage_error(statement, message):
    with pytest.raises(UsageError, match=message):
        extra_indexes.read([statement])


def test_a_table_of_a_file_that_nobody_knows_is_left_to_the_build():
    (one,) = extra_indexes.read(["CREATE INDEX core.x ON legacy_notes_notes(id)"])

    assert "legacy_notes_notes" == one.table


def loaded(folder, order):
    """Return the configuration with *order* as its ``extra_indexes``."""
    path = folder / "migrator.toml"
    path.write_text(f"[decisions]\nextra_indexes = {order}\n", encoding="utf-8")
    return config_file.load(path)


def test_the_word_stands_for_the_recommended_indexes(tmp_path):
    alone = loaded(tmp_path, '"recommended"')
    listed = loaded(tmp_path, f'["recommended", "{ENGAGEMENT}"]')
    twice = loaded(tmp_path, f'["{extra_indexes.recommended()[0]}", "recommended"]')

    assert extra_indexes.recommended() == tuple(index.statement for index in alone.extra_indexes)
    assert (*alone.extra_indexes, *extra_indexes.read([ENGAGEMENT])) == listed.extra_indexes
    assert alone.extra_indexes == twice.extra_indexes


@pytest.mark.parametrize("order", ['"recomended"', '["recomended"]'])
def test_an_unknown_word_is_a_usage_error_that_names_what_is_accepted(tmp_path, order):
    with pytest.raises(UsageError, match="'recomended' must be a CREATE INDEX, or the word \"recommended\""):
        loaded(tmp_path, order)


def test_other_recommended_statements_make_another_digest_and_another_plan(tmp_path, monkeypatch):
    legacy = made_sets.specimen(tmp_path, rows=0)
    inventory = inventory_stage.inventory(legacy)
    before = loaded(tmp_path, '"recommended"')
    planned = plan_stage.plan(inventory, before, disk=legacy)
    monkeypatch.setattr(extra_indexes.catalogue, "recommended_indexes", lambda: f"-- Other ones.\n{LOTS};\n")
    after = loaded(tmp_path, '"recommended"')

    assert before.digest() != after.digest() == loaded(tmp_path, f'["{LOTS}"]').digest()
    assert extra_indexes.read(planned.extra_indexes) == before.extra_indexes
    assert (LOTS,) == plan_stage.plan(inventory, after, disk=legacy).extra_indexes


def test_no_recommended_index_refuses_metadata_that_is_not_json():
    with closing(connections.memory()) as connection:
        connection.executescript(catalogue.target_ddl("analytics") + catalogue.our_ddl())
        for index in extra_indexes.read(["recommended"]):
            if index.target == "analytics":
                connection.execute(index.stored)
        connection.execute("INSERT INTO tweets (content, metadata) VALUES ('a', 'no JSON')")
        connection.execute("INSERT INTO llm_costs (provider, model, cost_usd, metadata) VALUES ('xai', 'm', 1, 'no')")

        assert (1, 1) == (
            connection.execute("SELECT count(*) FROM tweets").fetchone()
            + connection.execute("SELECT count(*) FROM llm_costs").fetchone()
        )


def ordering(legacy, *statements):
    """Add an order to the configuration of *legacy*."""
    path = legacy / "migrator.toml"
    written = path.read_text(encoding="utf-8")
    orders = ", ".join(f'"{statement}"' for statement in statements)
    path.write_text(written.replace("[decisions]\n", f"[decisions]\nextra_indexes = [{orders}]\n"), encoding="utf-8")


def test_an_index_on_a_carried_table_that_is_not_there_is_refused(tmp_path):
    legacy = made_sets.specimen(tmp_path, rows=0)
    ordering(legacy, "CREATE INDEX core.x ON legacy_notes_notes(id)")
    decided = config_file.load(legacy / "migrator.toml")

    planned = plan_stage.plan(inventory_stage.inventory(legacy), decided, disk=legacy)

    assert ["orders x on core.legacy_notes_notes" in one for one in planned.refusals] == [True]


def judge(pytester, legacy, consolidated, *names):
    asked = ["--legacy-dir", str(legacy), "--consolidated-dir", str(consolidated), "-p", "no:cacheprovider"]
    run = pytester.inline_run(str(CONTRACTS), *asked, "--import-mode=importlib", "-k", " or ".join(names))
    assert run.listoutcomes()[0], "no contract held"
    return {report.nodeid.rpartition("::")[2]: report.longreprtext for report in run.getfailures()}


@pytest.mark.slow
def test_exactly_the_ordered_indexes_are_made_and_accepted(pytester, tmp_path):
    names = (
        "test_ordered_index",
        "test_every_object_is_specified",
        "test_findings",
        "test_statistics",
        "test_index_is",
    )
    legacy = made_sets.specimen(tmp_path / "legacy", rows=300)
    # It mends a finding of the design, which is then no silent repair.
    mended = "CREATE INDEX core.idx_tax_lots_trade_id ON tax_lots(trade_id)"
    ordering(legacy, LOTS, ENGAGEMENT, mended)
    stage = made_sets.migrated(legacy, tmp_path)

    assert {} == judge(pytester, legacy, stage, *names)

    with closing(connections.scratch(stage / "jarvis_core.db")) as core:
        core.execute("DROP INDEX idx_lots_symbol")
        core.execute("CREATE INDEX idx_of_mine ON tax_lots(symbol)")
        core.execute("ANALYZE")
    failed = judge(pytester, legacy, stage, *names)

    assert {"test_ordered_index_is_there[core]", "test_every_object_is_specified_or_ordered[core]"} == failed.keys()
    assert "idx_lots_symbol" in failed["test_ordered_index_is_there[core]"]
    assert "index idx_of_mine" in failed["test_every_object_is_specified_or_ordered[core]"]


@pytest.mark.slow
def test_a_set_with_the_recommended_indexes_is_go(pytester, tmp_path):
    legacy = made_sets.specimen(tmp_path / "legacy", rows=300)
    ordering(legacy, "recommended")
    stage = made_sets.migrated(legacy, tmp_path)

    asked = ["--legacy-dir", str(legacy), "--consolidated-dir", str(stage), "-p", "no:cacheprovider"]
    run = pytester.inline_run(str(CONTRACTS), *asked, "--import-mode=importlib")

    assert [] == [report.nodeid for report in run.getfailures()]
    for index in config_file.load(legacy / "migrator.toml").extra_indexes:
        with closing(connections.scratch(stage / catalogue.TARGETS[index.target])) as connection:
            found = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (index.name,)).fetchall()
        assert [(index.stored,)] == found


@pytest.mark.slow
def test_without_an_order_the_same_index_is_a_stranger(pytester, tmp_path):
    consolidated_set.make_empty_set(tmp_path)
    with closing(connections.scratch(tmp_path / "jarvis_core.db")) as core:
        core.execute("CREATE INDEX idx_tax_lots_trade_id ON tax_lots(trade_id)")
    run = pytester.inline_run(str(CONTRACTS), "--consolidated-dir", str(tmp_path), "-p", "no:cacheprovider")

    failed = {report.nodeid.rpartition("::")[2] for report in run.getfailures()}

    assert {
        "test_every_object_is_specified_or_ordered[core]",
        "test_findings_are_those_of_the_specification[core]",
    } == failed
