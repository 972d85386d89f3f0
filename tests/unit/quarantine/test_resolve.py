"""A row that is resolved after the cutover is in its table with its lineage, is seen once, and comes back once in a rollback."""

import json
import re
import shutil
import sqlite3
from collections import Counter
from contextlib import closing

import cut_over_set
import pytest
import small_set
from click.testing import CliRunner

from migrator.application.compat.connection import POOL
from migrator.cli import app
from migrator.errors import Refused, UsageError
from migrator.mapping import reader as mapping_reader
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.pipeline import status as pipeline_status
from migrator.schema import catalogue
from migrator.switch.workspace import Workspace
from migrator.system import connections, content_digest

OTHER_TOKEN = {"symbol": "OTHER", "token_address": "OtherMint"}
IN_STATUS = "CHECK status IN ('open', 'closed', 'partial')"


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    """A dirty set of every legacy database after its cutover."""
    home = tmp_path_factory.mktemp("cut-over")
    cut_over_set.make(home, rows=300)
    return home


@pytest.fixture(name="home")
def _home(made, tmp_path):
    home = shutil.copytree(made, tmp_path / "home", symlinks=True)
    relocate(made, home)
    return home


def relocate(made, home):
    """Have the record and the links of the switch in the copy *home* lead to the copy."""
    record = home / "data" / ".migrator" / "switch.json"
    record.write_text(record.read_text().replace(str(made), str(home)))
    for path in (home / "data").rglob("*"):
        if path.is_symlink() and str(made) in str(path.readlink()):
            leads_to = str(path.readlink()).replace(str(made), str(home))
            path.unlink()
            path.symlink_to(leads_to)


def resolve(home, key, **cells):
    return pipeline_quarantine.resolve(Workspace(home / "data"), key, cells)


def quarantined(home):
    return {f"{row.source}:{row.handle}": row for row in pipeline_quarantine.rows(Workspace(home / "data"))}


def key_of(home, source, broken, **cells):
    """Return the key of the first quarantined row of *source* that breaks *broken*."""
    for row in quarantined(home).values():
        if (row.source, row.broken) == (source, broken) and all(
            row.value(name) == cell for name, cell in cells.items()
        ):
            return row.handle
    raise LookupError(source, broken, cells)


def target_of(home, target):
    return sqlite3.connect(home / "data" / catalogue.TARGETS[target], isolation_level=None)


def everything(home):
    """Return the digest of each of the three databases."""
    digests = []
    for target in catalogue.TARGETS:
        with closing(connections.read(home / "data" / catalogue.TARGETS[target])) as connection:
            digests.append(content_digest.digest(connections.lenient(connection)))
    return digests


def legacy_rows(home, database, table):
    """Return the rows of a legacy table in the original, or after a rollback in the legacy file."""
    last = small_set.last_switch(home)
    (name,) = (name for name in last.names if name.database == database)
    path = last.originals / name.place if last.kind == "cutover" else name.path
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        columns = [column for _, column, *_ in connection.execute(f"PRAGMA table_info({table})")]
        columns = [column.decode() for column in columns]
        return Counter(tuple(zip(columns, row, strict=True)) for row in connection.execute(f"SELECT * FROM {table}"))


def shown(home, database, table, where="1", columns="*"):
    """Return the rows of a legacy table as code that was not rewritten sees them."""
    try:
        with closing(cut_over_set.compat(home / "data", database)) as connection:
            return connection.execute(f"SELECT {columns} FROM {table} WHERE {where}").fetchall()
    finally:
        # A rollback waits for idle connections of this process too.
        POOL.clear()


