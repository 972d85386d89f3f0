"""Each finding on the specified design is shown by what SQLite answers."""

from pathlib import Path

import pytest

from contracts.performance import design_findings
from migrator.mapping import workload
from migrator.schema import catalogue, specified
from migrator.schema import reader as schema_reader

HERE = Path(__file__).parents[2]


@pytest.fixture(name="found", scope="module")
def _found():
    return {(finding.kind, finding.where): finding for finding in design_findings.design()}


def test_the_known_findings_are_found(found):
    assert {
        ("redundant index", "core.idx_positions_token"),
        ("redundant index", "core.idx_trades_signature"),
        ("redundant index", "analytics.idx_tweets_tweet_id"),
        ("unindexed reference", "core.tax_lots.trade_id"),
        ("unindexed reference", "core.wash_sales.sold_lot_id"),
        ("unindexed reference", "core.wash_sales.replacement_lot_id"),
        ("history made unique", "core.positions.token_address"),
        ("indexed by accident", "analytics.ai_reflections.timestamp"),
        ("uniqueness lost", "analytics.ai_facts"),
        ("uniqueness lost", "analytics.metrics"),
        ("uniqueness lost", "core.tax_lots"),
        ("values merged", "analytics.llm_costs.provider"),
        ("looser than the code", "core.config.max_trade_usd"),
        ("looser than the code", "core.config.max_daily_usd"),
        ("misleading index", "core.idx_trades_status"),
        ("misleading index", "core.idx_trades_via"),
        ("misleading index", "core.idx_scorecard_period"),
        ("misleading index", "analytics.idx_llm_costs_provider"),
        ("misleading index", "analytics.idx_telegram_users_admin"),
        *(("slower than the legacy file", f"{one.target}: {one.name}") for one in workload.questions() if one.slower),
    } == found.keys()


def test_evidence_shows_what_the_finding_says(found):
    for (kind, where), finding in found.items():
        text = "\n".join(finding.evidence)
        match kind:
            case "redundant index":
                assert "sqlite_autoindex" in text, where
                assert "SCAN" not in text, where
            case "unindexed reference":
                assert text.startswith("SCAN"), where
            case "misleading index":
                assert "without ANALYZE: USE TEMP B-TREE FOR ORDER BY" in text, where
                assert "after ANALYZE: USE TEMP B-TREE FOR ORDER BY" not in text, where
            case "indexed by accident":
                assert text.startswith("1 row found"), where
            case "uniqueness lost":
                assert text.startswith("0\n"), where
                assert "UNIQUE " in text, where
            case "values merged":
                assert "'other'" in text, where
            case "looser than the code":
                assert text.endswith("000.0 USD"), where


@pytest.mark.parametrize("name", specified.amendments())
def test_an_amendment_repairs_the_findings_that_it_answers_and_no_other(found, name):
    answers = specified.amendments()[name].answers
    assert set(answers) <= {f"{kind}: {where}" for kind, where in found}
    gone, new = set(), set()
    for target in catalogue.TARGETS:
        before = set(design_findings.places(target, schema_reader.target(target)))
        after = set(design_findings.places(target, specified.chosen([name]).schema(target)))
        gone, new = gone | before - after, new | after - before

    assert set() == new
    # Without UNIQUE, the index of positions on the token is not redundant any more.
    needed = {("redundant index", "core.idx_positions_token")} if name == "position_history" else set()
    assert {f"{kind}: {where}" for kind, where in gone - needed} == set(answers)


def test_the_page_of_docs_is_current(found):
    assert design_findings.as_markdown(tuple(found.values())) == (
        HERE / "docs" / "reference" / "findings.md"
    ).read_text(encoding="utf-8")
