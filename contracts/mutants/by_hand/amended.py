"""Faults in sets with amendments of the specification, each with the contracts that must catch it."""

from __future__ import annotations

import json

from contracts.mutants.by_hand.declared import Fault
from contracts.mutants.by_hand.rows import DataFault, fault
from migrator.schema import specified

_DECIDED = "test_amendments_are_those_that_were_decided"
_CHILDREN, _METRICS, _SEARCH = ("child_indexes",), ("metric_uniqueness",), ("fts_unindexed_columns",)
_ONCE = "idx_metrics_once ON metrics(metric_name, timestamp, tags)"
_POSITIONS, _OPEN = ("position_history",), "idx_positions_open_token ON positions(token_address) WHERE status = 'open'"

FAULTS: tuple[Fault, ...] = (
    Fault(
        name="amendment without a decision",
        target="core",
        caught_by=(
            _DECIDED,
            "test_table_has_its_unique_constraints",
            "test_unique_refuses_a_second_row",
            "test_every_object_is_specified_or_ordered",
            "test_findings_are_those_of_the_specification",
        ),
        mentions=("position_history", "that the configuration does not choose"),
        amendments=_POSITIONS,
        decided=(),
    ),
    Fault(
        name="chosen amendment missing",
        target="core",
        caught_by=(
            _DECIDED,
            "test_table_has_its_unique_constraints",
            "test_unique_refuses_a_second_row",
            "test_index_is_there",
            "test_findings_are_those_of_the_specification",
        ),
        mentions=("position_history", "the set does not have"),
        decided=_POSITIONS,
    ),
    Fault(
        name="position_history: index missing",
        target="core",
        caught_by=("test_index_is_there", "test_unique_refuses_a_second_row", _DECIDED),
        mentions=("core.idx_positions_open_token", "[]"),
        amendments=_POSITIONS,
        statements=("DROP INDEX idx_positions_open_token",),
    ),
    Fault(
        name="position_history: index not UNIQUE",
        target="core",
        caught_by=("test_index_is_there", "test_unique_refuses_a_second_row", _DECIDED),
        mentions=("core.idx_positions_open_token", "unique=True", "unique=False"),
        amendments=_POSITIONS,
        ddl=(f"UNIQUE INDEX {_OPEN}", f"INDEX {_OPEN}"),
    ),
    Fault(
        name="position_history: index not partial",
        target="core",
        caught_by=("test_index_is_there", "test_unique_refuses_a_second_row", _DECIDED),
        mentions=("core.idx_positions_open_token", "where=None"),
        amendments=_POSITIONS,
        ddl=(" WHERE status = 'open';", ";"),
    ),
    *(
        Fault(
            name=f"position_history: index WHERE {condition}",
            target="core",
            caught_by=("test_index_is_there", "test_unique_refuses_a_second_row", _DECIDED),
            mentions=("core.idx_positions_open_token", condition.split()[0]),
            amendments=_POSITIONS,
            ddl=(" WHERE status = 'open';", f" WHERE {condition};"),
        )
        for condition in (
            "status <> 'closed'",
            "status <> 'open'",
            "status = 'closed'",
            "status IN ('open', 'partial')",
            "exit_time IS NULL",
        )
    ),
    *(
        Fault(
            name=f"position_history: index over {columns}",
            target="core",
            caught_by=("test_index_is_there", "test_unique_refuses_a_second_row", _DECIDED),
            mentions=("core.idx_positions_open_token", columns.split(",")[0]),
            amendments=_POSITIONS,
            ddl=("positions(token_address) WHERE", f"positions({columns}) WHERE"),
        )
        for columns in ("symbol", "token_address, wallet_address", "wallet_address, token_address")
    ),
    Fault(
        name="position_history: index in descending order",
        target="core",
        caught_by=("test_index_is_there", _DECIDED),
        mentions=("core.idx_positions_open_token", "descending=True"),
        amendments=_POSITIONS,
        ddl=("positions(token_address) WHERE", "positions(token_address DESC) WHERE"),
    ),
    Fault(
        name="position_history: tokens compared without letter case",
        target="core",
        caught_by=("test_index_is_there", _DECIDED),
        mentions=("core.idx_positions_open_token", "NOCASE"),
        amendments=_POSITIONS,
        ddl=("positions(token_address) WHERE", "positions(token_address COLLATE NOCASE) WHERE"),
    ),
    Fault(
        name="position_history: UNIQUE kept in the table",
        target="core",
        caught_by=("test_table_has_its_unique_constraints", "test_unique_refuses_a_second_row", _DECIDED),
        mentions=("core.positions", "UNIQUE constraints"),
        amendments=_POSITIONS,
        ddl=("token_address TEXT NOT NULL,\n    entry_price", "token_address TEXT NOT NULL UNIQUE,\n    entry_price"),
    ),
    Fault(
        name="position_history: trigger in the place of the index",
        target="core",
        caught_by=("test_index_is_there", "test_every_object_is_specified_or_ordered", _DECIDED),
        mentions=("core.idx_positions_open_token", "[]"),
        amendments=_POSITIONS,
        statements=(
            "DROP INDEX idx_positions_open_token",
            (
                "CREATE TRIGGER one_open BEFORE INSERT ON positions WHEN NEW.status = 'open' AND EXISTS (SELECT 1 FROM positions"
                " WHERE token_address = NEW.token_address AND status = 'open')"
                " BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed'); END"
            ),
        ),
    ),
    Fault(
        name="child_indexes: one missing",
        target="core",
        caught_by=("test_index_is_there", "test_findings_are_those_of_the_specification", _DECIDED),
        mentions=("core.idx_wash_sales_sold", "[]"),
        amendments=_CHILDREN,
        statements=("DROP INDEX idx_wash_sales_sold",),
    ),
    Fault(
        name="child_indexes: on another column",
        target="core",
        caught_by=("test_index_is_there", "test_findings_are_those_of_the_specification", _DECIDED),
        mentions=("core.idx_wash_sales_sold", "replacement_lot_id"),
        amendments=_CHILDREN,
        ddl=("wash_sales(sold_lot_id)", "wash_sales(replacement_lot_id)"),
    ),
    Fault(
        name="child_indexes: partial",
        target="core",
        caught_by=("test_index_is_there", _DECIDED),
        mentions=("core.idx_tax_lots_trade", "short_term = 1"),
        amendments=_CHILDREN,
        ddl=("tax_lots(trade_id)", "tax_lots(trade_id) WHERE short_term = 1"),
    ),
    Fault(
        name="child_indexes: UNIQUE",
        target="core",
        caught_by=("test_index_is_there", _DECIDED),
        mentions=("core.idx_tax_lots_trade", "unique=True"),
        amendments=_CHILDREN,
        ddl=("INDEX idx_tax_lots_trade", "UNIQUE INDEX idx_tax_lots_trade"),
    ),
    Fault(
        name="metric_uniqueness: index missing",
        target="analytics",
        caught_by=(
            "test_unique_refuses_a_second_row",
            "test_index_is_there",
            "test_findings_are_those_of_the_specification",
            _DECIDED,
        ),
        mentions=("analytics.metrics", "expected: refused: UNIQUE", "accepted"),
        amendments=_METRICS,
        statements=("DROP INDEX idx_metrics_once",),
    ),
    Fault(
        name="metric_uniqueness: index not UNIQUE",
        target="analytics",
        caught_by=("test_unique_refuses_a_second_row", "test_index_is_there", _DECIDED),
        mentions=("analytics.metrics", "expected: refused: UNIQUE", "accepted"),
        amendments=_METRICS,
        ddl=(f"UNIQUE INDEX {_ONCE}", f"INDEX {_ONCE}"),
    ),
    Fault(
        name="metric_uniqueness: index partial",
        target="analytics",
        caught_by=("test_index_is_there", _DECIDED),
        mentions=("analytics.idx_metrics_once", "metadata IS NULL"),
        amendments=_METRICS,
        ddl=(_ONCE, f"{_ONCE} WHERE metadata IS NULL"),
    ),
    *(
        Fault(
            name=f"metric_uniqueness: index over {columns}",
            target="analytics",
            caught_by=("test_index_is_there", _DECIDED),
            mentions=("analytics.idx_metrics_once", columns.split(",")[0]),
            amendments=_METRICS,
            ddl=("metrics(metric_name, timestamp, tags)", f"metrics({columns})"),
        )
        for columns in (
            "timestamp, metric_name, tags",
            "metric_name, timestamp",
            "metric_name, timestamp, tags, metric_value",
        )
    ),
    Fault(
        name="fts_unindexed_columns: time indexed",
        target="analytics",
        caught_by=(
            "test_virtual_table_is_there",
            "test_full_text_search_reads_the_indexed_columns",
            "test_findings_are_those_of_the_specification",
            _DECIDED,
        ),
        mentions=("analytics.ai_reflections", "timestamp UNINDEXED"),
        amendments=_SEARCH,
        ddl=("timestamp UNINDEXED,", "timestamp,"),
    ),
    Fault(
        name="fts_unindexed_columns: content not searched",
        target="analytics",
        caught_by=(
            "test_full_text_search_reads_the_indexed_columns",
            "test_full_text_search_stems",
            "test_virtual_table_is_there",
            _DECIDED,
        ),
        mentions=("analytics.ai_reflections", "'content': 1", "'content': 0"),
        amendments=_SEARCH,
        ddl=("    content,\n    timestamp UNINDEXED", "    content UNINDEXED,\n    timestamp UNINDEXED"),
    ),
    Fault(
        name="llm_providers: a provider missing from the CHECK",
        target="analytics",
        caught_by=(
            "test_check_is_exact",
            "test_table_has_its_checks",
            "test_findings_are_those_of_the_specification",
            _DECIDED,
        ),
        mentions=("analytics.llm_costs.provider", "ollama", "CHECK constraint failed"),
        amendments=("llm_providers",),
        ddl=(", 'ollama'", ""),
    ),
    Fault(
        name="llm_providers: a provider too many in the CHECK",
        target="analytics",
        caught_by=("test_table_has_its_checks", _DECIDED),
        mentions=("analytics.llm_costs", "mistral"),
        amendments=("llm_providers",),
        ddl=("'ollama', 'other'", "'ollama', 'mistral', 'other'"),
    ),
    Fault(
        name="llm_providers: CHECK left out",
        target="analytics",
        caught_by=("test_check_is_exact", "test_table_has_its_checks", _DECIDED),
        mentions=("analytics.llm_costs.provider", "expected: refused", "accepted"),
        amendments=("llm_providers",),
        ddl=(" CHECK(provider IN ('anthropic', 'xai', 'openai', 'groq', 'openrouter', 'ollama', 'other'))", ""),
    ),
    Fault(
        name="llm_providers: CHECK in another letter case",
        target="analytics",
        caught_by=("test_check_is_exact", "test_table_has_its_checks", _DECIDED),
        mentions=("analytics.llm_costs.provider",),
        amendments=("llm_providers",),
        ddl=("CHECK(provider IN", "CHECK(lower(provider) IN"),
    ),
)

