"""Quarantined rows are accepted by content: another row, a changed one or a missing one is refused by name."""

import json
import shutil
import sqlite3
import stat
from contextlib import closing

import accepted_quarantine
import pytest
from click.testing import CliRunner

from contracts.specimens import generator
from migrator.cli import app
from migrator.config import config_file
from migrator.errors import EvidenceError, Refused, UsageError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import preconditions, status, switchover
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.quarantine import acceptance
from migrator.quarantine.rows import QuarantinedRow
from migrator.switch.workspace import Workspace

#: Three open positions that no specified status lets in.
SWAPPED_IN = """
INSERT INTO positions (id, symbol, token_mint, entry_price, entry_amount_sol, entry_amount_tokens, status, opened_at)
VALUES ('swapped1', 'NEW1', 'NewMint1', 1.0, 1.0, 1.0, 'opening', '2026-01-01T00:00:00+00:00'),
       ('swapped2', 'NEW2', 'NewMint2', 1.0, 1.0, 1.0, 'opening', '2026-01-01T00:00:00+00:00'),
       ('swapped3', 'NEW3', 'NewMint3', 1.0, 1.0, 1.0, 'opening', '2026-01-01T00:00:00+00:00')
"""


def run(data, *arguments):
    return CliRunner().invoke(app.cli, [*arguments, "--data-dir", str(data)])


def row(key="k", broken="NOT NULL symbol", source="jarvis.positions", target="core.positions", **cells):
    return QuarantinedRow(source=source, key=key, target=target, broken=broken, cells=cells)


CLOSED, OPEN = {"status": "closed"}, {"status": "open"}


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    data = tmp_path_factory.mktemp("built") / "data"
    generator.make(data, seed=7, rows=300, dirty=True, wal=True)
    rebuilt(data)
    return data


@pytest.fixture(name="data")
def _data(built, tmp_path):
    return shutil.copytree(built, tmp_path / "data")


def rebuilt(data):
    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")
    pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace)
    pipeline_migrate.build(workspace, configuration)


def refused(data):
    """Return what a cutover would say about the quarantine."""
    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")
    reasons = switchover.plan_cutover(workspace, configuration).shown.refusals
    return [one for one in reasons if "accepted" in one.removeprefix(str(data.parent))]


def test_each_kind_of_difference_is_told_by_its_row():
    before = [row("same", **CLOSED), row("cell", **CLOSED), row("cause", **CLOSED), row("gone", **OPEN)]
    accepted = tuple(map(acceptance.entry, before))
    now = [row("same", **CLOSED), row("cell", **OPEN), row("cause", "UNIQUE symbol", **CLOSED), row("new", **CLOSED)]

    unlike = acceptance.difference(now, accepted)

    assert ["new"] == [one.key for one in unlike.came]
    assert ["cell", "cause"] == [one.key for one in unlike.changed], "money first"
    assert ["gone"] == [one.key for one in unlike.went]
    assert not acceptance.difference(reversed(before), accepted)
    summary, *each = acceptance.sentences(now, accepted)
    assert summary.startswith("3 of 4 quarantined rows are not accepted")
    assert summary.endswith("migrator quarantine accept jarvis.positions:cell")
    assert [
        "jarvis.positions cell has changed since it was accepted: open position",
        "jarvis.positions gone was accepted, and is gone: open position",
    ] == each[:2]
    assert [
        "jarvis.positions cause has changed since it was accepted",
        "jarvis.positions new is not accepted",
    ] == each[2:]


def test_rows_are_told_apart_by_storage_class_and_number():
    accepted = [acceptance.entry(row(None, "NOT NULL id", id=None, symbol="A", status="closed"))]
    (twin, again) = (row(None, "NOT NULL id", id=None, symbol="A", status="closed") for _ in range(2))
    real = row("7", symbol=1.0, **CLOSED)

    assert 1 == len(acceptance.difference([twin, again], accepted).came)
    assert acceptance.entry(real) != acceptance.entry(row("7", symbol=1, **CLOSED))
    assert acceptance.entry(real) == acceptance.entry(row("7", status="closed", symbol=1.0)), (
        "whatever the order of columns"
    )
    assert twin.handle.startswith("#")
    assert twin.is_meant(f"jarvis.positions:{twin.handle}")