def test_the_row_is_in_its_table_with_lineage_is_seen_once_and_comes_back_once(home):
    before = legacy_rows(home, "jarvis", "positions")
    many = len(shown(home, "jarvis", "positions"))
    key = key_of(home, "jarvis.positions", IN_STATUS)

    done = resolve(home, key, status="open")

    assert ("jarvis.positions", key, "core.positions", ("status",)) == (done.source, done.key, done.target, done.cells)
    with closing(target_of(home, "core")) as core:
        assert [(int(done.ids[0]),)] == core.execute(
            "SELECT id FROM positions WHERE status = 'open' AND id = (SELECT target_id FROM lineage"
            " WHERE source = 'jarvis.positions' AND legacy_key = ? AND target = 'positions')",
            (key,),
        ).fetchall()
        assert [] == core.execute("PRAGMA foreign_key_check").fetchall()
    assert f"jarvis.positions:{key}" not in quarantined(home)
    assert many == len(shown(home, "jarvis", "positions"))
    assert [(key, "open")] == shown(home, "jarvis", "positions", f"id = '{key}'", "id, status")
    small_set.roll_back(home)
    after = legacy_rows(home, "jarvis", "positions")
    ((was, _),) = (before - after).items()
    ((now, _),) = (after - before).items()
    assert {"status"} == {name for (name, cell), (_, other) in zip(was, now, strict=True) if cell != other}
    assert b"open" == dict(now)["status"]


def test_a_row_whose_competitor_is_gone_fits_as_it_is(home):
    before = legacy_rows(home, "jarvis", "trades")
    key = key_of(home, "jarvis.trades", "UNIQUE signature")
    with pytest.raises(Refused, match="another row has the same signature") as refused:
        resolve(home, key)
    assert "was kept" in str(refused.value)
    signature = quarantined(home)[f"jarvis.trades:{key}"].value("tx_signature")
    with closing(target_of(home, "core")) as core:
        (gone,) = core.execute(
            "SELECT legacy_key FROM lineage WHERE target = 'trades' AND target_id ="
            " (SELECT id FROM trades WHERE signature = ?)",
            (signature,),
        ).fetchone()
        assert 1 == core.execute("DELETE FROM trades WHERE signature = ?", (signature,)).rowcount

    done = resolve(home, key)

    assert () == done.cells
    assert [(signature,)] == shown(home, "jarvis", "trades", f"id = '{key}'", "tx_signature")
    small_set.roll_back(home)
    ((was, _),) = (before - legacy_rows(home, "jarvis", "trades")).items()
    assert gone.encode() == dict(was)["id"]
    assert not legacy_rows(home, "jarvis", "trades") - before


def test_a_row_fits_once_its_parent_is_there_and_lets_in_what_waited_for_it(home):
    """A lot names a trade by its signature; a wash sale waits for the lot."""
    key = key_of(home, "tax.tax_lots", "NOT NULL trade_id")
    with closing(target_of(home, "core")) as core:
        (trade,) = core.execute(
            "SELECT signature FROM trades WHERE signature IS NOT NULL ORDER BY id LIMIT 1"
        ).fetchone()
    waiting = [name for name, row in quarantined(home).items() if row.source == "tax.wash_sales"]

    done = resolve(home, f"tax.tax_lots:{key}", tx_id=trade)

    assert set(done.also) <= set(waiting)
    assert not {f"tax.tax_lots:{key}", *done.also} & set(quarantined(home))
    before = legacy_rows(home, "tax", "tax_lots")
    small_set.roll_back(home)
    after = legacy_rows(home, "tax", "tax_lots")
    assert (1, 1) == ((before - after).total(), (after - before).total())


def test_a_row_without_a_key_gets_one(home):
    before = legacy_rows(home, "jarvis", "positions")
    key = key_of(home, "jarvis.positions", "NOT NULL id")
    with pytest.raises(UsageError, match="--set id=VALUE"):
        resolve(home, key, status="open")

    done = resolve(home, key, id="mended01")

    assert "mended01" == done.key
    assert 1 == len(shown(home, "jarvis", "positions", "id = 'mended01'"))
    small_set.roll_back(home)
    after = legacy_rows(home, "jarvis", "positions")
    ((was, _),) = (before - after).items()
    ((now, _),) = (after - before).items()
    assert dict(was) | {"id": b"mended01"} == dict(now)


