"""Decisions about single rows: checked, applied by plan and build, recorded, and undone by a rollback."""

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from contracts.mutants.by_hand.decided import DECIDED
from contracts.specimens import generator
from migrator.config import config_file
from migrator.errors import Refused, UsageError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.quarantine import decisions
from migrator.quarantine import rows as quarantine_rows
from migrator.quarantine.rows import QuarantinedRow
from migrator.records.decisions import DecidedRow, DecisionEffect, Decisions, Kind, Word
from migrator.schema import catalogue, text_encoding
from migrator.switch.workspace import Workspace

CONSTANTS = """
[constants]
wallet_address = "GVnTowPKpNa7KPCEu47ma41qS2Y2HUV9jKz1hEgmZGCa"
local_utc_offset = "-06:00"
"""


SUNK = {"was": '{ status = "sunk" }'}


def made(folder):
    generator.make(folder, seed=7, rows=300, dirty=True)
    return folder


@pytest.fixture(name="undecided", scope="module")
def _undecided(tmp_path_factory):
    return made(tmp_path_factory.mktemp("undecided") / "data")


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    """A data directory, the digests of its legacy files before, its plan and its build, with one decision of each kind."""
    data = made(tmp_path_factory.mktemp("decided") / "data")
    before = digests(data)
    return data, before, *build(data, DECIDED)


def digests(data):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in data.glob("*.db")}


def configured(data, text):
    (data / "migrator.toml").write_text(CONSTANTS + text, encoding="utf-8")
    return Workspace(data), config_file.load(data / "migrator.toml")


def build(data, text):
    workspace, config = configured(data, text)
    planned = pipeline_migrate.plan(workspace, config, count=True)
    pipeline_migrate.backup(planned, workspace)
    return planned, pipeline_migrate.build(workspace, config)


def refusals(data, text):
    return pipeline_migrate.plan(*configured(data, text), count=True).refusals


def asked(data, target, question):
    with closing(sqlite3.connect(data / ".migrator" / "stage" / catalogue.TARGETS[target])) as connection:
        return connection.execute(question).fetchall()


def entry(**keys):
    return "[[decisions.rows]]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items())


def one(keys='"0bb3beef"', table='"jarvis.positions"', **does):
    return entry(table=table, key=keys, **does)


def test_plan_prints_what_each_decision_lets_in(built):
    *_, planned, _ = built

    assert planned.refusals == ()
    assert planned.let_in == 5
    assert planned.decision_effects == (
        DecisionEffect(
            decision="jarvis.positions '0bb3beef': status is read as 'open' (sunk cost, still held)",
            kind=Kind.SET,
            rows=1,
            let_in=1,
        ),
        DecisionEffect(
            decision="jarvis.trades 'buy_08947cac': stays (the earlier one was entered by hand)",
            kind=Kind.KEEP,
            rows=1,
            let_in=1,
        ),
        DecisionEffect(
            decision="jarvis.trades 'made-233': is made (bought on the exchange, never recorded)",
            kind=Kind.MAKE,
            rows=1,
            let_in=0,
        ),
        DecisionEffect(
            decision="tax.tax_lots 7, 8: stays in quarantine (of a token that is not known any more)",
            kind=Kind.DROP,
            rows=2,
            let_in=0,
        ),
        DecisionEffect(
            decision="jarvis.trades NULL: stays in quarantine (entered by hand, without an id)",
            kind=Kind.DROP,
            rows=1,
            let_in=0,
        ),
        DecisionEffect(decision="jarvis.positions.status 'lost' is read as 'closed'", kind=Kind.SET, rows=1, let_in=1),
        DecisionEffect(
            decision="whales.whale_movements.direction 'STAKE' is read as 'OUT'", kind=Kind.SET, rows=1, let_in=1
        ),
    )


