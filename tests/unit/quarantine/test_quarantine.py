"""The quarantine of a dirty set: every row has a cause in words, money comes first, and an export holds whole rows."""

import csv
import json
import re
import sqlite3
import stat
from contextlib import closing

import accepted_quarantine
import pytest
from click.testing import CliRunner

from contracts.specimens import generator
from migrator.cli import app
from migrator.config import config_file
from migrator.errors import Refused, UsageError
from migrator.mapping import sql_functions
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.pipeline import switchover
from migrator.quarantine import causes, export, listing, toml_cells
from migrator.quarantine import decisions as quarantine_decisions
from migrator.quarantine import rows as quarantine_rows
from migrator.quarantine.rows import QuarantinedRow
from migrator.schema import catalogue
from migrator.switch.workspace import Workspace


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory):
    data = tmp_path_factory.mktemp("quarantine") / "data"
    generator.make(data, seed=7, rows=300, dirty=True, wal=True)
    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")
    pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace)
    pipeline_migrate.build(workspace, configuration)
    return data


@pytest.fixture(name="copies")
def _copies(data):
    return {target: data / ".migrator" / "stage" / name for target, name in catalogue.TARGETS.items()}


@pytest.fixture(name="rows")
def _rows(copies):
    return list(quarantine_rows.read(copies))


def run(data, *arguments):
    said = CliRunner().invoke(app.cli, ["quarantine", arguments[0], "--data-dir", str(data), *arguments[1:]])
    assert said.exception is None, said.output
    return said.stdout


def row(target="core.positions", source="jarvis.positions", broken="NOT NULL symbol", key="k", **cells):
    return QuarantinedRow(source=source, key=key, target=target, broken=broken, cells=cells)


def test_every_row_is_in_one_group_and_money_comes_first(rows):
    found = listing.grouped(rows)

    assert len(rows) == found.rows == sum(group.rows for group in found.groups) > 100
    assert sum(bool(one.money) for one in rows) == found.at_stake > 0
    money = [group.money for group in found.groups]
    assert [
        *sorted(filter(None, money), key=["open position", "active order", "unsold lot"].index),
        *([""] * money.count("")),
    ] == money
    assert len(rows) == sum(len(group.keys) for group in found.groups)
    for group in found.groups:
        at_stake = {
            one.handle for one in rows if one.money and (one.source, one.broken) == (group.source, group.broken)
        }
        known = [key for key in group.keys if key in at_stake]
        assert list(group.keys[: len(known)]) == known


def test_no_cause_is_a_constraint_and_each_names_what_the_legacy_row_has(rows, copies):
    for group in listing.grouped(rows).groups:
        assert not re.search(r"\b(CHECK|UNIQUE|FOREIGN|NOT NULL|is not one of the specification)\b", group.cause), group
        for key in group.keys[:1]:
            for one in listing.explained(rows, f"{group.source}:{key}", copies).rows:
                assert one.because, one
                assert one.remedies, one
                assert group.cause in {causes.cause(other) for other in rows if other.handle == key}


def test_a_position_names_the_one_that_was_kept_and_what_would_let_it_in(rows, copies):
    refused = [one for one in rows if one.broken == "UNIQUE token_address"]
    assert refused
    with closing(sqlite3.connect(copies["core"])) as core:
        for one in refused:
            (explained,) = listing.explained(rows, f"jarvis.positions:{one.name}", copies).rows
            kept = re.search(r"jarvis\.positions '(\w+)' was kept: status '(\w+)'", " ".join(explained.because))
            assert kept is not None, explained
            question = (
                "SELECT t.status FROM positions AS t JOIN lineage AS l ON l.target = 'positions' AND l.target_id = t.id"
                " WHERE l.legacy_key = ?"
            )
            assert [(kept[2],)] == core.execute(question, (kept[1],)).fetchall()
            helps = one.value("status") != "open"
            assert helps == any("position_history" in remedy for remedy in explained.remedies)


def test_a_lot_without_a_trade_names_its_transaction(rows, copies):
    lot = next(one for one in rows if one.broken == "NOT NULL trade_id")

    (explained,) = listing.explained(rows, f"tax.tax_lots:{lot.name}", copies).rows

    assert "tx_id names no row of jarvis.trades" == causes.cause(lot)
    assert f"no row of jarvis.trades has tx_signature {lot.value('tx_id')!r}" == explained.cause
    assert (f"tx_id is {lot.value('tx_id')!r}",) == explained.because
    assert "correct tx_id in tax.db, or add the row that it means to jarvis.trades" == explained.remedies[0]
    assert f'tx_signature = "{lot.value("tx_id")}"' in explained.remedies[-1].partition("make = ")[2]