def test_cells_get_the_types_of_the_legacy_table(home):
    done = resolve(home, f"jarvis_memory.entities:{key_of(home, 'jarvis_memory.entities', 'UNIQUE name')}", name="7")
    with closing(target_of(home, "analytics")) as analytics:
        assert [("7",)] == analytics.execute("SELECT name FROM ai_entities WHERE id = ?", done.ids).fetchall()
    key = key_of(home, "sentiment.sentiment_readings", "CHECK score >= 0.0 AND score <= 100.0")
    with pytest.raises(Refused, match=r"NOT NULL constraint failed: sentiment_readings\.score; nothing was changed"):
        resolve(home, f"sentiment.sentiment_readings:{key}", score="NULL")
    done = resolve(home, f"sentiment.sentiment_readings:{key}", score="0")
    with closing(target_of(home, "analytics")) as analytics:
        assert [("real",)] == analytics.execute(
            "SELECT typeof(score) FROM sentiment_readings WHERE id = ?", done.ids
        ).fetchall()


def test_a_row_that_would_displace_another_stays_where_it_is(home):
    key = next(
        row.handle
        for row in quarantined(home).values()
        if (row.source, row.broken, row.money) == ("jarvis.positions", "UNIQUE token_address", "")
    )
    before = everything(home)

    with pytest.raises(Refused, match=r"would displace jarvis\.positions:\w+, which would go to quarantine"):
        resolve(home, key, status="open", opened_at="2027-01-01T00:00:00+00:00")

    assert before == everything(home)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "error", "sentence"),
    [
        ({}, Refused, "does not fit into core.positions: status is none of open, closed, partial"),
        ({"status": "closing"}, Refused, "status is 'closing'; nothing was changed"),
        ({"statu": "open"}, UsageError, "did you mean status"),
        ({"id": "other"}, UsageError, "id names the row"),
        ({"status": "open", "symbol": "NULL"}, Refused, "NOT NULL constraint failed"),
    ],
)
def test_what_does_not_fit_changes_nothing(home, cells, error, sentence):
    key = key_of(home, "jarvis.positions", IN_STATUS)
    before = everything(home)

    with pytest.raises(error, match=sentence) as refused:
        resolve(home, key, **cells)

    assert before == everything(home)
    # No cell is in the log of the run.
    assert (error is Refused) == (refused.value.logged is not None)
    assert "closing" not in (refused.value.logged or "")


@pytest.mark.slow
def test_a_row_is_resolved_while_the_bot_writes(home):
    """The write lock is waited for; what the bot wrote meanwhile counts."""
    key = key_of(home, "jarvis.positions", "NOT NULL status")
    with closing(target_of(home, "core")) as bot:
        bot.execute("BEGIN IMMEDIATE")
        bot.execute("UPDATE positions SET notes = 'written meanwhile'")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            resolve(home, key, status="open")
        bot.execute("COMMIT")
        resolve(home, key, status="open")
        assert [("written meanwhile",), (None,)] == bot.execute(
            "SELECT DISTINCT notes FROM positions ORDER BY id"
        ).fetchall()


def test_rows_are_resolved_one_at_a_time_and_once(home):
    key = key_of(home, "jarvis.positions", "NOT NULL status")
    resolve(home, key, status="open")

    with pytest.raises(UsageError, match="no quarantined row has the key"):
        resolve(home, key, status="open")
    with pytest.raises(UsageError, match="resolve one at a time: "):
        resolve(home, "4")


def test_before_a_cutover_the_legacy_file_is_to_be_corrected(home):
    small_set.roll_back(home)

    with pytest.raises(Refused, match="correct the row in its legacy file"):
        resolve(home, "4")


def test_the_rows_of_a_legacy_table_are_in_one_consolidated_database():
    """One transaction of one file moves a row: it never spans two databases."""
    homes = {}
    for mapping in mapping_reader.mappings():
        homes.setdefault((mapping.database, mapping.source_table), set()).add(mapping.target)

    assert [] == [source for source, targets in homes.items() if len(targets) != 1]


# ---------------------------------------------------------------- by plain SQL, without lineage


