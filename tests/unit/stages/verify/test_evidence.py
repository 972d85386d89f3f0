"""Evidence: it names what was judged, shows a change of itself, and does not hold for changed files."""

import dataclasses
import datetime as dt
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from contracts.specimens import generator
from migrator.config import config_file
from migrator.config.waivers import Waiver
from migrator.errors import EvidenceError, MigratorError, UsageError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import status as pipeline_status
from migrator.records.verify import BrokenContract
from migrator.schema import catalogue
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify import freshness
from migrator.stages.verify import stage as verify_stage
from migrator.stages.verify.evidence import ContractResult, Outcome, Why
from migrator.switch.workspace import Workspace

TODAY = dt.date(2026, 6, 1)
WAIVER = Waiver(id="verify/v", scope="core", reason="typed by hand", owner="trading lead", expires=dt.date(2026, 6, 1))


def said(clause, verdict=Outcome.HELD, **more):
    values = {"id": f"verify/{clause.lower()}[core]", "milliseconds": 12, "counts": {"judged_rows": 3}}
    return ContractResult(clause=clause, verdict=verdict, **values | more)


def green(**changed):
    """Return evidence that fits the files of :func:`there`."""
    values = {
        "made": "2026-05-31T12:00:00Z",
        "versions": {"migrator": "0", "python": "3", "sqlite": "3"},
        "legacy": {"jarvis.db": "aa", "tax.db": "bb"},
        "consolidated": {"core": "cc", "analytics": "dd", "cache": "ee"},
        "configuration": "ff",
        "amendments": ("position_history",),
        "decisions": "",
        "mappings": freshness.mappings_digest(),
        "suite": freshness.suite_digest(),
        "contracts": tuple(said(clause) for clause in freshness.clauses()),
        "deselected": 0,
        "waivers": (),
        "quarantine": {"core.positions": {"UNIQUE token_address": 5}},
        "complaints": (),
    }
    return verify_evidence.Evidence(**values | changed)


def there(**changed):
    values = {
        "legacy": {"jarvis.db": "aa", "tax.db": "bb"},
        "consolidated": {"core": "cc", "analytics": "dd", "cache": "ee"},
        "configuration": "ff",
    }
    return freshness.Present(**values | changed)


def written(tmp_path, text):
    path = tmp_path / "evidence.json"
    path.write_text(text, encoding="utf-8")
    return path


def resigned(text, change):
    """Return the file *text* after *change*, with a digest that matches: what a careful forger would leave."""
    body = json.loads(text)
    del body["sha256"]
    change(body)
    return verify_evidence._signed(body)


def test_what_is_written_is_read(tmp_path):
    made = green(waivers=(WAIVER,), contracts=(said("V1", Outcome.WAIVED), said("V2"), said("V3", Outcome.BROKEN)))
    path = tmp_path / "evidence.json"

    verify_evidence.write(made, path)

    assert made == verify_evidence.read(path)
    assert 0o600 == path.stat().st_mode & 0o777
    assert "NO-GO" == made.verdict