def test_a_row_whose_parent_is_in_quarantine_names_that_row():
    lot = row("core.tax_lots", "tax.tax_lots", "NOT NULL trade_id", 2, tx_id="tx-1", remaining_quantity=1.0)
    trade = row("core.trades", "jarvis.trades", "NOT NULL symbol", "t 1", tx_signature="tx-1", symbol=None)

    assert "the row of jarvis.trades with tx_signature 'tx-1' is in quarantine too" == causes.cause_of(
        lot, [lot, trade]
    )
    first, *others = causes.remedies(lot, [lot, trade])
    assert "let that row in: migrator quarantine explain 'jarvis.trades:t 1'" == first
    assert not [remedy for remedy in others if "make = " in remedy]


def test_an_order_without_a_position_is_named_by_its_position():
    order = {
        kind: row("core.treasury_orders", "jarvis.treasury_orders", "NOT NULL symbol", "o1", order_id="o1", order_json=f'{{"type": "{kind}"}}')
        for kind in ("TAKE_PROFIT", "STOP_LOSS", "MARKET")
    }  # fmt: skip

    named = {
        kind: re.findall(r"set = \{ (\w+) = \"o1\" }", " ".join(causes.remedies(one))) for kind, one in order.items()
    }

    both = ["tp_order_id", "sl_order_id"]
    assert {"TAKE_PROFIT": both[:1], "STOP_LOSS": both[1:], "MARKET": both} == named


#: Values that a placeholder can stand for, where any text does not do.
VALUES = {
    **dict.fromkeys(("amount_sol", "amount_tokens", "price", "quantity", "total_cost", "remaining_quantity"), 1.0),
    **dict.fromkeys(("cost_per_unit", "adjusted_cost_basis"), 1.0),
    **dict.fromkeys(("timestamp", "purchase_date"), "2026-01-23T11:59:59+00:00"),
    "symbol": "HZMADE",
    "token_mint": "EGXjjPzUribA7EYCoVoVx4Mce1afYWZ8nEszPPBbh7vx",
    "side": "buy",
    "order_json": "{}",
}


def filled(line, paths):
    """Return the decision *line* of ``explain`` as a configuration, with a value for each placeholder."""
    source = re.match(r'table = "([^"]+)"', line)[1]
    database, _, table = source.partition(".")
    decided = re.search(r"was = \{ (\w+) = \.\.\. }", line)
    if ", key = ..." in line:
        with closing(sqlite3.connect(paths[database])) as legacy:
            found = f"SELECT id, {decided[1] if decided else 'NULL'} FROM {table} WHERE id <> '' LIMIT 1"
            key, was = legacy.execute(found).fetchone()
        line = line.replace(", key = ...", f', key = "{"new" if "make = " in line else key}"')
        if decided:
            line = line.replace(decided[0], f"was = {toml_cells.inline_table({decided[1]: was})}")
    line = re.sub(
        r"(\w+) = \.\.\.", lambda found: f"{found[1]} = {toml_cells.cell(VALUES.get(found[1], 'other'))}", line
    )
    return f"[decisions]\nrows = [ {{ {line} }} ]\n"


def test_plan_accepts_each_decision_that_explain_prints(data, rows, copies, tmp_path):
    configuration = config_file.load(data / "migrator.toml")
    planned = pipeline_migrate.plan(Workspace(data), configuration)
    paths = {database.known_as: database.path for database in planned.inventory.databases}
    kinds = set()
    for one in rows:
        explained = next(
            each
            for each in listing.explained(rows, f"{one.source}:{one.digest_handle}", copies).rows
            if each.broken == one.broken
        )
        printed = [*explained.remedies, explained.leaving_out]
        lines = [line.partition("[[decisions.rows]]: ")[2] for line in printed if "[[decisions.rows]]" in line]
        assert lines, explained
        assert not any("drop" in remedy for remedy in explained.remedies)
        for line in lines:
            kinds.add(re.search(r" (set|keep|make|drop) = ", line)[1])
            (tmp_path / "decided.toml").write_text(filled(line.partition("; leave out")[0], paths), encoding="utf-8")
            decided = config_file.load(tmp_path / "decided.toml").rows
            settled, refusals = quarantine_decisions.settled(decided, planned.tables, paths)
            assert (1, ()) == (len(settled), refusals)
    assert {"set", "keep", "make", "drop"} == kinds