def test_decided_cells_are_read_and_the_legacy_cells_are_kept(built):
    data, *_, done = built
    decided = (
        "SELECT p.status, l.rest FROM positions AS p JOIN lineage AS l ON l.target = 'positions' AND l.target_id = p.id"
    )

    assert asked(data, "core", f"{decided} WHERE l.legacy_key = '0bb3beef'") == [("open", '{"status":["sunk","open"]}')]
    assert asked(data, "core", f"{decided} WHERE l.legacy_key = '148bbd7a'") == [
        ("closed", '{"status":["lost","closed_manual"]}')
    ]
    assert asked(data, "analytics", "SELECT decision, cells FROM decisions") == [
        ("set", '{"direction":["STAKE","OUT"]}')
    ]
    assert done.holds


def test_the_kept_rival_is_in_and_the_other_in_quarantine(built):
    data, *_ = built
    of_both = "('buy_08947cac', 'buy_629c9832')"

    assert asked(data, "core", f"SELECT legacy_key FROM lineage WHERE legacy_key IN {of_both}") == [("buy_08947cac",)]
    assert asked(data, "core", f"SELECT legacy_key, broken FROM quarantine WHERE legacy_key IN {of_both}") == [
        ("buy_629c9832", "UNIQUE signature")
    ]


def test_a_made_parent_lets_its_child_in_and_has_no_legacy_row(built):
    data, *_ = built
    parent = (
        "SELECT l.source, t.signature FROM lineage AS l JOIN trades AS t ON t.id = l.target_id AND l.target = 'trades'"
    )
    child = "SELECT t.signature FROM tax_lots AS c JOIN trades AS t ON t.id = c.trade_id WHERE c.id = 2"

    assert asked(data, "core", f"{parent} WHERE l.legacy_key = 'made-233'") == [("stub:decided", "tx-233")]
    assert asked(data, "core", child) == [("tx-233",)]


def test_dropped_rows_stay_in_quarantine_and_need_no_acceptance(built):
    data, *_, done = built
    copies = {target: data / ".migrator" / "stage" / name for target, name in catalogue.TARGETS.items()}
    rows = list(quarantine_rows.read(copies))
    left = pipeline_quarantine.rows(Workspace(data))

    assert [(row.source, row.key, row.dropped) for row in rows if row.dropped] == [
        ("jarvis.trades", None, "entered by hand, without an id"),
        ("jarvis.trades", None, "entered by hand, without an id"),
        ("tax.tax_lots", 7, "of a token that is not known any more"),
        ("tax.tax_lots", 8, "of a token that is not known any more"),
    ]
    assert left == tuple(row for row in rows if not row.dropped)
    assert [row.has_was for row in rows if row.dropped] == [False, False, True, True]
    assert pipeline_quarantine.listed(Workspace(data)).settled == 4
    assert len(rows) == done.quarantined


@pytest.mark.parametrize("key", [None, "p"])
def test_money_at_stake_is_not_accepted_by_a_decision_that_names_no_cell_of_the_row(key):
    position = {"source": "jarvis.positions", "target": "core.positions", "broken": "NOT NULL id", "dropped": "unknown"}

    assert not QuarantinedRow(key=key, cells={"status": "open"}, **position).is_settled
    assert QuarantinedRow(key=key, cells={"status": "closed"}, **position).is_settled
    assert QuarantinedRow(key=key, cells={"status": "open"}, has_was=True, **position).is_settled


def test_the_legacy_files_are_as_they_were_also_after_a_way_back(built):
    """The build proves the way back: copies of the legacy files that the set in the stage gives have the snapshot's digests."""
    data, before, *_ = built
    with closing(sqlite3.connect(data / "jarvis.db")) as connection:
        assert connection.execute("SELECT status FROM positions WHERE id = '0bb3beef'").fetchall() == [("sunk",)]
        assert connection.execute("SELECT 1 FROM trades WHERE id = 'made-233'").fetchall() == []

    assert digests(data) == before


