"""What ``migrator verify`` prints of how far the contracts looked."""

import io
from types import MappingProxyType

from rich.console import Console

from migrator.reports.terminal import verify_text
from migrator.stages.verify.evidence import ContractResult, Evidence, Outcome
from migrator.stages.verify.stage import _verified


def worked_out(table, judged, rows):
    counts = MappingProxyType({"judged_rows": judged, "legacy_rows": rows})
    name = f"verify/row_says_what_was_decided[{table}]"
    return ContractResult(id=name, clause="M1", verdict=Outcome.HELD, milliseconds=1, counts=counts)


def printed(*contracts):
    nothing = dict.fromkeys(("versions", "legacy", "consolidated", "quarantine"), MappingProxyType({}))
    texts = dict.fromkeys(("configuration", "mappings", "suite"), "")
    evidence = Evidence(
        made="2026-01-31T12:00:00Z",
        contracts=contracts,
        deselected=0,
        waivers=(),
        complaints=(),
        amendments=(),
        decisions="",
        **nothing,
        **texts,
    )
    text = io.StringIO()
    Console(file=text, width=400).print(verify_text(_verified(evidence, (), None, seconds=1.0)))
    return text.getvalue()


def test_the_verdict_names_the_tables_of_which_a_sample_was_worked_out():
    told = printed(worked_out("core.trades", 100_000, 250_000), worked_out("core.positions", 7, 7))

    assert told.startswith("GO: 2 contracts hold")
    assert "checked in a sample: computed values (100,000 of 250,000 core.trades)" in told
    assert "core.positions" not in told


def test_the_verdict_names_no_sample_where_each_row_was_worked_out():
    assert "sample" not in printed(worked_out("core.positions", 7, 7))