def test_the_text_is_canonical_and_its_own_digest_stands_last():
    text = verify_evidence.text(green())

    lines = text.splitlines()
    body = json.loads(text)
    assert lines[-2].startswith(' "sha256": "')
    assert sorted(body.keys() - {"sha256"}) == list(body)[:-1]
    assert verify_evidence.text(green()) == text
    assert "." not in [character for value in body["contracts"] for character in str(value["milliseconds"])]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda text: text.replace('"milliseconds": 12', '"milliseconds": 13', 1), "was changed after it was written"),
        (lambda text: text.replace('"aa"', '"ab"'), "was changed after it was written"),
        (lambda text: text.replace('"verdict": "held"', '"verdict":  "held"', 1), "was changed after it was written"),
        (lambda text: text + " ", "was changed after it was written"),
        (lambda text: text[:-200], "cannot be read as evidence"),
        (lambda _: "[]", "has no digest of its own"),
        (lambda _: "[" * 100_000, "cannot be read as evidence"),
        (lambda text: resigned(text, lambda body: body.update(schema=2)), "has the schema 2, 1 is known"),
        (
            lambda text: resigned(text, lambda body: body.update(verdict="NO-GO")),
            "holds the verdict NO-GO, but its contracts give GO",
        ),
        (lambda text: resigned(text, lambda body: body.update(more=1)), "does not have the fields of evidence"),
        (lambda text: resigned(text, lambda body: body.update(deselected=True)), "does not have the fields"),
        (lambda text: resigned(text, lambda body: body.update(deselected=0.0)), "does not have the fields"),
        (lambda text: resigned(text, lambda body: body.update(schema=True)), "does not have the fields"),
        (lambda text: resigned(text, lambda body: body["contracts"][0].pop("why")), "does not have the fields"),
        (lambda text: resigned(text, lambda body: body["contracts"][0].update(more=1)), "unknown field `more`"),
        (lambda text: resigned(text, lambda body: body.update(made="yesterday")), "isoformat string: 'yesterday'"),
        (
            lambda text: resigned(text, lambda body: body["contracts"][0].update(verdict="fine")),
            "Invalid enum value 'fine' - at `$.contracts[0].verdict`",
        ),
        (
            lambda text: resigned(text, lambda body: body["contracts"].append(body["contracts"][0])),
            "names a contract twice",
        ),
    ],
)
def test_evidence_that_was_changed_is_refused_in_one_sentence(tmp_path, spoil, sentence):
    path = written(tmp_path, spoil(verify_evidence.text(green())))

    with pytest.raises(EvidenceError) as caught:
        verify_evidence.read(path)

    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize(
    "text", ["", "[", '{"name": "x"}', '[{"name": "x"}]', '[{"name": "x", "says": "", "more": 1}]']
)
def test_messages_that_the_plugin_did_not_write_are_refused_by_their_path(tmp_path, text):
    path = tmp_path / verify_evidence.BROKEN
    path.write_text(text, encoding="utf-8")

    with pytest.raises(
        EvidenceError, match=rf"{verify_evidence.BROKEN}: .*\. run: migrator verify|{verify_evidence.BROKEN}: "
    ):
        verify_evidence.read_broken(path)


def test_messages_of_broken_contracts_are_read_as_they_were_written(tmp_path):
    broken = (BrokenContract(name="verify/x[core]", says="core: \x1b[0m expected\nfound \udcff"),)
    path = tmp_path / verify_evidence.BROKEN
    path.write_text(verify_evidence.broken_text(broken), encoding="utf-8")

    assert broken == verify_evidence.read_broken(path)


def test_evidence_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"evidence\.json: does not exist; run: migrator verify"):
        verify_evidence.read(tmp_path / "evidence.json")


def test_only_evidence_is_removed_before_it_is_made_anew(tmp_path):
    """The path that the user named may be that of a database."""
    database = tmp_path / "jarvis.db"
    database.write_bytes(b"SQLite format 3\x00\xff")
    notes = written(tmp_path, '{"sha256": "is mentioned"}')
    link = tmp_path / "link"
    link.symlink_to(written(tmp_path, verify_evidence.text(green())))
    # To read it would wait for ever.
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()

    for path in (database, link, pipe, folder):
        with pytest.raises(UsageError, match="exists and is not an evidence file"):
            verify_evidence.withdraw(path)
    with pytest.raises(UsageError, match="no such folder"):
        verify_evidence.withdraw(tmp_path / "nowhere" / "evidence.json")
    verify_evidence.withdraw(notes)
    verify_evidence.withdraw(notes)

    assert {"jarvis.db", "link", "pipe", "folder"} == {path.name for path in tmp_path.iterdir()}


def test_green_evidence_of_what_is_there_has_nothing_against_it():
    assert () == freshness.refusals(green(), there(), today=TODAY)


