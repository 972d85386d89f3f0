"""An edited export becomes decisions in the configuration, of which every byte stays."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from other_users import AS_ROOT, THIRD

from contracts.specimens import generator
from migrator.cli import app
from migrator.config import config_file
from migrator.errors import Refused, UsageError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.quarantine import edited_export
from migrator.quarantine.rows import QuarantinedRow
from migrator.switch.workspace import Workspace

POSITION, RIVAL = ("jarvis.positions", "0bb3beef"), ("jarvis.trades", "buy_08947cac")
MADE = {
    "source": "jarvis.trades",
    "legacy_key": "made-233",
    "decision": "make",
    "why": "never recorded",
    "legacy symbol": "HZMADE",
    "legacy token_mint": "EGXjjPzUribA7EYCoVoVx4Mce1afYWZ8nEszPPBbh7vx",
    "legacy side": "buy",
    "legacy amount_sol": "12.0",
    "legacy amount_tokens": "8",
    "legacy price": "1.5",
    "legacy timestamp": "2026-01-23T11:59:59+00:00",
    "legacy tx_signature": "tx-233",
    "legacy user_id": "0",
}


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    data = tmp_path_factory.mktemp("edited") / "data"
    generator.make(data, seed=7, rows=300, dirty=True)
    workspace, config = Workspace(data), config_file.load(data / "migrator.toml")
    pipeline_migrate.backup(pipeline_migrate.plan(workspace, config), workspace)
    pipeline_migrate.build(workspace, config)
    return data


@pytest.fixture(name="data")
def _data(built, tmp_path):
    data = shutil.copytree(built, tmp_path / "data")
    path = data / "migrator.toml"
    path.write_text(f"# Ours; ask before you change it.\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    return data


def edited(data, edits, *added, name="rows.csv", delimiter=","):
    """Export the quarantine of *data*, change cells of it, and return the file."""
    path = data.parent / name
    pipeline_quarantine.exported(Workspace(data), path)
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), reader.fieldnames
    rows = [row | edits.get((row["source"], row["legacy_key"]), {}) for row in rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter=delimiter)
        writer.writeheader()
        writer.writerows([*rows, *added])
    return path


def decide(data, path, *, write=True):
    return pipeline_quarantine.decide(Workspace(data), path, data / "migrator.toml", write=write)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_an_export_that_was_not_edited_decides_nothing(data, delimiter):
    before = (data / "migrator.toml").read_bytes()

    done = decide(data, edited(data, {}, delimiter=delimiter))

    assert (done.decisions, done.written, done.text) == ((), False, "")
    assert (data / "migrator.toml").read_bytes() == before


def test_changed_cells_and_words_become_decisions_that_the_plan_takes(data):
    before = (data / "migrator.toml").read_text(encoding="utf-8")
    path = edited(
        data,
        {
            POSITION: {"legacy status": "open", "why": "still held"},
            RIVAL: {"decision": "keep"},
            ("tax.tax_lots", "7"): {"decision": "drop", "why": "unknown token"},
            ("tax.tax_lots", "8"): {"decision": "Drop", "why": "unknown token"},
            ("jarvis.trades", ""): {"decision": "drop", "why": "entered by hand"},
            ("whales.whale_movements", "12"): {"decision": "drop", "why": "not needed"},
            ("whales.whale_movements", "13"): {"decision": "drop", "why": "not needed"},
            ("sentiment.sentiment_readings", "12"): {"legacy score": "1"},
        },
        MADE,
    )

    done = decide(data, path)

    text = (data / "migrator.toml").read_text(encoding="utf-8")
    assert text == before + done.text
    assert (
        done.text
        == """
[[decisions.rows]]
table = "jarvis.trades"
key = { null = true }
drop = "entered by hand"

[[decisions.rows]]
table = "jarvis.positions"
key = "0bb3beef"
set = { status = "open" }
was = { status = "sunk" }
why = "still held"

