"""Shows the results of a run: in the terminal, and as docs/reference/sabotage.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from contracts.mutants.record import OTHERS
from contracts.mutants.recorded import Kind, Need, Sabotaged

#: The page of the documentation.
PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "sabotage.md"
#: Contracts that the page names for a kind [contracts]; the others are counted.
_NAMED = 4


def terminal(sabotaged: Sabotaged) -> str:
    """Return the results in a few lines."""
    lines = [f"survived: {name}" for name in sabotaged.survivors]
    lines += [f"no fault makes {need.contract} needed ({_most(need)})" for need in sabotaged.needs if unneeded(need)]
    lines.append(f"{_sentence(sabotaged)} It took {sabotaged.seconds:,} s of all processes.")
    return "\n".join(lines)


def unneeded(need: Need) -> bool:
    """Return whether others catch the same faults, without a reason why it stays."""
    return not need.stays and (not need.caught or need.others > OTHERS)


def _most(need: Need) -> str:
    return f"{need.others} others catch {need.fault}" if need.caught else "it catches nothing"


def _sentence(sabotaged: Sabotaged) -> str:
    return (
        f"{sabotaged.caught:,} of {sabotaged.faults:,} faults are caught: {sabotaged.score}."
        f" {sabotaged.planted:,} mutants of {len(sabotaged.kinds):,} kinds were planted; {len(sabotaged.same):,} of them make no difference,"
        f" {sabotaged.planted - sabotaged.faults - len(sabotaged.same):,} are not faults."
    )


def markdown(sabotaged: Sabotaged) -> str:
    """Return the page."""
    return "\n".join(_page(sabotaged)) + "\n"


def write(sabotaged: Sabotaged) -> None:
    """Write the page."""
    PAGE.write_text(markdown(sabotaged), encoding="utf-8")


def _page(sabotaged: Sabotaged) -> Iterator[str]:
    yield "# What the contracts catch"
    yield ""
    yield f"Made by `{sabotaged.command}`, which ended {sabotaged.made}, with"
    yield f"{', '.join(f'{name} {number}' for name, number in sorted(sabotaged.versions.items()))}; a test keeps its list of kinds current."
    yield ""
    yield _sentence(sabotaged)
    if "--most 0" not in sabotaged.command:
        yield "**This is a random part**: first one of every kind, then others at random. Without `--most` there is one of each kind in"
        yield "each table, and `tox -e sabotage` runs those."
    yield f"The whole suite judged each of them; that took {sabotaged.seconds:,} s in all processes together."
    yield ""
    yield from _how()
    for family in dict.fromkeys(kind.family for kind in sabotaged.kinds):
        yield from _family(family, [kind for kind in sabotaged.kinds if kind.family == family])
    yield from _left(sabotaged)
    yield from _needs(sabotaged)


def _how() -> Iterator[str]:
    yield "## How"
    yield ""
    yield "A mutant is one fault of one kind in one place. It is planted in a copy, and the whole suite judges the copy as it"
    yield "judges any set. A mutant is caught if a contract is broken; `can_fail` does not count."
    yield "Contracts that do not read the set, such as the monitor's, are left out: no fault in a set can break them."
    yield ""
    yield "- **declarations**: every table, constraint, default, index and full-text option of the specified DDL, removed, added"
    yield "  or replaced, also of amendments, carried tables and lineage. The set is made again with the changed statement and keeps its rows"
    yield "  if they still fit. Three of four are planted in a set without rows and without a legacy set, because rows do not matter"
    yield "  for a declaration; the others are distributed over four specimens."
    yield "- **rows**: cells, rows, links, lineage, quarantine, decisions, carried tables, sequences, the full-text index; planted in dirty"
    yield "  and clean specimens of both variants, and in one with decisions about rows."
    yield "- **files**: faults of a bad copy or a bad disk."
    yield "- **mappings**: the SELECTs of the mappings and lookups, changed through sqlglot, one file at a time, through checks, plan and"
    yield "  build, with the first specimen whose result the change affects. A mutant that migrator refuses is caught by that"
    yield "  stage; `the proof` is the build's own check that every legacy row is rebuilt."
    yield "- **by hand**: the faults in `contracts/mutants/by_hand`: of declarations, of rows, and in sets with amendments or decisions about rows."
    yield ""
    yield "`--each 0` plants all mutants, `--out DIR` continues an interrupted run, and `python -m"
    yield "contracts.mutants.clean 100` does the reverse: it makes sets without a fault, in which nothing may be caught."
    yield ""


def _family(family: str, kinds: list[Kind]) -> Iterator[str]:
    yield f"## {family.capitalize()}"
    yield ""
    yield "| kind | planted | caught | stopped by migrator | no difference | not a fault | survived | by |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|"
    for kind in kinds:
        numbers = (kind.planted, kind.caught, kind.stopped, kind.same, kind.equivalent, kind.survived)
        yield f"| {kind.kind} | {' | '.join(f'{number:,}' if number else '' for number in numbers)} | {_by(kind)} |"
    yield ""


def _by(kind: Kind) -> str:
    most_first = sorted(kind.by.items(), key=lambda entry: (-entry[1], entry[0]))
    named = [f"{name} {count:,}" for name, count in most_first[:_NAMED]]
    more = len(kind.by) - _NAMED
    return ", ".join([*named, *([f"{more} more"] if more > 0 else [])])


def _left(sabotaged: Sabotaged) -> Iterator[str]:
    yield "## Faults that were not caught"
    yield ""
    if sabotaged.survivors:
        yield from (f"- {name}" for name in sabotaged.survivors)
    else:
        yield "None."
    yield ""
    yield "## Mutants that are not faults"
    yield ""
    yield from (
        (f"- {count:,}: {why}" for why, count in sabotaged.equivalents.items()) if sabotaged.equivalents else ["None."]
    )
    yield ""
    yield "## Mutants that make no difference"
    yield ""
    yield "Each of the five specimens migrates to the same three databases as without the change, so there is nothing"
    yield "to catch. Some changes have the same meaning; for others the specimens lack a row that would show the difference."
    yield ""
    yield from (f"- {name}" for name in sabotaged.same)
    yield ""


def _needs(sabotaged: Sabotaged) -> Iterator[str]:
    yield "## Why each contract is needed"
    yield ""
    yield f"The fault that the fewest others catch; if more than {OTHERS} others catch it, the reason why the contract stays."
    yield ""
    yield "| contract | caught | others | the fault, or why the contract stays |"
    yield "|---|--:|--:|---|"
    for need in sabotaged.needs:
        yield f"| {need.contract} | {need.caught:,} | {need.others if need.caught else ''} | {need.stays or need.fault} |"