def without(clause, *instead):
    return tuple(one for one in green().contracts if one.clause != clause) + instead


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"legacy": {"jarvis.db": "a2", "tax.db": "bb"}}, "legacy file jarvis.db has changed since it was judged"),
        ({"legacy": {"jarvis.db": "aa"}}, "legacy file tax.db was judged and does not exist any more"),
        ({"legacy": {"jarvis.db": "aa", "tax.db": ""}}, "legacy file tax.db cannot be read"),
        (
            {"legacy": {"jarvis.db": "aa", "tax.db": "bb", "new\n.db": "cc"}},
            "legacy file new\\n.db was not judged",
        ),
        (
            {"consolidated": {"core": "cc", "analytics": "dd", "cache": "e2"}},
            "consolidated database cache has changed since it was judged",
        ),
        (
            {"consolidated": {"core": "cc", "analytics": "dd"}},
            "consolidated database cache was judged and does not exist any more",
        ),
        ({"configuration": "f2"}, "the configuration has changed since"),
    ],
)
def test_what_has_changed_since_is_named(changed, sentence):
    assert (sentence,) == freshness.refusals(green(), there(**changed), today=TODAY)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"mappings": "00"}, "the mappings have changed since"),
        ({"suite": "00"}, "the contracts have changed since"),
        ({"deselected": 12}, "12 contracts were deselected"),
        ({"complaints": ("a waiver ran out",)}, "the verdict is NO-GO, 0 contracts are broken"),
        ({"contracts": ()}, "the verdict is NO-GO, 0 contracts are broken"),
        ({"contracts": without("V1")}, "clause V1 is not proved: no contract of it held"),
        (
            {"contracts": without("V1", said("V1", id="verify/v[can_fail]"))},
            "clause V1 is not proved: no contract of it held",
        ),
        (
            {"contracts": without("V1", said("V1", Outcome.SKIPPED, why=Why.NOT_ASKED))},
            "clause V1 is not proved: no contract of it held",
        ),
        (
            {"contracts": without("V1", said("V1", Outcome.BROKEN))},
            "the verdict is NO-GO, 1 contracts are broken: verify/v1[core]",
        ),
        ({"legacy": {}}, "no legacy set was judged"),
        ({"consolidated": {"core": "cc"}}, "jarvis_cache.db was not judged"),
        (
            {"waivers": (dataclasses.replace(WAIVER, expires=dt.date(2026, 5, 31)),)},
            "the waiver of verify/v[core] ran out on 2026-05-31",
        ),
    ],
)
def test_evidence_that_proves_too_little_is_refused(changed, sentence):
    assert sentence in freshness.refusals(green(**changed), there(), today=TODAY)


@pytest.mark.parametrize(
    "changed",
    [
        {"contracts": without("V1", said("V1", Outcome.WAIVED)), "waivers": (WAIVER,)},
        {"contracts": without("V1", said("V1", Outcome.SKIPPED, why=Why.NO_DATA))},
    ],
    ids=["waived until today", "no such table"],
)
def test_a_waived_clause_and_one_without_data_do_not_stand_in_the_way(changed):
    assert () == freshness.refusals(green(**changed), there(), today=TODAY)


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "migrator", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.fixture(name="moved", scope="module")
def _moved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moved") / "data"
    generator.make(folder, seed=7, rows=600, dirty=True, wal=True)
    done = run("migrate", "--data-dir", folder)
    assert 0 == done.returncode, done.stderr + done.stdout
    return folder


@pytest.fixture(name="data")
def _data(moved, tmp_path):
    """A set that was migrated and verified, to spoil."""
    return shutil.copytree(moved, tmp_path / "data")


def own(data):
    return data / ".migrator" / "evidence.json"


def change(path, sql):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


@pytest.mark.slow
def test_a_run_that_is_go_leaves_evidence_that_status_believes(data):
    found = verify_evidence.read(own(data))

    done = run("status", "--data-dir", data)
    checked = run("status", "--evidence", own(data), "--data-dir", data)

    assert ("GO", 0) == (found.verdict, found.deselected)
    assert {"core", "analytics", "cache"} == found.consolidated.keys()
    assert 29 == len(found.legacy)
    counted = {name for one in found.contracts for name in one.counts}
    assert {"judged_rows", "legacy_rows", "steps", "legacy_steps", "events"} <= counted
    assert (0, 0) == (done.returncode, checked.returncode), done.stdout + checked.stdout
    assert "run 0001: verified, evidence of 20" in done.stdout


@pytest.mark.slow
def test_no_value_of_a_cell_is_in_the_evidence(data):
    text = own(data).read_text(encoding="utf-8")
    private = set()
    for database in catalogue.legacy_databases():
        path = data / database.place
        if not path.exists():
            continue
        with closing(sqlite3.connect(path)) as connection:
            connection.text_factory = bytes
            tables = connection.execute(
                "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'"
            ).fetchall()
            for (table,) in tables:
                for row in connection.execute(f'SELECT * FROM "{table.decode()}"'):
                    private |= {
                        cell.decode(errors="ignore") for cell in row if isinstance(cell, bytes) and len(cell) > 15
                    }
    # The schema's own words are no cells, though a cell may repeat them.
    private -= {"UNIQUE token_address"}

    assert len(private) > 500
    assert [] == [value for value in private if value in text]
    assert str(data) not in text


