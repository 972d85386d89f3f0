"""``verify`` after a cutover judges the set in use, and leaves the evidence of the run alone."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
import small_set
from click.testing import CliRunner

from migrator.cli import app
from migrator.errors import SourceBusy
from migrator.pipeline import in_use
from migrator.stages.build import stage as build_stage
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify.evidence import ContractResult, Evidence, Outcome
from migrator.stages.verify.in_use import CHECKS
from migrator.switch import state as switch_state
from migrator.system import private_copy


def evidence_of(home):
    """Return evidence with one contract that holds, about the stage in *home*."""
    held = ContractResult(
        id="verify/no_legacy_row_is_lost", clause="conserved", verdict=Outcome.HELD, milliseconds=1, counts={}
    )
    return Evidence(
        made="2026-01-31T12:00:00Z", versions={}, legacy={"jarvis.db": "1"},
        consolidated=dict(build_stage.recorded(home / "data" / ".migrator" / "stage").digests), configuration="",
        amendments=(), decisions="", mappings="", suite="", contracts=(held,), deselected=0, waivers=(),
        quarantine={"core.positions": {"NOT NULL id": 2}, "core.trades": {"NOT NULL id": 1}}, complaints=(),
    )  # fmt: skip


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    """A set in use after a cutover, with evidence about what was installed."""
    home = small_set.make(tmp_path_factory.mktemp("in_use") / "home")
    verify_evidence.write(evidence_of(home), home / "data" / ".migrator" / "evidence.json")
    small_set.cut_over(home)
    return home


@pytest.fixture(name="home")
def _home(made, tmp_path):
    return small_set.copied(made, tmp_path / "home")


def verified(home):
    workspace, _ = small_set.workspace_of(home)
    with small_set.in_this_process():
        return in_use.verify(workspace, switch_state.cutover_in_use(home / "data"))


def changed(home, *statements, database="jarvis_core.db"):
    with closing(sqlite3.connect(home / "data" / database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def image(home):
    """Return path -> bytes of each file below *home* but the indexes of WALs, which SQLite makes at will."""
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and not path.name.endswith("-shm")}


def test_a_set_to_which_nothing_was_written_is_sound(home):
    found = verified(home)

    assert ((), {}, {}) == (found.broken, found.written, found.residue)
    assert found.judged[0].startswith("the set in use since the cutover of run 0001")


def test_what_was_written_since_is_counted_and_no_file_changes(home):
    changed(
        home,
        "UPDATE trades SET symbol = 'SOL' WHERE id = (SELECT min(id) FROM trades)",
        "INSERT INTO config (key, value) VALUES ('greeting', 'hello')",
        "CREATE INDEX own ON trades (symbol)",
    )
    before = image(home)

    with small_set.in_this_process():
        done = CliRunner().invoke(app.cli, ["verify", "--data-dir", str(home / "data")])

    assert 0 == done.exit_code, (done.output, done.exception)
    assert done.stdout.startswith("sound: the consolidated set of run 0001, which is in use\n")
    assert "written since the cutover: jarvis.trades 1 updated\n" in done.stdout
    assert "rows that no legacy table could hold after a rollback: core.config 1\n" in done.stdout
    assert [] == [
        path
        for path, content in image(home).items()
        if before.get(path) != content and path.name != "lock" and path.parent.name != "log"
    ]


def _evidence_of_others(home):
    path = home / "data" / "backup" / "0001" / "consolidated" / "evidence.json"
    written = verify_evidence.read(path)
    verify_evidence.write(replace(written, consolidated=dict(written.consolidated) | {"core": "0"}), path)


def _red_evidence(home):
    path = home / "data" / "backup" / "0001" / "consolidated" / "evidence.json"
    verify_evidence.write(replace(verify_evidence.read(path), complaints=("a complaint",)), path)


def _replaced_link(home):
    (home / "data" / "alerts.db").unlink()
    changed(home, "CREATE TABLE t (a)", database="alerts.db")


def _damaged_page(home):
    path = home / "data" / "jarvis_analytics.db"
    changed(home, "PRAGMA wal_checkpoint(TRUNCATE)", database=path.name)
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 5] = b"\x55" * 8192
    path.write_bytes(content)


#: Name of a check -> what it has to find, and the sentence.
FAULTS = {
    "installed_set_was_judged": [
        (_evidence_of_others, "is about another jarvis_core.db than the cutover installed"),
        (_red_evidence, "its verdict is NO-GO"),
        (lambda home: (home / "data/backup/0001/consolidated/evidence.json").unlink(), "does not exist; what the contracts"),
    ],
    "names_lead_to_the_set": [(_replaced_link, "alerts.db: does not lead to jarvis_core.db")],
    "flag_is_set": [(lambda home: (home / ".env").write_text("USE_CONSOLIDATED_DBS=false\n"), "USE_CONSOLIDATED_DBS is not true"),
        (lambda home: (home / ".env").write_bytes(b"\xff\xfeU"), ".env: "),
    ],
    "originals_are_untouched": [
        (lambda home: changed(home, "CREATE TABLE late (a)", database="backup/0001/originals/alerts.db"),
         "alerts.db: was written to after the cutover"),
        (lambda home: (home / "data/backup/0001/originals/alerts.db").unlink(), "alerts.db: is gone since the cutover"),
    ],
    "databases_are_sound": [
        (_damaged_page, "jarvis_analytics.db: "),
        (lambda home: (home / "data" / "jarvis_cache.db").write_bytes(b"x" * 5000), "jarvis_cache.db: cannot be read: "),
        (lambda home: changed(home, "PRAGMA ignore_check_constraints = ON", "UPDATE trades SET direction = 'hold'"),
         "CHECK constraint failed in trades"),
    ],
    "databases_can_be_copied": [
        (lambda home: (home / "data" / "jarvis_cache.db").write_bytes(b"x" * 5000), "jarvis_cache.db: could not be copied"),
    ],
    "references_hold": [
        (lambda home: changed(home, "UPDATE trades SET position_id = 999999"), "rows of trades refer to no row of positions"),
    ],
    "installed_objects_are_declared": [
        (lambda home: changed(home, "DROP INDEX idx_trades_timestamp"), 'index "idx_trades_timestamp" is gone since the cutover'),
        (lambda home: changed(home, "ALTER TABLE config ADD COLUMN own"), 'table "config" is declared otherwise than at the cutover'),
        (lambda home: (home / "data/backup/0001/consolidated/jarvis_cache.db").unlink(), "jarvis_cache.db: is gone or damaged"),
    ],
}  # fmt: skip


def test_each_check_has_a_fault():
    assert [check.__name__ for check in CHECKS] == list(FAULTS)
    assert [] == [check for check in CHECKS if not check.__doc__.startswith("Require ")]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        pytest.param(*fault, id=f"{check}-{number}")
        for check, faults in FAULTS.items()
        for number, fault in enumerate(faults)
    ],
)
def test_a_fault_is_found_by_its_check(home, fault, sentence):
    fault(home)

    found = verified(home)

    assert not found.holds
    assert sentence in "\n".join(found.broken)


def test_a_set_that_has_no_way_back_is_not_sound(home, monkeypatch):
    def failing(*_, **__):
        raise sqlite3.OperationalError("no such collation sequence: own")

    monkeypatch.setattr(in_use.rollback_stage, "tried", failing)

    (sentence,) = verified(home).broken

    assert sentence.startswith("a rollback would fail: no such collation sequence: own")


def test_a_database_that_changes_while_it_is_copied_is_not_called_sound(home, monkeypatch):
    copied, busy = private_copy.private_copy, [True]

    def busy_once(source, *arguments, **options):
        if source.name == "jarvis_core.db" and busy:
            busy.clear()
            raise SourceBusy("kept changing", where=source)
        return copied(source, *arguments, **options)

    monkeypatch.setattr(private_copy, "private_copy", busy_once)

    (sentence,) = verified(home).broken

    assert (
        "jarvis_core.db: could not be copied, so its references and declarations were not checked: kept changing"
        in sentence
    )
