"""The judge of a rollback: silent on a right one, and it names what each wrong one did, planted in the databases alone.

Each case is what was written to the consolidated set in use, and what a rollback made of it in a legacy file and in the residue.
"""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass

import pytest
import small_set

from contracts.checks import finished_rollback
from contracts.specimens import generator
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.switch.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(name="life", scope="module")
def _life(tmp_path_factory):
    """A dirty set that was cut over and rolled back, and nothing was written in between."""
    home = tmp_path_factory.mktemp("life")
    generator.make(home / "data", seed=7, rows=120, dirty=True)
    run(home / "data" / "jarvis_memory.db", "UPDATE reflections SET what_happened = 'a story'")
    run(
        home / "data" / "jarvis_memory.db",
        "INSERT INTO facts (entity, fact, confidence, source, learned_at)"
        " VALUES ('only here', 'f', 0.5, 's', '2026-01-17T10:00:00+00:00')",
    )
    small_set.build(home)
    small_set.cut_over(home)
    small_set.roll_back(home)
    return home


@pytest.fixture(name="home")
def _home(life, tmp_path):
    return shutil.copytree(life, tmp_path / "home", symlinks=True)


def run(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            before = connection.total_changes
            connection.execute(statement)
            assert connection.total_changes > before or not statement.startswith(("INSERT", "UPDATE", "DELETE")), (
                statement
            )


def judged(home, tmp_path):
    made = small_set.last_switch(home)
    # The switch keeps absolute paths of where it was made.
    made = small_set.moved(made, home / "data")
    scratch = tmp_path / "judging"
    scratch.mkdir(exist_ok=True)
    return list(finished_rollback.faults(made, scratch))


@dataclass
class Case:
    """What was written to a consolidated database, and what of it is where after a rollback.

    Attributes:
        used: The consolidated database, and what was written to it.
        legacy: The legacy file, and what a rollback wrote to it.
        residue: Rows in use that lie in the residue: consolidated table and condition.
        says: The judge's message for a wrong rollback; None for a right one.
    """

    used: tuple[str, ...] = ("jarvis_core.db",)
    legacy: tuple[str, ...] = ("jarvis.db",)
    residue: tuple[str, str] = ("", "")
    says: str | None = None


PRICE = "price = 7.25 WHERE tx_signature = (SELECT max(tx_signature) FROM trades)"
TRADE = (
    "jarvis_core.db",
    "UPDATE trades SET price = 7.25 WHERE signature = (SELECT max(signature) FROM trades)",
)
NEW_TRADE = (
    "jarvis_core.db",
    (
        "INSERT INTO trades (id, direction, symbol, token_address, amount, amount_sol, price, status, signature, timestamp)"
        " VALUES (5000, 'buy', 'ZZ', 'mint', 1.0, 2.0, 3.0, 'confirmed', 'new', '2026-02-01 10:00:00.000000')"
    ),
)
LEGACY_TRADE = (
    "INSERT INTO trades (id, symbol, token_mint, side, amount_sol, amount_tokens, price, timestamp, tx_signature, position_id,"
    " user_id) VALUES ('{}', 'ZZ', 'mint', 'buy', 2.0, 1.0, 3.0, '2026-02-01T10:00:00+00:00', 'new', '', 0)"
)
SEVERAL = "(SELECT min(legacy_key) FROM lineage WHERE source = 'metrics.metrics_1h')"
METRIC = (
    "jarvis_analytics.db",
    (
        "UPDATE metrics SET timestamp = '2026-02-01 10:00:00' WHERE metric_name = 'total_requests' AND id IN"
        f" (SELECT target_id FROM lineage WHERE source = 'metrics.metrics_1h' AND legacy_key = {SEVERAL})"
    ),
)
LOT = ("jarvis_core.db", "UPDATE tax_lots SET quantity = quantity + 1 WHERE id = 1")
REFLECTION = (
    "jarvis_analytics.db",
    "DELETE FROM ai_reflections WHERE rowid = (SELECT max(rowid) FROM ai_reflections)",
    (
        "INSERT INTO ai_reflections (rowid, content, timestamp) SELECT coalesce(max(rowid), 0) + 1,"
        " 'okapi' || char(10, 10) || 'quagga' || char(10, 10) || 'zanzibar', '2026-02-01 10:00:00' FROM ai_reflections"
    ),
)
STUB = "(SELECT id FROM ai_entities WHERE name = 'only here')"
ALERT_SAYS = "(id, title, message, severity, source, status, created_at) VALUES ('new', 't', 'm', 'low', 's', 'open', '2026-02-01')"
ALERT = (
    "jarvis_core.db",
    f"INSERT INTO legacy_alerts_alerts {ALERT_SAYS}",
)
LEGACY_ALERT = f"INSERT INTO alerts {ALERT_SAYS}"

CASES = {
    "row changed": Case(TRADE, ("jarvis.db", f"UPDATE trades SET {PRICE}")),
    "row changed, not carried back": Case(TRADE, ("jarvis.db",), says="is in no legacy table and not in the residue"),
    "row changed, in the residue": Case(TRADE, ("jarvis.db",), ("core.trades", "price = 7.25")),
    "row changed, in the residue and in the legacy table": Case(
        TRADE, ("jarvis.db", f"UPDATE trades SET {PRICE}"), ("core.trades", "price = 7.25"),
        says="is in the residue and in a legacy table",
    ),
    "another cell changed too": Case(
        TRADE, ("jarvis.db", f"UPDATE trades SET user_id = 77, {PRICE}"), says="user_id changed, which the change in use does not concern"
    ),
    "row that was not in use in the residue": Case(
        residue=("core.trades", "id = (SELECT min(id) FROM trades)"), says="is in the residue and in a legacy table"
    ),
    "row lost": Case(
        legacy=("tax.db", "DELETE FROM tax_lots WHERE id = (SELECT max(id) FROM tax_lots)"),
        says="is missing, but no row that it became was deleted",
    ),
    "quarantined row lost": Case(legacy=("jarvis.db", "DELETE FROM positions"), says="jarvis.positions"),
    "row altered": Case(
        legacy=("telegram_memory.db", "UPDATE messages SET content = content || ' ' WHERE id = (SELECT min(id) FROM messages)"),
        says="content changed, but no row that it became did",
    ),
    "cell that rest alone keeps altered": Case(
        legacy=("whales.db", "UPDATE whale_movements SET value_usd = 1.5 WHERE id = (SELECT min(id) FROM whale_movements WHERE token_symbol = 'SOL')"),
        says="value_usd changed, but no row that it became did",
    ),
    "row deleted": Case(
        ("jarvis_analytics.db", "DELETE FROM llm_costs WHERE id = (SELECT max(id) FROM llm_costs)"),
        ("llm_costs.db", "DELETE FROM llm_usage WHERE id = (SELECT max(id) FROM llm_usage)"),
    ),
    "deleted row comes back": Case(
        ("jarvis_analytics.db", "DELETE FROM llm_costs WHERE id = (SELECT max(id) FROM llm_costs)"), ("llm_costs.db",),
        says="each row that it became was deleted, but it exists",
    ),
    "new row": Case(NEW_TRADE, ("jarvis.db", LEGACY_TRADE.format("abcdef01"))),
    "new row doubled": Case(
        NEW_TRADE, ("jarvis.db", LEGACY_TRADE.format("abcdef01"), LEGACY_TRADE.format("abcdef02").replace("'new'", "''")),
        says="is new, but no row in use explains it",
    ),
    "new row lost": Case(NEW_TRADE, says="is in no legacy table and not in the residue"),
    "new row with the time of another spelling": Case(
        (NEW_TRADE[0], NEW_TRADE[1].replace("10:00:00.000000", "10:00:00+00:00").replace("2026-02-01 ", "2026-02-01T")),
        ("jarvis.db", LEGACY_TRADE.format("abcdef01")),
    ),
    "time zone doubled": Case(
        (NEW_TRADE[0], NEW_TRADE[1].replace("10:00:00.000000", "10:00:00+00:00").replace("2026-02-01 ", "2026-02-01T")),
        ("jarvis.db", LEGACY_TRADE.format("abcdef01").replace("+00:00", "+00:00+00:00")),
        says="is in no legacy table and not in the residue",
    ),
    "one part changed, the legacy row as it was": Case(METRIC, ("metrics.db",), ("analytics.metrics", "timestamp = '2026-02-01 10:00:00'")),
    "one part changed, the others with it": Case(
        METRIC,
        ("metrics.db", "UPDATE metrics_1h SET timestamp = '2026-02-01T10:00:00+00:00' WHERE id = (SELECT min(id) FROM metrics_1h)"),
        says="no longer agrees with the others",
    ),
    "lot corrected": Case(
        LOT, ("tax.db", "UPDATE tax_lots SET quantity = quantity + 1 WHERE id = 1"), ("core.tax_lots", "id = 1")
    ),
    "lot corrected and unsold by it": Case(
        LOT, ("tax.db", "UPDATE tax_lots SET quantity = quantity + 1, remaining_quantity = quantity + 1 WHERE id = 1"),
        ("core.tax_lots", "id = 1"),
        says="remaining_quantity changed, which the change in use does not concern",
    ),
    "number of a deleted reflection given to another": Case(
        REFLECTION,
        ("jarvis_memory.db", "DELETE FROM reflections WHERE id = (SELECT max(id) FROM reflections)",
         "INSERT INTO reflections (trigger, lesson, new_approach, created_at) VALUES ('okapi', 'quagga', 'zanzibar', '2026-02-01T10:00:00+00:00')",
         "INSERT INTO reflections_fts(reflections_fts) VALUES ('rebuild')"),
    ),
    "story of a deleted reflection told of another": Case(
        REFLECTION,
        ("jarvis_memory.db", ("UPDATE reflections SET trigger = 'okapi', lesson = 'quagga', new_approach = 'zanzibar',"
         " created_at = '2026-02-01T10:00:00+00:00' WHERE id = (SELECT max(id) FROM reflections)")),
        says="has the key of a deleted row, and its what_happened",
    ),
    "last fact of an entity that only facts name deleted": Case(
        ("jarvis_analytics.db", f"DELETE FROM ai_facts WHERE entity_id = {STUB}"),
        ("jarvis_memory.db", "DELETE FROM facts WHERE entity = 'only here'"),
    ),
    "an entity that only facts name was changed, and its last fact deleted": Case(
        (
            "jarvis_analytics.db",
            f"UPDATE ai_entities SET description = 'seen' WHERE id = {STUB}",
            f"DELETE FROM ai_facts WHERE entity_id = {STUB}",
        ),
        ("jarvis_memory.db", "DELETE FROM facts WHERE entity = 'only here'"),
        says="is in no legacy table and not in the residue",
    ),
    "fact of an entity that only facts name lost": Case(
        legacy=("jarvis_memory.db", "DELETE FROM facts WHERE entity = 'only here'"),
        says="is in no legacy table and not in the residue",
    ),
    "a table was dropped while it was in use": Case(("jarvis_core.db", "DROP TABLE scorecard")),
    "a table was dropped while it was in use, and its legacy rows are lost": Case(
        ("jarvis_core.db", "DROP TABLE scorecard"),
        ("jarvis.db", "DELETE FROM scorecard"),
        says="jarvis.scorecard: its rows changed, but core.scorecard was dropped or altered",
    ),
    "a trigger needs a function of the application": Case(
        (
            "jarvis_core.db",
            "CREATE TRIGGER told AFTER UPDATE ON trades BEGIN SELECT app_only(new.id); END",
            "CREATE TRIGGER spoils AFTER UPDATE ON positions BEGIN DELETE FROM trades; END",
        ),
    ),
    "carried table renamed in other letters": Case(
        (
            "jarvis_core.db",
            "ALTER TABLE legacy_alerts_alerts RENAME TO other",
            "ALTER TABLE other RENAME TO LEGACY_Alerts_Alerts",
            ALERT[1],
        ),
        ("alerts.db", LEGACY_ALERT),
    ),
    "carried row": Case(ALERT, ("alerts.db", LEGACY_ALERT)),
    "carried row in the residue": Case(ALERT, ("alerts.db",), ("core.legacy_alerts_alerts", "id = 'new'")),
    "carried row lost": Case(ALERT, ("alerts.db",), says="alerts.alerts: 1 of "),
    "carried rows deleted": Case(legacy=("tax.db", "DELETE FROM sales"), says="tax.sales: "),
    "carried row doubled": Case(
        legacy=("alerts.db", LEGACY_ALERT), says="alerts.alerts: 1 rows were not in use"
    ),
    "storage class of a carried cell changed": Case(
        legacy=("jarvis.db", "UPDATE pick_performance SET symbol = CAST(symbol AS BLOB) WHERE typeof(symbol) = 'text'"),
        says="jarvis.pick_performance",
    ),
    "mark lowered": Case(
        legacy=("jarvis.db", "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'pick_performance'"),
        says="jarvis.pick_performance: ids up to",
    ),
    "mark of the table in use forgotten": Case(
        ("jarvis_core.db", "UPDATE sqlite_sequence SET seq = 9000 WHERE name = 'legacy_tax_sales'"),
        says="tax.sales: ids up to 9000 were assigned",
    ),
    "rowids of carried rows changed": Case(
        legacy=("alerts.db", "UPDATE alerts SET rowid = rowid + 100"), says="alerts.alerts: "
    ),
    "carried row with another rowid than in use": Case(
        ALERT, ("alerts.db", LEGACY_ALERT, "UPDATE alerts SET rowid = rowid + 5 WHERE id = 'new'"),
        says="alerts.alerts: 1 rows have another rowid",
    ),
    "full-text index emptied": Case(
        legacy=("jarvis_memory.db", "INSERT INTO facts_fts(facts_fts) VALUES ('delete-all')"),
        says="jarvis_memory.facts_fts: the full-text index does not fit its rows",
    ),
    "full-text index built anew": Case(
        legacy=("jarvis_memory.db", "INSERT INTO facts_fts(facts_fts) VALUES ('rebuild')"),
    ),
    "full-text index of a changed row not built anew": Case(
        ("jarvis_analytics.db", "UPDATE ai_facts SET fact = 'okapi' WHERE id = (SELECT min(id) FROM ai_facts)"),
        ("jarvis_memory.db", "DROP TRIGGER facts_au", "UPDATE facts SET fact = 'okapi' WHERE id = (SELECT min(id) FROM facts)"),
        says="jarvis_memory.facts_fts: the full-text index does not fit its rows",
    ),
    "index dropped": Case(legacy=("jarvis.db", "DROP INDEX idx_positions_status"), says="the declaration of index idx_positions_status changed"),
    "user_version lost": Case(legacy=("jarvis.db", "PRAGMA user_version = 77"), says="user_version was"),
}  # fmt: skip


def keep(home, table, where):
    """Put rows in use into the residue, as a rollback does."""
    target, _, name = table.partition(".")
    folder = home / "data" / "backup" / "0001" / "rolled-back"
    with closing(sqlite3.connect(folder / "residue.db")) as connection:
        connection.execute("ATTACH ? AS used", (str(folder / f"jarvis_{target}.db"),))
        made = f"CREATE TABLE {target}_{name} AS SELECT 'why' AS why, * FROM used.{name} WHERE {where}"
        connection.execute(made)
        assert connection.execute(f"SELECT count(*) FROM {target}_{name}").fetchone() == (1,)


@pytest.mark.parametrize("name", CASES)
def test_a_rollback_is_judged_by_what_was_in_use(home, tmp_path, name):
    case = CASES[name]
    run(home / "data" / "backup" / "0001" / "rolled-back" / case.used[0], *case.used[1:])
    run(home / "data" / case.legacy[0], *case.legacy[1:])
    if case.residue[0]:
        keep(home, *case.residue)

    found = judged(home, tmp_path)

    if case.says is None:
        assert [] == found
    else:
        assert any(case.says in one for one in found), found


def test_a_rollback_without_a_write_is_right(home, tmp_path):
    assert [] == judged(home, tmp_path)


@pytest.fixture(name="resolved", scope="module")
def _resolved(tmp_path_factory):
    """A dirty set in which a position, one without a key and an entity were resolved while it was in use, rolled back."""
    home = tmp_path_factory.mktemp("resolved")
    generator.make(home / "data", seed=7, rows=300, dirty=True)
    small_set.build(home)
    small_set.cut_over(home)
    workspace = Workspace(home / "data")
    rows = pipeline_quarantine.rows(workspace)
    for broken, cells in ((IN_STATUS, {"status": "open"}), ("NOT NULL id", {"id": "mended01"})):
        row = next(row for row in rows if (row.source, row.broken) == ("jarvis.positions", broken))
        pipeline_quarantine.resolve(workspace, f"{row.source}:{row.handle}", cells)
    entity = next(row for row in rows if (row.source, row.broken) == ("jarvis_memory.entities", "UNIQUE name"))
    pipeline_quarantine.resolve(workspace, f"{entity.source}:{entity.handle}", {"name": "Another"})
    small_set.roll_back(home)
    return home


IN_STATUS = "CHECK status IN ('open', 'closed', 'partial')"
#: The position that was resolved: its status was none of the specified ones, which are closed_* in a legacy table.
POSITION = (
    "id = (SELECT min(id) FROM was.positions WHERE status NOT LIKE 'closed%' AND status NOT IN ('open', 'failed', ''))"
)
AS_IT_WAS = f"UPDATE positions SET status = (SELECT w.status FROM was.positions AS w WHERE w.id = positions.id) WHERE {POSITION}"
AGAIN = f"INSERT INTO positions SELECT 'again001', {{}} FROM positions WHERE {POSITION}"
PLANTED = {
    "right": ((), None),
    "resolved row doubled under another key": ((AGAIN, AS_IT_WAS), "was resolved, but does not become the row that was in use"),
    "resolved row doubled, both corrected": ((AGAIN,), "is new, but no row in use explains it"),
    "resolved row as it was before": ((AS_IT_WAS,), "was resolved, but does not become the row that was in use"),
    "resolved row lost": ((f"DELETE FROM positions WHERE {POSITION}",), "is missing, though it was not deleted"),
    "another cell of a resolved row changed": (
        (f"UPDATE positions SET symbol = 'ZZ' WHERE {POSITION}",), "was resolved, but does not become the row that was in use",
    ),
    "row that is in quarantine still changed": (
        ("UPDATE positions SET symbol = 'ZZ' WHERE status IS NULL",), "changed, but it becomes no row that was in use",
    ),
    "row without a key that is in quarantine still lost": (("DELETE FROM positions WHERE id IS NULL",), "None: its "),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_resolved_rows_are_judged_by_the_lineage_in_use(resolved, tmp_path, name):
    home = shutil.copytree(resolved, tmp_path / "home", symlinks=True)
    deeds, says = PLANTED[name]
    with closing(sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)) as legacy:
        legacy.execute("ATTACH ? AS was", (str(home / "data" / "backup" / "0001" / "originals" / "jarvis.db"),))
        columns = [column for _, column, *_ in legacy.execute("PRAGMA table_info(positions)") if column != "id"]
        for deed in deeds:
            assert legacy.execute(deed.format(", ".join(columns))).rowcount > 0, deed

    found = judged(home, tmp_path)

    if says is None:
        assert [] == found
    else:
        assert any(says in one for one in found), found


def test_a_row_that_was_moved_by_hand_is_not_to_be_doubled(life, tmp_path):
    """Without lineage its copy is known by its cells."""
    home = shutil.copytree(life, tmp_path / "home", symlinks=True)
    left_behind = home / "data" / "backup" / "0001" / "rolled-back"
    where = "source = 'jarvis.trades' AND broken LIKE 'CHECK direction%' ORDER BY legacy_key LIMIT 1"
    with closing(sqlite3.connect(left_behind / "jarvis_core.db", isolation_level=None)) as core:
        (key,) = core.execute(f"SELECT legacy_key FROM quarantine WHERE {where}").fetchone()
        core.execute(
            "INSERT INTO trades (id, direction, symbol, token_address, amount, amount_sol, price, status, signature, timestamp)"
            " SELECT 5000, 'buy', row ->> 'symbol', row ->> 'token_mint', row ->> 'amount_tokens', row ->> 'amount_sol',"
            " row ->> 'price', 'confirmed', nullif(row ->> 'tx_signature', ''), replace(substr(row ->> 'timestamp', 1, 19), 'T', ' ')"
            " FROM quarantine WHERE source = 'jarvis.trades' AND legacy_key = ?",
            (key,),
        )
        core.execute("DELETE FROM quarantine WHERE source = 'jarvis.trades' AND legacy_key = ?", (key,))
    with closing(sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)) as legacy:
        columns = [
            column for _, column, *_ in legacy.execute("PRAGMA table_info(trades)") if column not in ("id", "side")
        ]
        names = ", ".join(columns)
        legacy.execute(
            f"INSERT INTO trades (id, side, {names}) SELECT 'again001', 'buy', {names} FROM trades WHERE id = ?", (key,)
        )

    found = judged(home, tmp_path)

    assert any("left the quarantine, and is there as it was beside a corrected copy" in one for one in found), found