def test_a_second_open_position_is_explained_under_the_amendment_too():
    broken = "UNIQUE token_address WHERE status = 'open'"
    second = row(broken=broken, symbol="BONK", status="open", opened_at="")

    assert "another row has the same token_address, both with status = 'open'" == causes.cause(second)
    assert [
        "close one of the two open positions in jarvis.db",
        'a decision in migrator.toml, [[decisions.rows]]: table = "jarvis.positions", key = "k", keep = true',
    ] == list(causes.remedies(second))


@pytest.mark.parametrize(
    ("made", "money"),
    [
        (row(status="open"), "open position"),
        (row(status="OPEN"), "open position"),
        (row(status=None), "open position"),
        (row(status="sunk"), "open position"),
        (row(status="closed_tp"), ""),
        (row(status="failed"), ""),
        (row("core.treasury_orders", "jarvis.treasury_orders", order_json='{"status": "ACTIVE"}'), "active order"),
        (row("core.treasury_orders", "jarvis.treasury_orders", order_json='{"status": "COMPLETED"}'), ""),
        (row("core.treasury_orders", "jarvis.treasury_orders", order_json="no JSON"), "active order"),
        (row("core.treasury_orders", "jarvis.treasury_orders", order_json={"b": "7b7d"}), "active order"),
        (row("core.treasury_orders", "treasury_trades.treasury_orders", status="filled"), ""),
        (row("core.tax_lots", "tax.tax_lots", remaining_quantity=0.5), "unsold lot"),
        (row("core.tax_lots", "tax.tax_lots", remaining_quantity=0.0), ""),
        (row("core.tax_lots", "tax.tax_lots", remaining_quantity="much"), "unsold lot"),
        (row("core.tax_lots", "tax.tax_lots", disposal_date=None), "unsold lot"),
        (row("analytics.tweets", "jarvis_x_memory.tweets", status="open"), ""),
    ],
)
def test_what_may_still_be_open_is_at_stake(made, money):
    assert money == made.money


def test_an_unknown_key_is_a_usage_error_with_the_nearest_one(rows, copies):
    known = next(one.name for one in rows if one.source == "jarvis.positions" and len(one.name) == 8)

    with pytest.raises(UsageError, match="no quarantined row has the key") as raised:
        listing.explained(rows, f"{known[:-1]}_", copies)

    assert raised.value.hint.startswith("did you mean ")


@pytest.mark.parametrize("ending", ["csv", "json", "db"])
def test_an_export_holds_every_row_and_is_for_its_owner_alone(rows, tmp_path, ending):
    path = tmp_path / f"rows.{ending}"

    written = export.export(rows, path)

    assert (len(rows), 0o600) == (written.rows, stat.S_IMODE(path.stat().st_mode))
    assert [path] == list(tmp_path.iterdir())
    wanted = sorted(json.dumps(dict(one.cells), sort_keys=True) for one in rows)
    if ending == "json":
        assert wanted == sorted(json.dumps(one["row"], sort_keys=True) for one in json.loads(path.read_text()))
    elif ending == "db":
        found = 0
        with closing(sqlite3.connect(path)) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                rows_there = connection.execute(f'SELECT * FROM "{table}"').fetchall()
                of_table = [one for one in rows if one.source.replace(".", "_", 1) == table]
                cells = [tuple(map(sql_functions.value_of, one.cells.values())) for one in of_table]
                assert cells == [one[len(export.ABOUT) :] for one in rows_there]
                found += len(rows_there)
        assert len(rows) == found
    else:
        with path.open(encoding="utf-8", newline="") as file:
            read = list(csv.DictReader(file))
        assert len(rows) == len(read)
        assert [(one.source, one.name, one.broken) for one in rows] == [
            (one["source"], one["legacy_key"], one["broken"]) for one in read
        ]
        symbols = [one.cells.get("symbol") for one in rows]
        assert ["" if symbol is None else symbol for symbol in symbols] == [one["legacy symbol"] for one in read]


def test_a_text_that_a_spreadsheet_would_run_is_written_as_text(tmp_path):
    export.export([row(symbol="=HYPERLINK(1)", notes="@x", amount=-1.5)], tmp_path / "rows.csv")

    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        _, first = csv.reader(file)
    assert ["'=HYPERLINK(1)", "'@x", "-1.5"] == first[len(export.ABOUT) :]


