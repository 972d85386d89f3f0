"""The contracts on a backup, a cutover and a rollback hold where these were made, and catch what is planted in them."""

import json
import os
import shutil
from contextlib import closing
from pathlib import Path

import accepted_quarantine
import pytest

import contracts
from contracts.specimens import generator
from migrator.config import config_file
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.pipeline import switchover
from migrator.records.observer import Observer
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.inventory.stage import inventory
from migrator.switch.workspace import Workspace
from migrator.system import connections

pytestmark = pytest.mark.slow

CONTRACTS = Path(contracts.__file__).parent


@pytest.fixture(name="lives", scope="module")
def _lives(tmp_path_factory):
    """One dirty set at three moments of its life: built, cut over, rolled back after a row was written."""
    top = tmp_path_factory.mktemp("lives")
    home = top / "home"
    generator.make(home / "data", seed=7, rows=300, dirty=True, wal=True)
    workspace, configuration = Workspace(home / "data"), config_file.load(home / "data" / "migrator.toml")
    verified = pipeline_migrate.migrate(workspace, configuration, home / "data" / "migrator.toml").verified
    assert () == verified.broken
    accepted_quarantine.accept(home / "data")
    shutil.copytree(home, top / "built", symlinks=True)
    snapshot = backup_stage.latest(workspace.backups, read_back=inventory)
    wanted = cutover_stage.prepare(pipeline_migrate.plan(workspace, configuration), snapshot, home / ".env")
    cutover_stage.cutover(wanted, snapshot, observer=Observer())
    shutil.copytree(home, top / "cut", symlinks=True)
    run(home / "data" / "jarvis_core.db", "UPDATE trades SET price = price * 2 WHERE id = (SELECT max(id) FROM trades)")
    switchover.rollback(workspace, configuration, execute=True)
    shutil.copytree(home, top / "back", symlinks=True)
    return top


@pytest.fixture(name="data")
def _data(request, lives, tmp_path):
    """The data directory of a copy of the set at the moment that the test asks for."""
    return shutil.copytree(lives / request.param, tmp_path / "home", symlinks=True) / "data"


def at(moment, values=None):
    """Ask for the set at a *moment*, once for each of *values*."""
    if values is None:
        return pytest.mark.parametrize("data", [moment], indirect=True)
    cases = [pytest.param(moment, *value, id=name) for name, *value in values]
    return pytest.mark.parametrize(("data", "deed", "contract", "mentions"), cases, indirect=["data"])