@pytest.mark.slow
def test_a_row_with_a_second_fault_stays_in_quarantine_as_it_is(tmp_path):
    data = made(tmp_path / "data")
    with closing(sqlite3.connect(data / "jarvis.db")) as connection, connection:
        connection.execute("UPDATE positions SET symbol = x'00', token_mint = '' WHERE id = '148bbd7a'")
        connection.execute("UPDATE positions SET status = 'lost' WHERE id = '4a8d63c2'")
    _, done = build(data, DECIDED)
    (kept,) = asked(data, "core", "SELECT broken, row FROM quarantine WHERE legacy_key = '148bbd7a'")

    assert kept[0].startswith("NOT NULL")
    assert json.loads(kept[1])["status"] == "lost"
    assert done.holds


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            one('"0bb3beee"', set='{ status = "open" }'),
            "jarvis.positions '0bb3beee': expected one row with this id; found none; did you mean '0bb3beef'?",
        ),
        (
            one(set='{ status = "open", symbol = "HZ1" }', was='{ symbol = "HZ432" }'),
            (
                "jarvis.positions '0bb3beef': status: expected the value that the row has in was; found none;"
                ' add: was = { status = "sunk", symbol = "HZ432" }'
            ),
        ),
        (
            one(set='{ status = "open" }', was='{ status = "lost" }'),
            "jarvis.positions '0bb3beef': status: expected 'lost', as was has it; found 'sunk'",
        ),
        (
            one(drop='"over"', was='{ status = "sunk", symbol = "HZ1" }'),
            "jarvis.positions '0bb3beef': symbol: expected 'HZ1', as was has it; found 'HZ432'",
        ),
        (
            one(set='{ status = "sunk" }'),
            "jarvis.positions '0bb3beef': status: expected another value than 'sunk', which the row has",
        ),
        (
            one(set='{ status = "OPENED" }', **SUNK),
            (
                "jarvis.positions '0bb3beef': status is read as 'OPENED': expected '0bb3beef' in the target table;"
                " CHECK status IN ('open', 'closed', 'partial') refuses it still"
            ),
        ),
        (
            one(set='{ status = "open" }', **SUNK) + one(set='{ status = "closed" }', **SUNK),
            "jarvis.positions '0bb3beef': status: expected one decision on a cell; found two: 'open' and 'closed'",
        ),
        (
            one(set='{ status = "open" }', **SUNK) + '[decisions.vocabulary]\njarvis.positions.status.sunk = "closed"',
            "jarvis.positions '0bb3beef': status: expected one decision on a cell; found two: 'open' and 'closed'",
        ),
        (
            one(set='{ status = "open" }', **SUNK) + one(drop='"gone"'),
            "jarvis.positions '0bb3beef': expected one decision; found set and drop",
        ),
        (
            one(make='{ status = "open" }'),
            "jarvis.positions '0bb3beef': expected no row with this key, which is to be made; found one",
        ),
        (
            one("5", make='{ status = "open" }'),
            "jarvis.positions 5: expected a key that id stores as it is; it stores '5': write key = \"5\"",
        ),
        (
            one(set='{ id = "mine" }'),
            "jarvis.positions '0bb3beef': id is read as 'mine': expected another column; id identifies the row",
        ),
        (
            one('"1164d858"', drop='"unwanted"'),
            "jarvis.positions '1164d858': expected a row in quarantine, to drop it; found it in the target table",
        ),
        (
            '[decisions.vocabulary]\njarvis.positions.status.sunken = "closed"',
            "jarvis.positions: expected a row with status 'sunken'; found none; did you mean 'sunk'?",
        ),
        (
            one('"u"', table='"jarvis.users"', drop='"unwanted"'),
            "jarvis.users 'u': stays in quarantine (unwanted): expected a mapped table; jarvis.users is carried",
        ),
        (
            one("{ null = true }", table='"tax.tax_lots"', drop='"nameless"'),
            "tax.tax_lots NULL: expected rows that no id of their own identifies; found none",
        ),
    ],
    ids=lambda value: value if value.startswith(("jarvis", "tax")) else "",
)
def test_a_decision_that_does_not_fit_the_rows_is_a_reason_against_the_plan(undecided, written, sentence):
    assert refusals(undecided, written) == (sentence,)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (one(set='{ staus = "open" }'), "entry 1, set: jarvis.positions has no column 'staus'; did you mean status?"),
        (one(table='"jarvis.positons"', drop='"x"'), "no known file has a table 'jarvis.positons'; did you mean jarvis.positions?"),
        (one(sett='{ status = "open" }'), "entry 1: unknown key sett; did you mean set?"),
        (one(), "entry 1: expected one of set, keep, make, drop; found none of them"),
        (one(keep="true", drop='"x"'), "entry 1: expected one of set, keep, make, drop; found keep and drop"),
        (one(drop='" "'), "entry 1: drop must be the reason, as text"),
        (one(keep="false"), "entry 1: keep must be true"),
        (one(set="{ status = true }"), "entry 1, set.status: expected a text, a number, { null = true } or { b = hex }; found True"),
        (one(set="{ entry_price = nan }"), "entry 1, set.entry_price: expected a number that SQLite stores; found nan"),
        (one("inf", keep="true"), "entry 1, key: expected a number that SQLite stores; found inf"),
        (one(f"{2**63}", keep="true"), f"entry 1, key: expected a number that SQLite stores; found {2**63}"),
        (one(make='{ status = "open" }', was="{ symbol = 'X' }"), "entry 1: was must be a table of legacy columns"),
        (one("[]", keep="true"), "entry 1: key is an empty list"),
        (entry(table='"jarvis.positions"', keep="true"), "entry 1: lacks key"),
        ('[decisions.vocabulary]\njarvis.positions.staus.X = "open"', "jarvis.positions has no column 'staus'; did you mean status?"),
        ('[decisions.vocabulary]\njarvis.positions.status = "open"', "decisions.vocabulary.jarvis.positions.status: is no word"),
    ],
    ids=range(16),
)  # fmt: skip
def test_a_decision_of_another_form_is_a_usage_error(tmp_path, written, sentence):
    with pytest.raises(UsageError) as refused:
        configured(tmp_path, written)

    assert sentence in str(refused.value)