@pytest.mark.slow
def test_a_constraint_that_nobody_specified_is_not_repeated(data):
    """Another tool may write what it likes into its quarantine."""
    change(
        data / ".migrator" / "stage" / "jarvis_core.db",
        "UPDATE quarantine SET broken = 'NOT NULL Alice' WHERE rowid = (SELECT min(rowid) FROM quarantine)",
    )

    run("verify", "--data-dir", data)

    text = own(data).read_text(encoding="utf-8")
    assert "Alice" not in text
    assert "no specified constraint" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "sql", "sentence"),
    [
        ("jarvis.db", "UPDATE trades SET price = price + 1", "legacy file jarvis.db has changed since it was judged"),
        ("notes.db", "CREATE TABLE notes (id)", "legacy file notes.db was not judged"),
        (".migrator/stage/jarvis_cache.db", "DELETE FROM config", "consolidated database cache has changed"),
        (".migrator/stage/jarvis_core.db", "DELETE FROM trades", "consolidated database core has changed"),
    ],
)
def test_one_write_more_and_it_vouches_for_nothing(data, place, sql, sentence):
    if place.endswith("cache.db"):
        sql = "DELETE FROM cache_entries"
    change(data / place, sql)

    done = run("status", "--data-dir", data)
    checked = run("status", "--evidence", own(data), "--data-dir", data)

    assert (0, 1) == (done.returncode, checked.returncode)
    assert sentence in done.stdout
    assert sentence in checked.stdout


@pytest.mark.slow
def test_only_decisions_that_the_verdict_depends_on_make_it_stale(data):
    """To declare the code ready must not ask for other evidence."""
    path = data / "migrator.toml"
    text = path.read_text(encoding="utf-8")

    path.write_text(text.replace("[decisions]", "[decisions]\ncode_is_ready = true"), encoding="utf-8")
    accepted = run("status", "--evidence", own(data), "--data-dir", data)
    path.write_text(text.replace('"-06:00"', '"-07:00"'), encoding="utf-8")
    moved = run("status", "--evidence", own(data), "--data-dir", data)

    assert 0 == accepted.returncode, accepted.stdout
    assert 1 == moved.returncode
    assert "the configuration has changed since" in moved.stdout


