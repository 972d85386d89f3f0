"""Every clause of the promise has a contract, every contract a clause, every contract a fault that it catches."""

import tomllib
from pathlib import Path

import pytest

import contracts
from contracts.mutants.by_hand import amended as by_hand_amended
from contracts.mutants.by_hand import decided as by_hand_decided
from contracts.mutants.by_hand import declared as by_hand_declared
from contracts.mutants.by_hand import rows as by_hand_rows

CONTRACTS = Path(contracts.__file__).parent
CLAUSES = tomllib.loads((CONTRACTS / "suite" / "clauses.toml").read_text(encoding="utf-8"))

#: Contracts whose fault is planted in code, by a test: name -> that test.
CAUGHT_ELSEWHERE = {
    "test_every_file_has_one_verdict": "tests/contracts/test_inventory.py",
    "test_looking_changes_nothing": "tests/contracts/test_inventory.py",
    **dict.fromkeys(
        (
            "test_bets_do_not_grow_by_chance",
            "test_a_sound_application_is_not_rolled_back_by_chance",
            "test_monitor_decides_as_the_bets_do",
            "test_failures_are_not_counted_before_the_successes_of_their_second",
            "test_twenty_failures_of_twenty_are_rolled_back",
            "test_a_broken_application_is_rolled_back",
        ),
        "tests/contracts/test_monitor.py",
    ),
    "test_legacy_schema_has_every_row": "tests/contracts/test_replay.py",
    "test_statement_does_the_same_through_the_legacy_schema": "tests/contracts/test_replay.py",
    "test_question_is_answered_by_an_index_that_answered_it": "tests/contracts/test_workload.py",
    "test_question_takes_no_more_steps": "tests/contracts/test_workload.py",
    "test_ordered_index_is_there": "tests/unit/config/test_extra_indexes.py",
    "test_plan_has_every_table_with_its_fate": "tests/contracts/test_plan.py",
    "test_parents_come_before_their_children": "tests/contracts/test_plan.py",
    **dict.fromkeys(
        (
            "test_backup_is_what_its_manifest_says",
            "test_file_that_stands_alone_equals_its_backup",
            "test_backup_migrates_to_the_same_set",
            "test_backup_is_for_its_owner_alone",
            "test_access_is_no_wider_than_of_the_sources",
            "test_every_name_leads_to_its_database",
            "test_originals_are_what_was_migrated",
            "test_what_was_installed_is_kept",
            "test_flag_says_that_the_new_set_is_in_use",
            "test_quarantine_was_accepted_row_by_row",
            "test_a_row_leaves_the_quarantine_with_its_lineage",
            "test_nothing_is_left_half_way",
            "test_every_name_is_its_own_file_again",
            "test_legacy_is_what_it_was_and_what_was_written",
            "test_journal_modes_are_what_they_were",
            "test_permissions_are_what_they_were",
            "test_flag_says_that_the_old_set_is_in_use",
        ),
        "tests/contracts/test_backup_cutover_rollback.py",
    ),
}


@pytest.fixture(name="items")
def _items(pytester):
    items, _ = pytester.inline_genitems(str(CONTRACTS), "--import-mode=importlib", "-p", "no:cacheprovider")
    assert items
    return items


def test_clauses_and_contracts_name_each_other(items):
    proved = {mark.args[0] for item in items for mark in item.iter_markers("clause")}
    without = [item.nodeid for item in items if not list(item.iter_markers("clause"))]

    assert [] == without
    assert CLAUSES.keys() == proved


def test_every_contract_has_a_fault_that_it_catches(items):
    """A ``.sql`` contract plants its own; the others are caught in tests/contracts/test_faults_by_hand.py and test_faults_in_rows.py."""
    python = {item.originalname for item in items if hasattr(item, "originalname")}
    plain_sql = {item.parent.path.stem for item in items if item.parent.path.suffix == ".sql"}
    caught = {
        name
        for fault in (*by_hand_declared.FAULTS, *by_hand_amended.FAULTS, *by_hand_rows.FAULTS, *by_hand_decided.FAULTS)
        for name in fault.caught_by
    } - plain_sql

    assert python == caught | CAUGHT_ELSEWHERE.keys()
    for name, file in CAUGHT_ELSEWHERE.items():
        assert name in (Path(__file__).parents[2] / file).read_text(encoding="utf-8")


def test_every_sql_contract_can_fail(items):
    names = [item.nodeid for item in items if item.parent.path.suffix == ".sql"]

    assert len(names) == 2 * len([name for name in names if name.endswith("::can_fail")])


def test_every_clause_says_its_sentence_and_where_it_comes_from():
    for clause in CLAUSES.values():
        assert {"says", "from"} == clause.keys()
        assert clause["says"].endswith(".")
