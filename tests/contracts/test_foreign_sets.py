"""Other tools' sets are judged by the values of their rows: each is NO-GO, with reasons and losses."""

import io
import re
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import naive_copiers
import pytest
from rich.console import Console

import contracts
from contracts.sets import made as made_sets
from contracts.specimens import generator
from migrator.reports.terminal import verify_text
from migrator.schema import catalogue
from migrator.stages.verify.stage import verify
from migrator.system import connections, private_copy

pytestmark = pytest.mark.slow

verifying = sys.modules[verify.__module__]
CONTRACTS = Path(contracts.__file__).parent
ROWS = 300
EVERY_VARIANT = pytest.mark.parametrize("variant", ["found", "specified"])
#: What no set without lineage can have.
ALWAYS = {"test_every_row_has_its_lineage"}


@pytest.fixture(scope="session", name="sets")
def _sets(tmp_path_factory):
    """A dirty legacy set in each variant, and what the migration makes of it."""
    made = {}
    for variant in ("found", "specified"):
        scratch = tmp_path_factory.mktemp(variant)
        legacy = made_sets.specimen(scratch / "legacy", rows=ROWS, variant=variant)
        made[variant] = legacy, made_sets.migrated(legacy, scratch)
    return made


class Verdict:
    """The contracts' results for a pair: broken ones by name and case, skipped ones, the printed report."""

    def __init__(self, pytester, legacy, consolidated, *more, folder="5_verify"):
        asked = ["--legacy-dir", str(legacy), "--consolidated-dir", str(consolidated), *more]
        run = pytester.inline_run(str(CONTRACTS / folder), *asked, "--import-mode=importlib", "-p", "no:cacheprovider")
        _, skipped, failed = run.listoutcomes()
        self.messages = {name_of(report): report.longreprtext for report in failed}
        self.unasked = {name_of(report).partition("[")[0] for report in skipped}

    @property
    def red(self):
        return {name.partition("[")[0] for name in self.messages}

    @property
    def lost(self):
        """Rows lost, of how many, and the whole sentence."""
        sentence = self.messages["test_no_legacy_row_is_lost"].splitlines()[0]
        lost, of = re.match(
            r"([\d,]+) of ([\d,]+) legacy rows have no row in the consolidated set; most: ", sentence
        ).groups()
        return int(lost.replace(",", "")), int(of.replace(",", "")), sentence


def name_of(report):
    path, *_, last = report.nodeid.split("::")
    return Path(path).stem if path.endswith(".sql") else last


def quarantined(migrated):
    """How many rows our own migration keeps beside the tables, because constraints refuse them."""
    total = 0
    for name in catalogue.TARGETS.values():
        with closing(connections.read(migrated / name)) as connection:
            total += connection.execute("SELECT count(*) FROM quarantine").fetchone()[0]
    return total


def asked(path, question):
    with closing(connections.read(path)) as connection:
        return connection.execute(question).fetchone()[0]


@EVERY_VARIANT
def test_without_its_lineage_our_own_set_is_matched_by_value(pytester, tmp_path, sets, variant):
    legacy, migrated = sets[variant]
    naive_copiers.without_lineage(migrated, tmp_path)

    verdict = Verdict(pytester, legacy, tmp_path)

    # What our migration kept in quarantine is lost with it, and nothing else is.
    assert quarantined(migrated) == verdict.lost[0]
    assert f"refuse {verdict.lost[0]:,} of them, and they are not in quarantine" in verdict.lost[2]
    assert ALWAYS | {"test_no_legacy_row_is_lost", "test_every_mapped_row_is_accounted_for"} == verdict.red
    asked_of_found = {
        "direction_is_the_side_that_was_traded",
        "limits_are_percents_of_the_entry",
        "message_type_follows_who_spoke",
        "outcome_is_the_sign_of_the_change",
        "position_is_open_where_it_was_open",
        "provider_is_the_one_that_was_paid",
        "scores_are_rescaled",
        "swaps_are_in_smallest_units",
        "trades_lie_in_their_order",
    }
    assert (
        asked_of_found
        | {
            "every_known_position_is_linked",
            "test_carried_tables_are_declared_as_they_were",
            "test_json_and_rest_keep_what_they_have_to",
            "test_what_is_taken_over_is_the_same",
            "test_time_is_the_same_instant",
            "test_legacy_row_is_rebuilt",
            "test_link_is_the_same_link",
            "test_quarantined_row_is_kept_whole",
            "test_constraint_refuses_what_it_is_named_for",
            "test_decisions_about_rows_are_those_of_the_owners",
            "test_stub_claims_nothing",
        }
        == verdict.unasked
    )
    not_judged = verdict.messages["test_no_legacy_row_is_lost"].splitlines()[1]
    assert all(name in not_judged for name in verdict.unasked)


def test_a_clean_set_without_lineage_loses_nothing(pytester, tmp_path):
    generator.make(tmp_path / "legacy", rows=ROWS, seed=11, variant="specified")
    migrated = made_sets.migrated(tmp_path / "legacy", tmp_path)
    (tmp_path / "set").mkdir()
    naive_copiers.without_lineage(migrated, tmp_path / "set")

    verdict = Verdict(pytester, tmp_path / "legacy", tmp_path / "set")

    assert ALWAYS == verdict.red