def run(path, *statements):
    with closing(connections.scratch(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def judge(pytester, folder, *asked):
    """Run the contracts of a folder; return the message of each that failed by its name, and the names of those skipped."""
    sets = [str(CONTRACTS / folder), *asked, "--import-mode=importlib", "-p", "no:cacheprovider"]
    passed, skipped, failed = pytester.inline_run(*sets).listoutcomes()
    assert passed or failed, "no contract ran"
    return {name_of(one): one.longreprtext for one in failed}, {name_of(one) for one in skipped}


def name_of(report):
    return report.nodeid.rpartition("::")[2].partition("[")[0]


def snapshot_of(data):
    """Judge the snapshot beside what was built of it, as migrate does."""
    return (
        *("--legacy-dir", str(data / "backup" / "0001"), "--contracts-config", str(data / "migrator.toml")),
        *("--consolidated-dir", str(data / ".migrator" / "stage")),
    )


def both(data):
    """Judge the data directory itself beside what was built."""
    return "--legacy-dir", str(data), "--consolidated-dir", str(data / ".migrator" / "stage")


def in_use(data):
    """Judge what is in use after a cutover."""
    return "--legacy-dir", str(data / "backup" / "0001"), "--consolidated-dir", str(data)


def legacy(data):
    """Judge the legacy set after a rollback together with the three databases that were left behind."""
    return "--legacy-dir", str(data), "--consolidated-dir", str(data / "backup" / "0001" / "rolled-back")


@at("built")
def test_a_backup_holds(pytester, data):
    assert ({}, {"test_file_that_stands_alone_equals_its_backup"}) == judge(pytester, "3_backup", *snapshot_of(data))
    assert ({}, set()) == judge(pytester, "3_backup", *both(data))
    assert ({}, set()) == judge(pytester, "4_build/test_permissions.py", *snapshot_of(data))


@at("back")
def test_a_backup_holds_beside_what_two_rollbacks_have_kept(pytester, data):
    snapshot = data / "backup" / "0001"
    shutil.copytree(snapshot / "rolled-back", snapshot / "rolled-back-1")

    broken, _ = judge(pytester, "3_backup", *legacy(data), "-k", "manifest_says")

    assert {} == broken


def spoil(path):
    content = bytearray(path.read_bytes())
    content[4096:8192] = bytes(4096)
    path.write_bytes(content)


BACKUP_IS = "test_backup_is_what_its_manifest_says"


@at(
    "built",
    [
        ("row changed in the backup", lambda b: run(b / "raid_bot.db", "CREATE TABLE x (y)"), BACKUP_IS, "raid_bot.db: changed since the backup"),
        ("file gone from the backup", lambda b: (b / "tax.db").unlink(), BACKUP_IS, "tax.db: is missing"),
        ("stranger in the backup", lambda b: shutil.copy(b / "tax.db", b / "tax2.db"), BACKUP_IS, "tax2.db: is not in the manifest"),
        ("pages of the backup spoilt", lambda b: spoil(b / "telegram_memory.db"), BACKUP_IS, "telegram_memory.db: "),
        ("backup that all may read", lambda b: (b / "jarvis.db").chmod(0o644), "test_backup_is_for_its_owner_alone", "jarvis.db: 0644"),
        ("folder that all may list", lambda b: b.chmod(0o755), "test_backup_is_for_its_owner_alone", "0001: 0755"),
    ],
)  # fmt: skip
def test_a_fault_in_the_backup_is_caught(pytester, data, deed, contract, mentions):
    deed(data / "backup" / "0001")

    failed, _ = judge(pytester, "3_backup", *both(data), "-k", contract)

    assert [contract] == list(failed)
    assert mentions in failed[contract]


@at("built")
def test_a_file_that_stands_alone_and_changed_is_caught(pytester, data):
    run(data / "raid_bot.db", "CREATE TABLE late (x)", "INSERT INTO late VALUES (1)")

    failed, _ = judge(pytester, "3_backup", *both(data))

    assert ["test_file_that_stands_alone_equals_its_backup"] == list(failed)
    assert "raid_bot.db: late" in failed["test_file_that_stands_alone_equals_its_backup"]


@at("built")
def test_a_set_that_the_backup_does_not_migrate_to_is_caught(pytester, data):
    run(data / ".migrator" / "stage" / "jarvis_core.db", "UPDATE trades SET symbol = 'X' WHERE id = 1")

    failed, _ = judge(pytester, "3_backup", *both(data))

    assert ["test_backup_migrates_to_the_same_set"] == list(failed)
    assert "jarvis_core.db: trades" in failed["test_backup_migrates_to_the_same_set"]


@at("built")
def test_a_consolidated_database_that_more_people_may_read_is_caught(pytester, data):
    (data / ".migrator" / "stage" / "jarvis_core.db").chmod(0o640)

    failed, _ = judge(pytester, "4_build/test_permissions.py", *snapshot_of(data))

    assert ["test_access_is_no_wider_than_of_the_sources"] == list(failed)
    assert "jarvis_core.db is 0640: wider" in failed["test_access_is_no_wider_than_of_the_sources"]
    assert "alerts.db is 0600" in failed["test_access_is_no_wider_than_of_the_sources"]


@at("built")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to any group")
def test_after_a_cutover_the_permissions_of_the_originals_count_and_their_groups(pytester, data):
    snapshot, core = data / "backup" / "0001", data / ".migrator" / "stage" / "jarvis_core.db"
    for path in sorted(snapshot.rglob("*.db")):
        original = snapshot / "originals" / path.relative_to(snapshot)
        original.parent.mkdir(parents=True, exist_ok=True)
        original.touch()
        original.chmod(0o660)
        os.chown(original, -1, 71100)
    core.chmod(0o660)
    os.chown(core, -1, 71100)
    assert ({}, set()) == judge(pytester, "4_build/test_permissions.py", *snapshot_of(data))

    os.chown(core, -1, 71101)
    failed, _ = judge(pytester, "4_build/test_permissions.py", *snapshot_of(data))

    assert "alerts.db is 0660, group 71100" in failed["test_access_is_no_wider_than_of_the_sources"]


@at("built")
def test_without_a_switch_there_is_nothing_to_ask(pytester, data):
    failed, skipped = judge(pytester, "", *both(data), "-k", "6_cutover or 8_rollback or encoding_is_utf8")

    assert {} == failed
    assert {"test_every_name_leads_to_its_database", "test_every_name_is_its_own_file_again"} < skipped


@at("cut")
def test_a_cutover_holds(pytester, data):
    # What code finds through the legacy schema is compared before a cutover.
    assert ({}, REPLAYED) == judge(pytester, "6_cutover", *in_use(data))
    # The set in use differs from the snapshot sooner or later; its standalone files are not compared, and it is not migrated again.
    assert {} == judge(pytester, "3_backup", *in_use(data))[0]


def point(name, to):
    name.unlink()
    name.symlink_to(to)


REPLAYED = {"test_legacy_schema_has_every_row", "test_statement_does_the_same_through_the_legacy_schema"}
ORIGINALS, KEPT = "test_originals_are_what_was_migrated", "test_what_was_installed_is_kept"
LEADS = "test_every_name_leads_to_its_database"
ACCEPTED, LEFT = "test_quarantine_was_accepted_row_by_row", "test_a_row_leaves_the_quarantine_with_its_lineage"
RECORD = "backup/0001/consolidated/accepted.json"


def accepted_otherwise(data, change):
    """Change the rows of the record that the cutover kept; its digest is not judged."""
    record = json.loads((data / RECORD).read_text(encoding="utf-8"))
    change(record["rows"])
    (data / RECORD).write_text(json.dumps(record), encoding="utf-8")


def resolve(data, key, **cells):
    """Resolve a row of the set in use, as the command does."""
    return pipeline_quarantine.resolve(Workspace(data), key, cells)


#: The open position that no specified status lets in, and the statement that inserts a corrected copy of it.
BY_HAND = """
INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, entry_time, wallet_address)
SELECT row ->> 'symbol', row ->> 'token_mint', row ->> 'entry_price', row ->> 'entry_amount_tokens',
       row ->> 'entry_amount_sol', 'open', '2026-01-23 11:59:59', 'w'
FROM quarantine WHERE source = 'jarvis.positions' AND broken LIKE 'CHECK status%' ORDER BY legacy_key LIMIT 1
"""
GONE = """
DELETE FROM quarantine WHERE rowid = (
    SELECT rowid FROM quarantine WHERE source = 'jarvis.positions' AND broken LIKE 'CHECK status%' ORDER BY legacy_key LIMIT 1
)
"""
TWIN = """
INSERT INTO lineage (source, legacy_key, target, target_id)
SELECT source, legacy_key, target, (SELECT max(id) FROM positions) FROM quarantine
WHERE source = 'jarvis.positions' AND legacy_key IS NOT NULL LIMIT 1
"""


@at(
    "cut",
    [
        ("name that leads to another", lambda d: point(d / "tax.db", "jarvis_cache.db"), LEADS, "tax.db: leads to jarvis_cache.db"),
        ("name that is a file", lambda d: (d / "tax.db").unlink() or shutil.copy(d / "jarvis_core.db", d / "tax.db"), LEADS, "tax.db: is not a link"),
        ("name through the pointer", lambda d: point(d / "tax.db", ".migrator/active/tax.db"), LEADS, "tax.db: leads to"),
        ("database gone", lambda d: (d / "jarvis_cache.db").unlink(), LEADS, "which is not a file"),
        ("late write to an original", lambda d: run(d / "backup/0001/originals/tax.db", "CREATE TABLE late (x)"), ORIGINALS, "tax.db: differs from what was migrated"),
        ("original gone", lambda d: (d / "backup/0001/originals/tax.db").unlink(), ORIGINALS, "tax.db: is missing"),
        ("baseline written to", lambda d: run(d / "backup/0001/consolidated/jarvis_core.db", "DELETE FROM trades"), KEPT, "jarvis_core.db: differs from the evidence"),
        ("baseline gone", lambda d: (d / "backup/0001/consolidated/jarvis_core.db").unlink(), KEPT, "jarvis_core.db: is missing"),
        ("acceptance of other content", lambda d: accepted_otherwise(d, lambda rows: rows[0].update(content="0" * 64)), ACCEPTED, "not accepted with this content"),
        ("acceptance by another constraint", lambda d: accepted_otherwise(d, lambda rows: rows[0].update(broken="NOT NULL x")), ACCEPTED, "another constraint than NOT NULL x"),
        ("acceptance of another row", lambda d: accepted_otherwise(d, lambda rows: rows[0].update(key="swapped1")), ACCEPTED, "'swapped1': was accepted"),
        ("row without acceptance", lambda d: accepted_otherwise(d, lambda rows: rows.pop()), ACCEPTED, "not accepted with this content"),
        ("acceptance not kept", lambda d: (d / RECORD).unlink(), ACCEPTED, "accepted.json: is missing"),
        ("resolved row without lineage", lambda d: run(d / "jarvis_core.db", BY_HAND, GONE), LEFT, "left the quarantine, and no lineage leads to it"),
        ("row deleted from quarantine", lambda d: run(d / "jarvis_core.db", GONE), LEFT, "left the quarantine, and no lineage leads to it"),
        ("resolved row left in quarantine", lambda d: run(d / "jarvis_core.db", TWIN), LEFT, "is in quarantine and in its table"),
        ("flag unset", lambda d: (d.parent / ".env").write_text("USE_CONSOLIDATED_DBS=false\n"), "test_flag_says_that_the_new_set_is_in_use", "expected: True"),
        ("tree left", lambda d: (d / ".migrator/legacy").mkdir(), "test_nothing_is_left_half_way", ".migrator/legacy"),
    ],
)  # fmt: skip
def test_a_fault_of_a_cutover_is_caught(pytester, data, deed, contract, mentions):
    deed(data)

    failed, _ = judge(pytester, "6_cutover", *in_use(data))

    assert contract in failed
    assert mentions in failed[contract]


@at("back")
def test_a_rollback_holds(pytester, data):
    assert ({}, set()) == judge(pytester, "8_rollback", *legacy(data))


def in_the_past(path, *statements):
    """Write to a file without a change of its time stamp."""
    status = path.stat()
    run(path, *statements)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


AS_IT_WAS = "test_legacy_is_what_it_was_and_what_was_written"


@at(
    "back",
    [
        ("name that is a link", lambda d: point(d / "custom.db", "backup/0001/originals/custom.db"), "test_every_name_is_its_own_file_again", "custom.db: is not a file"),
        ("database still there", lambda d: shutil.copy(d / "backup/0001/rolled-back/jarvis_core.db", d), "test_every_name_is_its_own_file_again", "jarvis_core.db: still has its name"),
        ("database not kept", lambda d: (d / "backup/0001/rolled-back/jarvis_core.db").unlink(), "test_every_name_is_its_own_file_again", "jarvis_core.db: is not kept"),
        ("row lost", lambda d: in_the_past(d / "tax.db", "DELETE FROM tax_lots WHERE id = (SELECT max(id) FROM tax_lots)"), AS_IT_WAS, "is missing, but no row that it became was deleted"),
        ("carried row lost", lambda d: in_the_past(d / "tax.db", "DELETE FROM sales"), AS_IT_WAS, "tax.sales: "),
        ("written row not carried back", lambda d: shutil.copy(d / "backup/0001/originals/jarvis.db", d / "jarvis.db") and os.utime(d / "jarvis.db", (0, 0)), AS_IT_WAS, "does not become the row that was in use"),
        ("journal mode changed", lambda d: run(d / "tax.db", "PRAGMA journal_mode = WAL"), "test_journal_modes_are_what_they_were", "tax.db: was delete, is wal"),
        ("mode changed", lambda d: (d / "tax.db").chmod(0o666), "test_permissions_are_what_they_were", "tax.db: was"),
        ("flag set", lambda d: (d.parent / ".env").write_text("USE_CONSOLIDATED_DBS=true\n"), "test_flag_says_that_the_old_set_is_in_use", "expected: False"),
        ("pointer left", lambda d: (d / ".migrator/active").symlink_to("new"), "test_nothing_is_left_half_way", "the pointer leads to new"),
    ],
)  # fmt: skip
def test_a_fault_of_a_rollback_is_caught(pytester, data, deed, contract, mentions):
    deed(data)

    failed, _ = judge(pytester, "8_rollback", *legacy(data))

    assert contract in failed
    assert mentions in failed[contract]


@at("back")
def test_what_was_written_after_a_rollback_is_its_owners_own(pytester, data):
    run(data / "tax.db", "DELETE FROM tax_lots")

    assert {} == judge(pytester, "8_rollback", *legacy(data), "-k", AS_IT_WAS)[0]
