"""Faults in a set with decisions about rows, each with the contracts that must catch it."""

from __future__ import annotations

from contracts.mutants.by_hand.rows import DataFault, fault

#: A configuration with decisions of each kind, on rows that a specimen of seed 7 plants: a position with an unknown status, a trade with the signature
#: of an earlier one, a trade that a tax lot names and that is missing, lots of a token that no table knows, trades without an id,
#: and a direction that no mapping knows.
DECIDED = """
[decisions]
amendments = ["position_history"]

[[decisions.rows]]
table = "jarvis.positions"
key = "0bb3beef"
set = { status = "open" }
was = { status = "sunk" }
why = "sunk cost, still held"

[[decisions.rows]]
table = "jarvis.trades"
key = "buy_08947cac"
keep = true
why = "the earlier one was entered by hand"

[[decisions.rows]]
table = "jarvis.trades"
key = "made-233"
why = "bought on the exchange, never recorded"
[decisions.rows.make]
symbol = "HZMADE"
token_mint = "EGXjjPzUribA7EYCoVoVx4Mce1afYWZ8nEszPPBbh7vx"
side = "buy"
amount_sol = 12.0
amount_tokens = 8.0
price = 1.5
timestamp = "2026-01-23T11:59:59+00:00"
tx_signature = "tx-233"
position_id = ""
user_id = 0

[[decisions.rows]]
table = "tax.tax_lots"
key = [7, 8]
drop = "of a token that is not known any more"
was = { remaining_quantity = 8.0 }

[[decisions.rows]]
table = "jarvis.trades"
key = { null = true }
drop = "entered by hand, without an id"

[decisions.vocabulary]
jarvis.positions.status."lost" = "closed"
whales.whale_movements.direction.STAKE = "OUT"
"""


def configuration(written: str) -> str:
    """Return the configuration *written* for the specimen, with these decisions instead of its own."""
    return written.partition("[decisions]")[0] + DECIDED


_RECORDED = "test_decisions_about_rows_are_those_of_the_owners"
_VALUES, _REBUILT = "test_row_says_what_was_decided", "test_legacy_row_is_rebuilt"
_PLACES, _QUARANTINE = "test_every_mapped_row_is_accounted_for", "test_constraint_refuses_what_it_is_named_for"
#: The position of which a cell is decided, and one that no decision is about.
_DECIDED = "(SELECT target_id FROM lineage WHERE target = 'positions' AND legacy_key = '0bb3beef')"
_OTHER = (
    "(SELECT min(legacy_key) FROM lineage WHERE source = 'jarvis.positions'"
    " AND legacy_key NOT IN (SELECT legacy_key FROM decisions))"
)
#: The two trades with one signature.
_KEPT, _RIVAL = "'buy_08947cac'", "'buy_629c9832'"

FAULTS: tuple[DataFault, ...] = (
    fault(
        "decision not applied",
        (_VALUES,),
        ("jarvis.positions '0bb3beef'", "status"),
        f"UPDATE positions SET status = 'partial' WHERE id = {_DECIDED}",
    ),
    fault(
        "decision applied to another row",
        (_VALUES, _REBUILT),
        ("jarvis.positions '0bb3beef'",),
        "UPDATE lineage SET legacy_key = CASE legacy_key WHEN '0bb3beef' THEN '148bbd7a' ELSE '0bb3beef' END"
        " WHERE source = 'jarvis.positions' AND legacy_key IN ('0bb3beef', '148bbd7a')",
    ),
    fault(
        "decision recorded for another row",
        (_RECORDED,),
        ("jarvis.positions", "is recorded, and the owners did not decide it"),
        f"UPDATE decisions SET legacy_key = {_OTHER} WHERE legacy_key = '0bb3beef'",
    ),
    fault(
        "decision not recorded",
        (_RECORDED,),
        ("jarvis.positions '0bb3beef': set: is not recorded",),
        "DELETE FROM decisions WHERE legacy_key = '0bb3beef'",
    ),
    fault(
        "every decision of a database lost",
        (_RECORDED,),
        ("jarvis.trades 'made-233': make: is not recorded",),
        "DROP TABLE decisions",
    ),
    fault(
        "decision recorded with another cell",
        (_RECORDED,),
        ("jarvis.positions '0bb3beef': set: is not recorded",),
        "UPDATE decisions SET cells = json_set(cells, '$.status[1]', 'closed') WHERE legacy_key = '0bb3beef'",
    ),
    fault(
        "decision recorded with another reason",
        (_RECORDED,),
        ("jarvis.positions '0bb3beef': set: is recorded with another reason",),
        "UPDATE decisions SET why = 'lost' WHERE legacy_key = '0bb3beef'",
    ),
    fault(
        "legacy cell of a decision lost in lineage",
        (_REBUILT,),
        ("jarvis.positions '0bb3beef'", "status"),
        "UPDATE lineage SET rest = NULL WHERE legacy_key = '0bb3beef'",
    ),
    fault(
        "decided value in the place of the legacy cell in lineage",
        (_REBUILT,),
        ("jarvis.positions '0bb3beef'", "status"),
        "UPDATE lineage SET rest = json_set(rest, '$.status[0]', 'open') WHERE legacy_key = '0bb3beef'",
    ),
    fault(
        "value altered after the decision",
        (_VALUES, _REBUILT),
        ("jarvis.positions '0bb3beef'", "status"),
        f"UPDATE positions SET status = 'closed' WHERE id = {_DECIDED}",
    ),
    fault(
        "word read as another",
        (_VALUES,),
        ("whales.whale_movements 11", "direction"),
        "UPDATE whale_movements SET direction = 'in' WHERE id = 11",
        target="analytics",
    ),
    fault(
        "rival kept that the owners did not choose",
        (_RECORDED, _QUARANTINE, _VALUES),
        ("jarvis.trades 'buy_08947cac': keep: has no effect",),
        f"UPDATE lineage SET legacy_key = {_RIVAL} WHERE legacy_key = {_KEPT}",
        f"UPDATE quarantine SET legacy_key = {_KEPT} WHERE legacy_key = {_RIVAL}",
    ),
    fault(
        "row made with another cell",
        (_VALUES,),
        ("jarvis.trades 'made-233'", "amount_sol"),
        "UPDATE trades SET amount_sol = 1.0 WHERE signature = 'tx-233'",
    ),
    fault(
        "row made without a decision",
        (_RECORDED,),
        ("core.trades", "is a row that the owners did not have made"),
        "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status, timestamp)"
        " SELECT direction, symbol, token_address, amount, amount_sol, price, status, timestamp FROM trades LIMIT 1",
        "INSERT INTO lineage (source, legacy_key, target, target_id)"
        " SELECT 'stub:decided', 'made-up', 'trades', max(id) FROM trades",
    ),
    fault(
        "row that was made recorded as a legacy row",
        (_RECORDED, _PLACES),
        ("jarvis.trades 'made-233': make: has no effect",),
        "UPDATE lineage SET source = 'jarvis.trades' WHERE source = 'stub:decided'",
    ),
    fault(
        "dropped row lost",
        (_RECORDED, _PLACES),
        ("tax.tax_lots 7: drop: has no effect",),
        "DELETE FROM quarantine WHERE source = 'tax.tax_lots' AND legacy_key = 7",
    ),
    fault(
        "dropped row recorded without the decision",
        (_RECORDED,),
        ("tax.tax_lots 7: drop: is not recorded",),
        "DELETE FROM decisions WHERE source = 'tax.tax_lots' AND legacy_key = 7",
    ),
)