def test_a_naive_copier_of_what_production_has(pytester, tmp_path, sets):
    """Hardly a name matches, so nearly everything is lost."""
    legacy, _ = sets["found"]
    (tmp_path / "set").mkdir()
    naive_copiers.naive(legacy, tmp_path / "set", tmp_path)

    verdict = Verdict(pytester, legacy, tmp_path / "set")

    lost, of, sentence = verdict.lost
    assert 0.8 * of < lost <= of
    assert "analytics.telegram_messages (" in sentence
    assert verdict.red >= ALWAYS | {
        "test_every_legacy_table_has_one_fate",
        "test_carried_tables_are_verbatim",
        "test_row_says_what_was_decided",
        "test_counts_compare_with_the_sources",
    }
    assert "test_row_says_what_was_decided[core.trades]" in verdict.messages


def test_a_naive_copier_of_what_the_specification_describes(pytester, tmp_path, sets):
    """All names match: what is lost are the rows in WALs, those that a constraint refuses, and tables without a home."""
    legacy, _ = sets["specified"]
    (tmp_path / "set").mkdir()
    naive_copiers.naive(legacy, tmp_path / "set", tmp_path)
    expected = sum(
        rows_without_twin(tmp_path, name, home, path) for name, home, path in naive_copiers.databases(legacy)
    )

    verdict = Verdict(pytester, legacy, tmp_path / "set")

    assert 0 < expected
    assert expected == verdict.lost[0]
    # The copy has references that lead nowhere, which no connection of its maker refused.
    assert verdict.red >= ALWAYS | {
        "no_reference_dangles",
        "test_no_id_is_given_twice",
        "test_row_says_what_was_decided",
    }


def rows_without_twin(scratch, name, home, path):
    """Count the rows of one legacy database, its WAL included, that are not in the copy with the same bytes."""
    copied = private_copy.private_copy(path, scratch / f"whole-{name}.db")
    with closing(connections.scratch(copied)) as connection:
        connections.attach(connection, scratch / "set" / catalogue.TARGETS[home], "new")
        missing = 0
        tables = connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        for (table,) in tables:
            names = [
                f"CAST({connections.quoted(one)} AS BLOB)" for one in naive_copiers.columns(connection, "main", table)
            ]
            key = "rowid, " if table == "ai_reflections" else ""
            there = naive_copiers.columns(connection, "new", table)
            listed = key + ", ".join(names)
            old = connection.execute(f"SELECT {listed} FROM main.{connections.quoted(table)}").fetchall()
            new = (
                connection.execute(f"SELECT {listed} FROM new.{connections.quoted(table)}").fetchall() if there else []
            )
            for row in new:
                if row in old:
                    old.remove(row)
            missing += len(old) if table in catalogue.SPECIFIED.get(name, ("", ()))[1] or is_carried(name, table) else 0
        return missing


def is_carried(name, table):
    """Return whether an ordinary table has no target table."""
    return not table.endswith("_fts") and table not in catalogue.SPECIFIED.get(name, ("", ()))[1]


@EVERY_VARIANT
def test_a_copier_that_swaps_two_columns(pytester, tmp_path, sets, variant):
    legacy, migrated = sets[variant]
    naive_copiers.swapped(migrated, tmp_path)
    unlike = asked(migrated / "jarvis_core.db", "SELECT count(*) FROM trades WHERE amount IS NOT amount_sol")

    verdict = Verdict(pytester, legacy, tmp_path)

    assert 0 < unlike
    assert unlike + quarantined(migrated) == verdict.lost[0]
    rows = {name for name in verdict.messages if name.startswith("test_row_says_what_was_decided")}
    assert {"test_row_says_what_was_decided[core.trades]"} == rows
    said = verdict.messages["test_row_says_what_was_decided[core.trades]"]
    assert "jarvis.trades" in said
    assert 5 == said.count("counterexample")
    assert re.search(r"amount: expected REAL #\w+, found REAL #\w+; amount_sol: expected REAL", said)


@EVERY_VARIANT
def test_a_copier_that_cuts_times_to_seconds(pytester, tmp_path, sets, variant):
    legacy, migrated = sets[variant]
    naive_copiers.cut(migrated, tmp_path)

    verdict = Verdict(pytester, legacy, tmp_path)

    with_fraction = asked(migrated / "jarvis_core.db", "SELECT count(*) FROM trades WHERE length(timestamp) > 19")
    assert 0 < with_fraction
    assert verdict.lost[0] >= with_fraction + quarantined(migrated)
    said = verdict.messages["test_row_says_what_was_decided[core.trades]"]
    assert f"and {2 * with_fraction - 5} more" in said
    assert re.search(r"timestamp: expected TEXT #\w+, found TEXT #\w+$", said, re.MULTILINE)
    assert "position_id" not in said