@pytest.mark.parametrize("was", [{"b": "00ff"}, {"t": "ff"}, None])
def test_a_decided_cell_may_have_been_bytes(was):
    row = DecidedRow(source="jarvis.positions", key="p", kind=Kind.SET, cells={"status": (was, "open")})
    word = Word(source="jarvis.positions", column="status", word="OPEN", cell="open")

    assert list(decisions.unsettled(Decisions(words=(word,)), [row], {row.name: "NOT NULL id"})) == []


@pytest.mark.slow
def test_a_legacy_file_in_another_encoding_takes_decisions(undecided, tmp_path):
    data = shutil.copytree(undecided, tmp_path / "data")
    text_encoding.write_anew(undecided / "jarvis.db", tmp_path / "wide.db", "UTF-16le")
    shutil.copyfile(tmp_path / "wide.db", data / "jarvis.db")

    planned, done = build(data, one(set='{ status = "open" }', **SUNK))

    assert ((planned.refusals, planned.let_in), done.holds) == (((), 1), True)


def test_a_text_with_nul_and_bytes_are_the_cells_that_a_snapshot_has(tmp_path):
    written = one(r'["a\u0000b", { b = "00FF" }]', drop='"x"', was="{ entry_price = -inf }")

    (decision,) = configured(tmp_path, written)[1].rows.rows

    assert decision.keys == ({"t": "610062"}, {"b": "00ff"})
    assert decision.was == {"entry_price": float("-inf")}


def test_a_decision_that_does_not_fit_keeps_the_build_back(undecided):
    workspace, config = configured(undecided, one('"0bb3beee"', set='{ status = "open" }'))
    pipeline_migrate.backup(pipeline_migrate.plan(workspace, config), workspace)

    with pytest.raises(Refused, match="expected one row with this id; found none"):
        pipeline_migrate.build(workspace, config)


def test_every_decision_is_in_the_digest_of_the_configuration(tmp_path):
    digests = {
        configured(tmp_path, text)[1].digest()
        for text in (
            "",
            one(keep="true"),
            one(drop='"x"'),
            '[decisions.vocabulary]\njarvis.positions.status.X = "open"',
        )
    }

    assert len(digests) == 4