@pytest.mark.slow
def test_of_any_pair_evidence_is_written_only_where_it_is_asked_for(data, tmp_path):
    legacy, stage = data / "backup" / "0001", data / ".migrator" / "stage"
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}

    plain = run("verify", "--legacy", legacy, "--consolidated", stage)
    asked = run("verify", "--legacy", legacy, "--consolidated", stage, "--evidence", tmp_path / "pair.json")
    checked = run("status", "--evidence", tmp_path / "pair.json", "--legacy", legacy, "--consolidated", stage)
    database = run("verify", "--legacy", legacy, "--consolidated", stage, "--evidence", legacy / "jarvis.db")

    assert (0, 0, 2) == (plain.returncode, asked.returncode, database.returncode), plain.stderr + asked.stderr
    assert "exists and is not an evidence file; name another file" in database.stderr
    assert before == {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert "GO" == verify_evidence.read(tmp_path / "pair.json").verdict
    assert 0 == checked.returncode, checked.stdout


@pytest.mark.slow
def test_what_was_interrupted_leaves_no_evidence(data):
    """Not even the evidence of the run before: it would stand for a set that was not judged to the end."""
    command = [sys.executable, "-m", "migrator", "verify", "--data-dir", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while own(data).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    stands = run("status", "--data-dir", data)

    assert not own(data).exists()
    assert "run 0001: built" in stands.stdout
    assert "next: migrator verify" in stands.stdout


def contracts_run_with(monkeypatch, *more):
    """Let the contracts be run with *more* arguments."""
    start = subprocess.Popen
    monkeypatch.setattr(
        verify_stage.subprocess, "Popen", lambda command, **options: start([*command, *more], **options)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "sentence"),
    [(["-k", "zzz"], "judged nothing"), (["--maxfail=1"], "did not end"), (["--collect-only"], "judged nothing")],
)
def test_a_run_that_judged_nothing_or_not_all_leaves_no_evidence(data, monkeypatch, more, sentence):
    change(data / ".migrator" / "stage" / "jarvis_core.db", "DELETE FROM trades")
    contracts_run_with(monkeypatch, *more)

    with pytest.raises(MigratorError, match=sentence):
        pipeline_migrate.verify_stage(Workspace(data), data / "migrator.toml")

    assert not own(data).exists()


def test_contracts_that_cannot_start_are_an_error_with_their_last_line(tmp_path, monkeypatch):
    monkeypatch.setattr(verify_stage, "_PROGRAM", "raise ImportError('no module named contracts')")

    with pytest.raises(MigratorError, match="did not end: ImportError: no module named contracts"):
        verify_stage.verify(tmp_path, tmp_path, evidence=tmp_path / "evidence.json")

    assert not (tmp_path / "evidence.json").exists()


@pytest.mark.slow
def test_contracts_that_were_left_out_show(data, monkeypatch):
    contracts_run_with(monkeypatch, "-k", "not rebuilt")

    verified = pipeline_migrate.verify_stage(Workspace(data), data / "migrator.toml")

    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")
    reasons = pipeline_status.check(own(data), pipeline_status.present(workspace, configuration)).reasons
    assert verified.holds
    assert ("22 contracts were deselected", "clause U1 is not proved: no contract of it held") == reasons


@pytest.mark.slow
def test_status_says_how_far_a_run_has_come(tmp_path):
    data = tmp_path / "data"
    generator.make(data, seed=3, rows=300)
    said = []
    for verb in ("", "backup", "build", "verify"):
        if verb:
            assert 0 == run(verb, "--data-dir", data).returncode
        said.append(run("status", "--data-dir", data).stdout.splitlines())

    assert "nothing yet" == said[0][0]
    assert ["run 0001: snapshot", "run 0001: built"] == [said[1][0], said[2][0]]
    assert said[3][0].startswith("run 0001: verified, evidence of ")
    assert all(lines[1].startswith("next: ") for lines in said)


WAIVED = """
[[waivers]]
id = "{id}"
scope = "{scope}"
reason = "prices were typed by hand, the desk knows"
owner = "trading lead"
expires = {expires}
"""


@pytest.mark.slow
def test_a_waiver_lets_a_contract_be_broken_and_shows_it_apart(data):
    change(data / ".migrator" / "stage" / "jarvis_core.db", "UPDATE trades SET price = price + 1 WHERE id = 1")
    broken = run("verify", "--data-dir", data, "--json")
    names = [one["name"] for one in json.loads(broken.stdout)["result"]["broken"]]
    ids = [one.id.partition("[") for one in verify_evidence.read(own(data)).with_verdict(Outcome.BROKEN)]
    with (data / "migrator.toml").open("a", encoding="utf-8") as file:
        for contract, _, case in ids:
            file.write(WAIVED.format(id=contract, scope=case.rstrip("]") or "all", expires="2999-12-31"))

    done = run("verify", "--data-dir", data)
    stands = run("status", "--data-dir", data)

    assert (1, 0) == (broken.returncode, done.returncode), done.stdout
    assert len(names) == len(ids) > 0
    assert f"GO, with {len(ids)} contract" in done.stdout
    assert "by trading lead until 2999-12-31: prices were typed by hand" in done.stdout
    assert len(ids) == len(verify_evidence.read(own(data)).waivers)
    assert "run 0001: verified" in stands.stdout
    assert "waived: verify/" in stands.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("waiver", "sentence"),
    [
        ({"id": "verify/every_row_has_its_lineage", "scope": "core", "expires": "2020-01-01"}, "ran out on 2020-01-01"),
        ({"id": "verify/every_row_has_its_lineage", "scope": "core", "expires": "2999-01-01"}, "is not needed"),
        (
            {"id": "verify/every_row_has_its_linage", "scope": "core", "expires": "2999-01-01"},
            "names an unknown contract",
        ),
    ],
)
def test_a_waiver_that_ran_out_or_is_not_needed_or_not_known_fails_the_run(data, waiver, sentence):
    with (data / "migrator.toml").open("a", encoding="utf-8") as file:
        file.write(WAIVED.format(**waiver))

    done = run("verify", "--data-dir", data)

    assert 1 == done.returncode
    assert "NO-GO: 0 contracts are broken" in done.stdout
    assert sentence in done.stdout
    assert "NO-GO" == verify_evidence.read(own(data)).verdict