@EVERY_VARIANT
def test_a_copier_that_takes_shadow_tables_for_tables(pytester, tmp_path, sets, variant):
    legacy, _ = sets[variant]
    (tmp_path / "set").mkdir()
    naive_copiers.naive(legacy, tmp_path / "set", tmp_path, shadows=True)

    verdict = Verdict(pytester, legacy, tmp_path / "set", folder="")

    assert 0 < verdict.lost[0]
    if variant == "found":
        assert "table facts_fts_data" in verdict.messages["test_every_object_is_specified_or_ordered[analytics]"]
        assert "test_row_says_what_was_decided[analytics.ai_reflections]" in verdict.messages
    else:
        # The rows look right to a SELECT; the index over them is another one's.
        assert "test_full_text_index_matches_its_rows[analytics]" in verdict.messages


@EVERY_VARIANT
def test_a_dump_merged_by_hand(pytester, tmp_path, sets, variant):
    legacy, _ = sets[variant]
    (tmp_path / "set").mkdir()
    naive_copiers.dumped(legacy, tmp_path / "set", tmp_path)

    verdict = Verdict(pytester, legacy, tmp_path / "set", folder="")

    lost, of, sentence = verdict.lost
    assert 0 < lost <= of, sentence
    # No index, no WAL mode, no configuration, and tables in the shape that they had.
    assert verdict.red >= ALWAYS | {"test_wal_mode_is_persistent", "test_row_says_what_was_decided"}
    if variant == "found":
        assert re.search(
            r"core.trades: has no column .*direction.*: \d+ legacy rows have no row",
            verdict.messages["test_row_says_what_was_decided[core.trades]"],
        )
        assert "test_table_has_its_columns[core.trades]" in verdict.messages


def test_what_was_lost_is_the_first_line(tmp_path, sets):
    legacy, migrated = sets["specified"]
    naive_copiers.swapped(migrated, tmp_path)
    printed = io.StringIO()

    Console(file=printed, width=200).print(verify_text(verify(legacy, tmp_path)))

    assert re.match(
        r"NO-GO: \d+ of \d+ legacy rows have no row in the consolidated set; most: core.", printed.getvalue()
    )


def test_two_processes_reach_the_verdict_of_one(tmp_path, sets, monkeypatch):
    legacy, migrated = sets["specified"]
    naive_copiers.swapped(migrated, tmp_path)
    run, commands, verdicts = subprocess.Popen, [], []
    monkeypatch.setattr(
        verifying.subprocess, "Popen", lambda command, **options: commands.append(command) or run(command, **options)
    )

    for processes in (1, 2):
        monkeypatch.setattr(verifying.worker_process, "processors", lambda number=processes: number)
        verdicts.append(verify(legacy, tmp_path))

    assert ["1", "2"] == [command[command.index("--contracts-processes") + 1] for command in commands]
    one, two = verdicts
    assert (one.held, one.skipped) == (two.held, two.skipped)
    assert set(one.broken) == set(two.broken) != set()


def test_private_values_are_shown_only_when_asked_for(pytester, tmp_path, sets):
    legacy, migrated = sets["found"]
    told = ("telegram_messages", "UPDATE telegram_messages SET message = 'my secret ' || id")
    naive_copiers.without_lineage(migrated, tmp_path, told)

    quiet = Verdict(pytester, legacy, tmp_path)
    open_ = Verdict(pytester, legacy, tmp_path, "--show-values")

    assert not [text for text in quiet.messages.values() if "secret" in text]
    assert "my secret" in open_.messages["test_row_says_what_was_decided[analytics.telegram_messages]"]


def test_a_hostile_set_breaks_neither_the_run_nor_the_report(pytester, tmp_path, sets):
    legacy, migrated = sets["found"]
    naive_copiers.hostile(migrated, tmp_path)
    begun = time.monotonic()

    result = pytester.runpytest_subprocess(
        *(str(CONTRACTS), "--legacy-dir", str(legacy), "--consolidated-dir", str(tmp_path), "--show-values"),
        *("--import-mode=importlib", "-p", "no:cacheprovider", "-q", "--junit-xml=report.xml"),
    )

    assert 120 > time.monotonic() - begun
    assert pytest.ExitCode.TESTS_FAILED == result.ret
    printed = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in printed
    assert "Error:" not in printed
    assert not [line for line in printed.splitlines() if len(line) > 5_000]
    assert 1_000_000 > len(printed)
    result.stdout.fnmatch_lines(["NO-GO: * legacy rows have no row in the consolidated set; most: *"])
    assert "core.scorecard: there is no such table" in printed
    assert "found:    interrupted" in printed
    assert (pytester.path / "report.xml").stat().st_size < 2_000_000


@pytest.mark.parametrize("table", ["lineage", "quarantine"])
def test_a_table_that_only_bears_the_name_is_no_lineage(pytester, tmp_path, sets, table):
    legacy, migrated = sets["specified"]
    naive_copiers.without_lineage(migrated, tmp_path)
    with closing(connections.scratch(tmp_path / "jarvis_core.db")) as connection:
        connection.execute(f"CREATE TABLE {table} (id)")

    verdict = Verdict(pytester, legacy, tmp_path)

    assert ALWAYS <= verdict.red
    assert not [text for text in verdict.messages.values() if "OperationalError" in text]