def insert_by_hand(home, key, *, delete=True, **other):
    """Insert the open position that the quarantined row *key* means, as a person would; *delete* it from quarantine."""
    row = quarantined(home)[f"jarvis.positions:{key}"]
    cells = {
        "symbol": row.value("symbol"),
        "token_address": row.value("token_mint"),
        "entry_price": row.value("entry_price"),
        "amount": row.value("entry_amount_tokens"),
        "amount_sol": row.value("entry_amount_sol"),
        "entry_time": str(row.value("opened_at"))[:19].replace("T", " "),
        "status": "open",
        "wallet_address": "the wallet",
        **other,
    }
    with closing(target_of(home, "core")) as core:
        places = ", ".join("?" * len(cells))
        core.execute(f"INSERT INTO positions ({', '.join(cells)}) VALUES ({places})", list(cells.values()))
        if delete:
            core.execute("DELETE FROM quarantine WHERE source = 'jarvis.positions' AND legacy_key = ?", (key,))
    return row


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen through the legacy schema"])
@pytest.mark.parametrize("delete", [True, False], ids=["deleted", "left in quarantine"])
def test_a_row_that_was_moved_by_hand_comes_back_once(home, delete, seen):
    before = legacy_rows(home, "jarvis", "positions")
    row = insert_by_hand(home, key_of(home, "jarvis.positions", IN_STATUS), delete=delete)
    if seen:
        rows = shown(home, "jarvis", "positions", f"symbol = '{row.value('symbol')}'", "status, tp_order_id")
        assert [("open", row.value("tp_order_id") if not delete else "")] == rows
        # A reader writes nothing.
        assert (f"jarvis.positions:{row.handle}" in quarantined(home)) is not delete

    small_set.roll_back(home)

    after = legacy_rows(home, "jarvis", "positions")
    ((was, _),) = (before - after).items()
    ((now, _),) = (after - before).items()
    assert row.key.encode() == dict(was)["id"] == dict(now)["id"]
    assert b"open" == dict(now)["status"]
    changed = {name for (name, cell), (_, other) in zip(was, now, strict=True) if cell != other}
    assert changed == {"status", "opened_at"}, "a cell that the new row lacks stays"


def test_a_row_whose_time_was_corrected_too_is_known_when_it_left_the_quarantine(home):
    before = legacy_rows(home, "jarvis", "positions")
    insert_by_hand(home, key_of(home, "jarvis.positions", IN_STATUS), entry_time="2026-03-03 00:00:00")

    small_set.roll_back(home)

    after = legacy_rows(home, "jarvis", "positions")
    assert (1, 1) == ((before - after).total(), (after - before).total())


def test_a_row_that_may_be_the_deleted_one_goes_to_the_residue_with_a_word(home):
    before = legacy_rows(home, "jarvis", "positions")
    key = key_of(home, "jarvis.positions", IN_STATUS)
    insert_by_hand(home, key, entry_time="2026-03-03 00:00:00", entry_price=9.0, amount=1.0, amount_sol=1.0)

    done = small_set.roll_back(home)

    assert before == legacy_rows(home, "jarvis", "positions")
    assert {"core.positions": 1} == done.residue
    with closing(sqlite3.connect(small_set.last_switch(home).left_behind / "residue.db")) as residue:
        (why,) = residue.execute("SELECT * FROM core_positions").fetchone()[:1]
    assert f"it may be jarvis.positions {key}, which was deleted from quarantine" in why
    assert "jarvis.positions: 1 rows were deleted from quarantine and not moved" in " ".join(done.findings)


@pytest.mark.parametrize("seen", [False, True])
def test_another_row_of_the_same_numbers_is_not_taken_for_a_quarantined_one(home, seen):
    """Two tokens may have been bought at one second for one price: only their names tell them apart."""
    before = legacy_rows(home, "jarvis", "positions")
    key = key_of(home, "jarvis.positions", IN_STATUS)
    insert_by_hand(home, key, delete=False, **OTHER_TOKEN)
    if seen:
        assert 1 == len(shown(home, "jarvis", "positions", f"id = '{key}'"))

    small_set.roll_back(home)

    after = legacy_rows(home, "jarvis", "positions")
    ((now, _),) = (after - before).items()
    assert (0, b"OTHER") == ((before - after).total(), dict(now)["symbol"])


