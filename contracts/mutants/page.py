"""Shows what a run found: in the terminal, and as docs/reference/sabotage.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from contracts.mutants.record import OTHERS
from contracts.mutants.recorded import Kind, Need, Sabotaged

#: The page of the documentation.
PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "sabotage.md"
#: Contracts that are named for a kind; the others are counted.
_NAMED = 4


def terminal(found: Sabotaged) -> str:
    """Return the outcome in a few lines."""
    lines = [f"survived: {name}" for name in found.survivors]
    lines += [f"no fault makes {need.contract} needed ({_most(need)})" for need in found.needs if unneeded(need)]
    lines.append(f"{_sentence(found)} It took {found.seconds:,} s of all processes.")
    return "\n".join(lines)


def unneeded(need: Need) -> bool:
    """Tell whether others catch all that a contract does, and nobody has said why it stays."""
    return not need.stays and (not need.caught or need.others > OTHERS)


def _most(need: Need) -> str:
    return f"{need.others} others catch {need.fault}" if need.caught else "it catches nothing"


def _sentence(found: Sabotaged) -> str:
    return (
        f"{found.caught:,} of {found.faults:,} faults are caught: {found.score}."
        f" {found.planted:,} mutants of {len(found.kinds):,} kinds were planted; {len(found.same):,} of them make no difference,"
        f" {found.planted - found.faults - len(found.same):,} are no faults."
    )


def markdown(found: Sabotaged) -> str:
    """Return the page."""
    return "\n".join(_page(found)) + "\n"


def write(found: Sabotaged) -> None:
    """Write the page."""
    PAGE.write_text(markdown(found), encoding="utf-8")


def _page(found: Sabotaged) -> Iterator[str]:
    yield "# What the contracts catch"
    yield ""
    yield f"Made by `{found.command}`, which ended {found.made}, with"
    yield f"{', '.join(f'{name} {number}' for name, number in sorted(found.versions.items()))}; a test keeps its list of kinds current."
    yield ""
    yield _sentence(found)
    if "--most 0" not in found.command:
        yield "**It is a drawn part**: one of every kind first, then others by chance. Without `--most` there is one of each kind in"
        yield "each table that has what it spoils, and `tox -e sabotage` runs that."
    yield f"Each was judged by the whole suite, one at a time; that took {found.seconds:,} s, added up over all processes."
    yield ""
    yield from _how()
    for family in dict.fromkeys(kind.family for kind in found.kinds):
        yield from _family(family, [kind for kind in found.kinds if kind.family == family])
    yield from _left(found)
    yield from _needs(found)


def _how() -> Iterator[str]:
    yield "## How"
    yield ""
    yield "A mutant is one fault of one kind in one place. It is planted in a copy, and the whole suite judges the copy as it"
    yield "judges any set: caught is a mutant for which a contract is broken, by the claim itself and not by a `can_fail`."
    yield "Contracts that ask nothing of the set, such as how the monitor counts, are left out: no fault in a set can break them."
    yield ""
    yield "- **declarations**: every table, constraint, default, index and full-text option of the specified DDL, taken away, added"
    yield "  or replaced, also of carried tables and of lineage; the set is made anew around the changed statement and takes over all"
    yield "  rows where they still fit. Three of four are planted in a set without rows and without a legacy set, since the rows say"
    yield "  nothing of a declaration; the others are dealt out over four specimens."
    yield "- **rows**: cells, rows, links, lineage, quarantine, carried tables, sequences, the full-text index; planted in dirty and"
    yield "  clean specimens of both variants."
    yield "- **files**: what a bad copy or a bad disk does."
    yield "- **mappings**: the SELECTs of the mappings and lookups, changed through sqlglot, one file at a time, through checks, plan and"
    yield "  build; of the specimens the first that the change makes a difference to. What the tool itself refuses is caught by that"
    yield "  door; `the proof` is the build's own: a legacy row that is not rebuilt."
    yield "- **by hand**: the faults in `contracts/mutants/by_hand/declared.py` and `contracts/mutants/by_hand/rows.py`."
    yield ""
    yield "`--each 0` plants every mutant there is, `--out DIR` goes on with a run that was cut short, and `python -m"
    yield "contracts.mutants.clean 100` asks the reverse: sets without a fault, in which nothing may be caught."
    yield ""


def _family(family: str, kinds: list[Kind]) -> Iterator[str]:
    yield f"## {family.capitalize()}"
    yield ""
    yield "| kind | planted | caught | stopped by the tool | no difference | no fault | survived | by |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|"
    for kind in kinds:
        numbers = (kind.planted, kind.caught, kind.stopped, kind.same, kind.equivalent, kind.survived)
        yield f"| {kind.kind} | {' | '.join(f'{number:,}' if number else '' for number in numbers)} | {_by(kind)} |"
    yield ""


def _by(kind: Kind) -> str:
    most_first = sorted(kind.by.items(), key=lambda one: (-one[1], one[0]))
    named = [f"{name} {count:,}" for name, count in most_first[:_NAMED]]
    more = len(kind.by) - _NAMED
    return ", ".join([*named, *([f"{more} more"] if more > 0 else [])])


def _left(found: Sabotaged) -> Iterator[str]:
    yield "## What nobody caught"
    yield ""
    if found.survivors:
        yield from (f"- {name}" for name in found.survivors)
    else:
        yield "Nothing that is a fault."
    yield ""
    yield "## What is no fault"
    yield ""
    yield from (
        (f"- {count:,}: {why}" for why, count in found.equivalents.items()) if found.equivalents else ["Nothing."]
    )
    yield ""
    yield "## What makes no difference"
    yield ""
    yield "The same three databases come of it, whichever of the five specimens is migrated: the set is right, and there is nothing"
    yield "to catch in it. Some are equal by what they say; for the others the specimens lack the row that would tell."
    yield ""
    yield from (f"- {name}" for name in found.same)
    yield ""


def _needs(found: Sabotaged) -> Iterator[str]:
    yield "## Why each contract is needed"
    yield ""
    yield f"The fault that the fewest others catch; where that are more than {OTHERS}, why the contract stays."
    yield ""
    yield "| contract | caught | others | the fault, or why it stays |"
    yield "|---|--:|--:|---|"
    for need in found.needs:
        yield f"| {need.contract} | {need.caught:,} | {need.others if need.caught else ''} | {need.stays or need.fault} |"