def test_money_is_accepted_by_key_and_stays_accepted_while_the_row_is_the_same():
    rows = [row("closed", **CLOSED), row("a", **OPEN), row("b", **OPEN)]

    accepted, needed = acceptance.accept(rows, (), ())
    assert (["closed"], ["a", "b"]) == ([one.key for one in accepted], [one.key for one in needed])
    accepted, needed = acceptance.accept(rows, ["a"], accepted)
    assert ["b"] == [one.key for one in needed]
    accepted, needed = acceptance.accept(rows, ["jarvis.positions:b"], accepted)
    assert ((), ()) == (needed, tuple(acceptance.sentences(rows, accepted)))
    rows[1] = row("a", status="open", symbol="changed")
    accepted, needed = acceptance.accept(rows, (), accepted)
    assert (["closed", "b"], ["a"]) == ([one.key for one in accepted], [one.key for one in needed])


def test_a_key_that_names_no_row_or_rows_of_two_tables_is_an_error():
    rows = [row("7", **OPEN), row("7", source="jarvis.trades", target="core.trades"), row("9cad64e4", **OPEN)]

    with pytest.raises(
        UsageError, match=r"several legacy tables; name one or more of jarvis.positions:7, jarvis.trades:7"
    ):
        acceptance.accept(rows, ["7"], ())
    with pytest.raises(UsageError, match="did you mean 9cad64e4"):
        acceptance.accept(rows, ["9cad64e5"], ())


@pytest.mark.parametrize("others", [(b"\xab", "ab"), (5, "5"), ("\udcff", r"\xff")])
def test_a_key_that_names_rows_of_several_keys_accepts_none_of_them(others):
    rows = [row(key, status="open", id=cell) for key, cell in zip(others, ("one", "other"), strict=True)]
    name = rows[0].handle
    assert name == rows[1].handle

    with pytest.raises(UsageError, match="names rows with several keys") as refused:
        acceptance.accept(rows, [f"jarvis.positions:{name}"], ())
    handles = sorted(f"jarvis.positions:{one.digest_handle}" for one in rows)
    assert f"name one or more of {', '.join(handles)}" == refused.value.hint
    accepted, needed = acceptance.accept(rows, handles[:1], ())
    assert (1, 1) == (len(accepted), len(needed))


def test_the_record_holds_no_cell_but_keys_and_is_its_owners_alone(data):
    done = accepted_quarantine.accept(data)
    written = done.path.read_text(encoding="utf-8")
    rows = pipeline_quarantine.rows(Workspace(data))

    assert 0o600 == stat.S_IMODE(done.path.stat().st_mode)
    assert {"source", "key", "broken", "money", "content"} == {
        name for one in json.loads(written)["rows"] for name in one
    }
    counted = sum(sum(causes.values()) for causes in json.loads(written)["causes"].values())
    assert len(rows) == counted == done.accepted > 100
    assert tuple(sorted(map(acceptance.entry, rows), key=str)) == tuple(sorted(acceptance.read(done.path), key=str))
    assert [] == refused(data)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("open position", ""),
        lambda text: text.replace('"key": "', '"key": "x', 1),
        lambda text: text[:-40],
        lambda _: "[]",
        lambda _: "{}",
    ],
)
def test_a_record_that_was_changed_accepts_nothing(data, spoil):
    record = accepted_quarantine.accept(data).path
    record.write_text(spoil(record.read_text(encoding="utf-8")), encoding="utf-8")

    with pytest.raises(EvidenceError, match="delete it, then run: migrator quarantine accept"):
        acceptance.read(record)
    (reason,) = refused(data)
    assert str(record) in reason