def test_the_command_says_where_the_row_is(home):
    key = key_of(home, "jarvis.positions", "NOT NULL status")
    arguments = ["quarantine", "resolve", "--data-dir", str(home / "data"), key]

    for cells, sentence in (
        (["status"], "expected COLUMN=VALUE"),
        (["status=open", "status=closed"], "--set status: status is set twice"),
        (["symbol=\udcff"], "--set symbol: is not UTF-8"),
    ):
        settings = [word for cell in cells for word in ("--set", cell)]
        wrong = CliRunner().invoke(app.cli, [*arguments, *settings])
        assert isinstance(wrong.exception, UsageError), wrong.output
        assert sentence in str(wrong.exception)
    refused = CliRunner().invoke(app.cli, arguments)
    assert isinstance(refused.exception, Refused)
    done = CliRunner().invoke(app.cli, [*arguments, "--set", "status=open", "--json"])
    assert 0 == done.exit_code, done.output
    told = json.loads(done.stdout)
    assert ("quarantine resolve", key, ["status"]) == (told["verb"], told["result"]["key"], told["result"]["cells"])


def test_explain_names_the_command_that_lets_a_row_into_the_set_in_use(home):
    """No file and no decision is read again after a cutover; each command has what it needs but for the values."""
    workspace = Workspace(home / "data")
    for name, row in quarantined(home).items():
        for explained in pipeline_quarantine.explained(workspace, name).rows:
            text = " ".join(explained.remedies)
            assert "migrator quarantine " in text, explained
            assert not re.search(r"migrator\.toml|decisions|\w\.db\b", f"{text}{explained.leaving_out}"), explained
            for command in re.findall(r"migrator quarantine resolve .+? --set .*?(?=;|$)", text):
                columns = re.findall(r"--set (\w+)=VALUE", command)
                assert columns
                assert set(columns) <= row.cells.keys()
    key = key_of(home, "jarvis.positions", IN_STATUS)

    (explained,) = pipeline_quarantine.explained(workspace, key).rows

    command = f"migrator quarantine resolve {key} --set status=VALUE"
    words = "; the words that it may have: migrator explain jarvis.positions.status"
    assert (f"{command}{words}",) == explained.remedies
    resolve(home, key, status="closed")


def test_status_counts_the_quarantine_of_the_set_in_use(home):
    place = small_set.workspace_of(home)
    before = pipeline_status.status(*place).quarantined
    assert before == len(quarantined(home)) > 0

    resolve(home, key_of(home, "jarvis.positions", IN_STATUS), status="closed")

    assert len(quarantined(home)) == pipeline_status.status(*place).quarantined < before


def test_a_lot_comes_in_by_itself_when_its_trade_is_written_through_a_legacy_name(home):
    lot = quarantined(home)[f"tax.tax_lots:{key_of(home, 'tax.tax_lots', 'NOT NULL trade_id')}"]
    (explained,) = pipeline_quarantine.explained(Workspace(home / "data"), f"{lot.source}:{lot.handle}").rows
    assert "if the bot writes that through a legacy name, the row may come in by itself" in explained.remedies[0]

    with closing(cut_over_set.compat(home / "data", "jarvis")) as bot, bot:
        bot.execute(
            "INSERT INTO trades (id, symbol, token_mint, side, amount_sol, amount_tokens, price, timestamp, tx_signature)"
            " VALUES ('made', 'HZMADE', 'EGXjjPzUribA7EYCoVoVx4Mce1afYWZ8nEszPPBbh7vx', 'buy', 1.0, 1.0, 1.0,"
            " '2026-01-23T11:59:59+00:00', ?)",
            (lot.value("tx_id"),),
        )

    assert f"{lot.source}:{lot.handle}" not in quarantined(home)