@pytest.mark.parametrize(
    ("name", "message"),
    [("rows.xlsx", "is not a form of export"), ("there.csv", "exists already"), ("no/rows.csv", "no such folder")],
)
def test_an_export_overwrites_nothing_and_needs_a_known_form(tmp_path, name, message):
    (tmp_path / "there.csv").write_text("mine", encoding="utf-8")

    with pytest.raises(UsageError, match=message):
        export.export([], tmp_path / name)

    assert "mine" == (tmp_path / "there.csv").read_text(encoding="utf-8")


def test_the_command_lists_explains_and_exports(data, rows, tmp_path):
    text = run(data, "list")
    assert text.startswith(f"{len(rows):,} rows in quarantine, of ")
    assert "and " in text
    assert "more (--all)" in text
    assert f"migrator quarantine explain --data-dir {data} KEY" in text
    every = run(data, "list", "--all")
    assert "more (--all)" not in every
    assert all(one.name in every for one in rows)
    told = json.loads(run(data, "list", "--json"))
    assert ("quarantine list", len(rows)) == (told["verb"], told["result"]["rows"])
    position = next(one for one in rows if one.broken == "UNIQUE token_address")
    assert "was kept" in run(data, "explain", position.name)
    assert f"{len(rows):,} rows in {tmp_path / 'all.db'}" in run(data, "export", str(tmp_path / "all.db"))


def test_without_a_build_there_is_nothing_to_list(tmp_path):
    with pytest.raises(Refused, match="there is no finished build"):
        pipeline_quarantine.listed(Workspace(tmp_path))


@pytest.mark.slow
def test_after_a_cutover_the_set_in_use_is_read(tmp_path):
    data = tmp_path / "data"
    generator.make(data, seed=7, rows=60, dirty=True, wal=False)
    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")
    pipeline_migrate.migrate(workspace, configuration, data / "migrator.toml")
    accepted_quarantine.accept(data)
    before = pipeline_quarantine.listed(workspace)
    switchover.cutover(workspace, configuration, execute=True)
    with closing(sqlite3.connect(data / "jarvis_core.db")) as core, core:
        core.execute("DELETE FROM quarantine WHERE source = 'jarvis.positions'")

    after = pipeline_quarantine.listed(workspace)

    gone = sum(group.rows for group in before.groups if group.source == "jarvis.positions")
    assert before.rows - gone == after.rows < before.rows


def test_what_explain_would_make_or_name_lets_rows_in(data, rows, tmp_path):
    """A made trade and a made lot have every cell without which their tables refuse them; a named order has its position."""
    lot = next(one for one in rows if one.broken == "NOT NULL trade_id" and one.value("tx_id"))
    sale = next(one for one in rows if one.broken == "FOREIGN KEY replacement_lot_id")
    order = next(one for one in rows if one.broken == "NOT NULL symbol" and one.target == "core.treasury_orders")
    configured = config_file.load(data / "migrator.toml")
    planned = pipeline_migrate.plan(Workspace(data), configured)
    paths = {database.known_as: database.path for database in planned.inventory.databases}
    with closing(sqlite3.connect(paths["tax"])) as tax:
        tax.execute("ATTACH ? AS jarvis", (str(paths["jarvis"]),))
        (unsold,) = tax.execute(
            "SELECT tx_signature FROM jarvis.trades WHERE tx_signature <> '' AND id NOT NULL AND side = 'buy'"
            " AND tx_signature NOT IN (SELECT tx_id FROM tax_lots WHERE tx_id NOT NULL)"
        ).fetchone()
    text = (data / "migrator.toml").read_text(encoding="utf-8")
    for one, kind in ((lot, "make = "), (sale, "make = "), (order, "order_id = ")):
        (line,) = (
            remedy.partition("[[decisions.rows]]: ")[2] for remedy in causes.remedies(one, rows) if kind in remedy
        )
        line = line.replace("tx_id = ...", f'tx_id = "{unsold}"')
        decided = filled(line, paths).partition("rows = [ { ")[2].rpartition(" } ]")[0]
        text += "\n[[decisions.rows]]\n" + re.sub(r", (?=(?:key|set|was|make) = )", "\n", decided) + "\n"
    (tmp_path / "decided.toml").write_text(text, encoding="utf-8")

    done = pipeline_migrate.plan(Workspace(data), config_file.load(tmp_path / "decided.toml"), count=True)

    assert () == done.refusals
    assert done.let_in >= 2