#: SQL for the name of the constraint that refuses a second open position, and a condition on quarantined rows.
_OPEN_RIVAL = "'UNIQUE token_address WHERE status = ''open'''"
_RIVAL = f"broken = {_OPEN_RIVAL}"
#: The least closed position of a token that has an open one too.
_HISTORY = (
    "(SELECT min(p.id) FROM positions AS p WHERE p.status = 'closed' AND EXISTS"
    " (SELECT 1 FROM positions AS o WHERE o.token_address = p.token_address AND o.status = 'open'))"
)

#: Faults in the rows of a set that was migrated with every amendment.
ROW_FAULTS: tuple[DataFault, ...] = (
    fault(
        "position_history: closed position of a held token lost",
        ("test_every_mapped_row_is_accounted_for",),
        ("jarvis.positions", "is lost"),
        f"DELETE FROM lineage WHERE target = 'positions' AND target_id = {_HISTORY}",
        f"DELETE FROM positions WHERE id = {_HISTORY}",
    ),
    fault(
        "position_history: closed position quarantined too",
        ("test_constraint_refuses_what_it_is_named_for",),
        ("jarvis.positions", "the target table accepts the row"),
        f"INSERT INTO quarantine SELECT source, legacy_key, target, {_OPEN_RIVAL}, '{{}}'"
        f" FROM lineage WHERE target = 'positions' AND target_id = {_HISTORY}",
    ),
    fault(
        "position_history: refused by the constraint that was replaced",
        ("test_constraint_refuses_what_it_is_named_for",),
        ("jarvis.positions", "UNIQUE token_address", "another constraint refuses the row"),
        f"UPDATE quarantine SET broken = 'UNIQUE token_address' WHERE {_RIVAL}",
    ),
    fault(
        "position_history: the wrong one of two open positions stays",
        ("test_constraint_refuses_what_it_is_named_for",),
        ("jarvis.positions", "the other one should have stayed"),
        "UPDATE positions SET entry_time = '1970-01-01 00:00:00' WHERE status = 'open' AND token_address IN"
        f" (SELECT json_extract(row, '$.token_mint') FROM quarantine WHERE {_RIVAL})",
    ),
    fault(
        "llm_providers: provider merged all the same",
        ("test_row_says_what_was_decided",),
        ("llm_costs.llm_usage", "provider"),
        "UPDATE llm_costs SET provider = 'other', metadata = json_set(metadata, '$.provider', 'groq') WHERE provider = 'groq'",
        target="analytics",
    ),
)


def configuration(written: str) -> str:
    """Return the configuration *written* for the specimen, with every amendment of the specification."""
    names = json.dumps(sorted(specified.amendments()))
    return written.replace("[decisions]\n", f"[decisions]\namendments = {names}\n")