def test_accepting_without_keys_names_the_rows_that_need_theirs(data):
    assert ["109 of 109 quarantined rows are not accepted"] == [one.partition(";")[0] for one in refused(data)]
    said = run(data, "quarantine", "accept")
    listed = run(data, "quarantine", "list", "--keys").stdout.splitlines()

    assert 0 == said.exit_code, said.output
    assert f"{109 - len(listed)} of 109 rows in quarantine are accepted" in said.stdout
    assert len(listed) > 30
    for name in listed:
        assert f"  {name}: " in said.stdout
    reason, *each = refused(data)
    assert len(listed) == len(each)
    assert f"{len(listed)} of 109 quarantined rows are not accepted" in reason
    assert reason.endswith(f"migrator quarantine accept (it lists the {len(listed)} rows that are accepted by key)")


def test_keys_are_accepted_one_by_one_and_from_a_file(data, tmp_path):
    assert 109 == status.status(Workspace(data), config_file.load(data / "migrator.toml")).unaccepted
    first, *others = run(data, "quarantine", "list", "--keys").stdout.splitlines()
    (tmp_path / "keys.txt").write_text("\n".join(others) + "\n\n", encoding="utf-8")

    one = run(data, "quarantine", "accept", first, "--json")
    assert len(others) == len(json.loads(one.stdout)["result"]["needed"])
    every = run(data, "quarantine", "accept", "--keys", str(tmp_path / "keys.txt"))
    assert "109 of 109 rows in quarantine are accepted" in every.stdout
    assert 0 == status.status(Workspace(data), config_file.load(data / "migrator.toml")).unaccepted
    assert [] == refused(data)


@pytest.mark.slow
def test_the_same_rows_stay_accepted_and_a_changed_one_is_refused_alone(data):
    accepted_quarantine.accept(data)
    rebuilt(data)
    assert [] == refused(data)

    with closing(sqlite3.connect(data / "jarvis.db")) as legacy:
        row = next(one for one in pipeline_quarantine.rows(Workspace(data)) if one.money == "open position" and one.key)
        legacy.execute("UPDATE positions SET entry_price = entry_price + 1 WHERE id = ?", (row.key,))
        legacy.commit()
    rebuilt(data)

    summary, changed = refused(data)
    assert summary.startswith("1 of 109 quarantined rows are not accepted")
    assert f"jarvis.positions {row.key} has changed since it was accepted: open position" == changed


def test_rows_are_accepted_before_a_cutover_only(data):
    shutil.rmtree(data / ".migrator" / "stage")

    with pytest.raises(Refused, match="no finished build"):
        pipeline_quarantine.accept(Workspace(data))


@pytest.mark.slow
def test_open_positions_swapped_in_at_equal_count_stop_the_catching_up(tmp_path):
    data = tmp_path / "data"
    generator.make(data, seed=7, rows=300, dirty=True, wal=True)
    migrated = run(data, "migrate")
    assert 0 == migrated.exit_code, migrated.output
    accepted_quarantine.accept(data)
    before = pipeline_quarantine.rows(Workspace(data))
    calls = [one.key for one in before if one.source == "call_tracking.calls" and one.key and not one.money][:3]
    with closing(sqlite3.connect(next(data.rglob("call_tracking.db")))) as legacy:
        legacy.executemany("DELETE FROM calls WHERE id = ?", [(key,) for key in calls])
        legacy.commit()
    with closing(sqlite3.connect(data / "jarvis.db")) as legacy:
        legacy.execute(SWAPPED_IN)
        legacy.commit()

    said = run(data, "cutover", "--execute", "--catch-up")

    assert len(before) == len(pipeline_quarantine.rows(Workspace(data)))
    assert 3 == said.exit_code, said.output
    told = [one.removeprefix("refused: ") for one in said.stdout.splitlines() if one.startswith("refused: ")]
    assert told[0].startswith(f"3 of {len(before)} quarantined rows are not accepted")
    assert [f"jarvis.positions swapped{n} is not accepted: open position" for n in (1, 2, 3)] == told[1:4]
    assert sorted(f"call_tracking.calls {key} was accepted, and is gone" for key in calls) == sorted(told[4:])
    assert preconditions.quarantine_is_accepted in preconditions.RENEWED