[[decisions.rows]]
table = "jarvis.trades"
key = "buy_08947cac"
keep = true
was = { id = "buy_08947cac", symbol = "HZ88", token_mint = "2FCFjQiuTeKTNe81nxDoepmTCtqitz4uJ8iiX69P1Hnv", side = "buy", amount_sol = 0.1, amount_tokens = 48000.0, price = 0.0003125, timestamp = "2026-01-25T04:00:00+00:00", tx_signature = "3sgT2Hx7cjf7oJ3ACfMdLX9SKtruFMCU3exjyPVqMmCshw5obZttqZLGtTnZ6p9ZwsE2vWB59zFJd4HZU43aHqYG", position_id = "", user_id = 0 }

[[decisions.rows]]
table = "tax.tax_lots"
key = 7
drop = "unknown token"
was = { id = 7, symbol = "HZ252", quantity = 8.0, remaining_quantity = 8.0, cost_per_unit = 1.5, total_cost = 12.0, fee = 0.25, purchase_date = "2026-01-23T11:59:59.876543+00:00", tx_id = "NHTuzPvFnyEzcu7dUamTBNB1YTU6xiXrzFiaPHeUtqECttzcRyN1EM52QLvAmFnTg9ptnhLWmy89EVy5LLyTv8B", adjusted_cost_basis = 1.5, wash_sale_adjustment = 0.0 }

[[decisions.rows]]
table = "tax.tax_lots"
key = 8
drop = "unknown token"
was = { id = 8, symbol = "HZNOWHERE", quantity = 8.0, remaining_quantity = 8.0, cost_per_unit = 1.5, total_cost = 12.0, fee = 0.25, purchase_date = "2026-01-23T11:59:59.876543+00:00", tx_id = "24CKc3AfxoazW21GZ9NUGfMtXD42p99aPcGhQ6aZi5HZma5iJbDojTCYS56GL4b9ncT9MXTpfcxyGWj3LTiJzyXf", adjusted_cost_basis = 1.5, wash_sale_adjustment = 0.0 }

[[decisions.rows]]
table = "sentiment.sentiment_readings"
key = 12
set = { score = 1 }
was = { score = "n/a" }

[[decisions.rows]]
table = "whales.whale_movements"
key = [12, 13]
drop = "not needed"

[[decisions.rows]]
table = "jarvis.trades"
key = "made-233"
make = { symbol = "HZMADE", token_mint = "EGXjjPzUribA7EYCoVoVx4Mce1afYWZ8nEszPPBbh7vx", user_id = 0, side = "buy", amount_sol = 12.0, amount_tokens = 8, price = 1.5, timestamp = "2026-01-23T11:59:59+00:00", tx_signature = "tx-233" }
why = "never recorded"
"""
    )
    planned = pipeline_migrate.plan(Workspace(data), config_file.load(data / "migrator.toml"), count=True)
    assert planned.refusals == ()
    assert [(effect.rows, effect.let_in) for effect in planned.decision_effects] == [
        (1, 0),
        (1, 1),
        (1, 1),
        (1, 0),
        (1, 0),
        (1, 1),
        (2, 0),
        (1, 0),
    ]


def test_an_edited_export_in_json_keeps_storage_classes(data):
    path = data.parent / "rows.json"
    pipeline_quarantine.exported(Workspace(data), path)
    rows = json.loads(path.read_text(encoding="utf-8"))
    for row in rows:
        if (row["source"], row["legacy_key"]) == POSITION:
            row["row"] |= {"status": "open", "notes": None, "user_id": {"b": "00ff"}}
            del row["row"]["notes"]
    path.write_text(json.dumps(rows), encoding="utf-8")

    text = decide(data, path, write=False).text

    assert 'set = { status = "open", user_id = { b = "00ff" } }' in text
    assert 'was = { status = "sunk", user_id = 0 }' in text


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        ({POSITION: {"content": "0" * 64}}, "expected a row as it is in quarantine now; found another content"),
        ({POSITION: {"decision": "kep"}}, "decision: expected keep, make, drop or nothing; found 'kep'; did you mean keep?"),
        ({POSITION: {"decision": "drop"}}, "drop: expected a reason in why, and no changed cell"),
        ({POSITION: {"legacy score": "1"}}, "score: jarvis.positions has no such column"),
        ({("jarvis.trades", ""): {"legacy id": "mine"}}, "no key names the row: expected drop, or no decision"),
        ({("jarvis_x_memory.tweets", "13"): {"legacy tweet_id": "1.700000000000000369E18"}}, "a spreadsheet made it"),
    ],
    ids=range(6),
)  # fmt: skip
def test_an_edit_that_cannot_be_a_decision_is_refused(data, edits, sentence):
    before = (data / "migrator.toml").read_bytes()

    with pytest.raises(UsageError) as refused:
        decide(data, edited(data, edits))

    assert sentence in str(refused.value)
    assert (data / "migrator.toml").read_bytes() == before


def changed(was, new, *, suffix=".csv"):
    """Return the decided value of a cell of a numeric column, or '' for no decision."""
    row = QuarantinedRow(
        source="jarvis.trades", key="k", target="core.trades", broken="CHECK side", cells={"price": was}
    )
    found = dict(edited_export._changed(Path(f"rows{suffix}"), edited_export._Entry({}, {"price": new}, ""), row))
    return found["price"][1] if found else ""


@pytest.mark.parametrize(
    ("was", "new", "decided"),
    [
        (1234.5678901234567, "1234.56789012346", ""),
        (9007199254740993, "9.00719925474099E+15", ""),
        (9007199254740993, "9007199254740990", ""),
        (12.0, "12", ""),
        (0.00001, "0.00001", ""),
        (0.00001, "1E-05", ""),
        (9007199254740993, "9007199254740991000", 9007199254740991000),
        (12.0, "13", 13),
        (1.5, "2.0", 2.0),
        (1.5, "NULL", None),
        ("12", "13", 13),
    ],
)
def test_a_number_that_a_spreadsheet_spelled_anew_is_not_a_change(was, new, decided):
    assert changed(was, new) == decided


@pytest.mark.parametrize(
    ("was", "new"),
    [
        *[(1234.5678901234567, "1234.57"), (0.0003125, "0"), (0.0003125, "0.00"), (1.5, "2"), (1.5e9, "2E+09")],
        *[("1234567890.1234", "1234567890.12"), ("00012", "12"), (1.5, "1,5"), (1500.25, "1.500,25"), (1.5, "")],
    ],
)
def test_a_number_that_a_spreadsheet_may_have_rounded_is_refused(was, new):
    with pytest.raises(UsageError, match=r"a spreadsheet made it|expected a number"):
        changed(was, new)


def test_numbers_of_json_may_be_spelled_anew_and_not_changed_as_doubles():
    assert changed(12.0, 12, suffix=".json") == ""
    assert changed(12.0, 13, suffix=".json") == 13
    assert changed(12.0, {"b": "00"}, suffix=".json") == {"b": "00"}
    with pytest.raises(UsageError, match="a spreadsheet made it '9007199254740992'"):
        changed(9007199254740993, 9007199254740992, suffix=".json")


def test_the_log_names_the_line_of_a_wrong_cell_and_not_the_cell():
    with pytest.raises(UsageError) as refused:
        changed(9007199254740993, 9007199254740992, suffix=".json")

    assert refused.value.logged.startswith("rows.json: ")
    assert "90071992" not in refused.value.logged


def test_a_line_that_was_cut_short_is_refused(data):
    path = edited(data, {})
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[5] = lines[5].rpartition(",")[0]
    path.write_text("\n".join(lines), encoding="utf-8")

    with pytest.raises(UsageError, match="the line has another number of them"):
        decide(data, path)


def test_rows_without_a_key_are_dropped_together():
    alike = [
        QuarantinedRow(
            source="jarvis.trades", key=None, target="core.trades", broken="NOT NULL id", cells={"price": price}
        )
        for price in (1, 2)
    ]
    entry = edited_export._Entry

    def dropped(*rows):
        entries = [entry({"content": row.content, "decision": "drop", "why": "x"}, {}, "") for row in rows]
        by_content = {row.content: row for row in alike}
        found = [one for each in entries for one in edited_export._of_entry("rows.csv", each, by_content)]
        return list(edited_export._of_nameless("rows.csv", found, alike))

    assert [decision.keys for decision in dropped(*alike)] == [(None,)]
    with pytest.raises(UsageError, match="expected drop, for one reason, of all 2 rows"):
        dropped(alike[0])


def test_the_command_shows_what_it_wrote_and_writes_nothing_with_print(data):
    path, before = edited(data, {POSITION: {"legacy status": "open"}}), (data / "migrator.toml").read_bytes()
    arguments = ["quarantine", "decide", str(path), "--data-dir", str(data)]

    shown = CliRunner().invoke(app.cli, [*arguments, "--print"])
    assert shown.exception is None, shown.output
    assert 'set = { status = "open" }' in shown.stdout
    assert (data / "migrator.toml").read_bytes() == before

    written = CliRunner().invoke(app.cli, arguments)
    assert written.exception is None, written.output
    assert written.stdout.startswith("added 1 decision to ")
    assert "- jarvis.positions '0bb3beef': status is read as 'open'" in written.stdout
    assert (data / "migrator.toml").read_bytes().startswith(before)


def test_a_configuration_that_cannot_take_them_is_left_as_it_is(data):
    config = data / "migrator.toml"
    config.write_text("[decisions]\nrows = []\n", encoding="utf-8")

    with pytest.raises(UsageError, match="cannot be read"):
        decide(data, edited(data, {POSITION: {"legacy status": "open"}}))

    assert config.read_text(encoding="utf-8") == "[decisions]\nrows = []\n"


def test_a_link_to_the_configuration_stays_one(data):
    config, shared = data / "migrator.toml", data.parent / "shared.toml"
    config.rename(shared)
    config.symlink_to("../shared.toml")
    path = edited(data, {("tax.tax_lots", "7"): {"decision": "drop", "why": "unknown token"}})

    assert decide(data, path).written

    assert config.is_symlink()
    assert "unknown token" in shared.read_text(encoding="utf-8")


@AS_ROOT
def test_a_configuration_that_is_mounted_by_itself_is_refused_with_what_to_do(data):
    config = data / "migrator.toml"
    path = edited(data, {("tax.tax_lots", "7"): {"decision": "drop", "why": "unknown token"}})
    before = config.read_bytes()
    subprocess.run(["mount", "--bind", config, config], check=True)
    try:
        with pytest.raises(
            Refused, match=r"migrator\.toml: is mounted by itself, .*mount its folder; or run this with --print"
        ):
            decide(data, path)
        assert not decide(data, path, write=False).written
    finally:
        subprocess.run(["umount", config], check=True)

    assert before == config.read_bytes()
    assert [] == list(data.glob(".*.draft"))


@AS_ROOT
def test_a_link_of_one_user_to_a_configuration_of_another_is_refused(data):
    config, theirs = data / "migrator.toml", data.parent / "theirs.toml"
    config.rename(theirs)
    config.symlink_to(theirs)
    os.lchown(config, THIRD, THIRD)
    before = theirs.read_bytes()
    path = edited(data, {("tax.tax_lots", "7"): {"decision": "drop", "why": "unknown token"}})

    with pytest.raises(
        Refused, match=rf"migrator\.toml: is a link of user {THIRD} to .*theirs\.toml, which belongs to user 0"
    ):
        decide(data, path)

    assert before == theirs.read_bytes()


def test_nothing_is_decided_while_the_consolidated_set_is_in_use(data, monkeypatch):
    path = edited(data, {})
    monkeypatch.setattr(Workspace, "refuse_after_a_cutover", lambda _: (_ for _ in ()).throw(Refused("in use")))

    with pytest.raises(Refused, match="in use"):
        decide(data, path)
