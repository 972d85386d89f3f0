"""Says what to do after a verdict: commands in their order, with the options of the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migrator.records.quarantine import Quarantine
from migrator.reports.consequences import Consequence
from migrator.system.shell import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The run that a report is about.

    Attributes:
        options: Options of its commands: ``--data-dir /srv/bot/data``.
        outside: Options that name the files of a cutover outside of the data directory, which monitor and rollback need:
            ``--env-file /srv/bot/.env``.
        snapshot: Path of the snapshot that was judged.
        accepted: Whether the owners accept the quarantined rows as they are.
        cut_over: Whether its consolidated set is in use.
    """

    options: str
    outside: tuple[str, ...] = ()
    snapshot: str
    accepted: bool = False
    cut_over: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        what: What it does, in a sentence.
        command: The command, for a shell; '' if it is done by hand.
    """

    what: str
    command: str = ""


def steps(
    verdict: str, run: Run | None, *, rows: int, quarantine: Quarantine | None, broken: Sequence[Consequence]
) -> Iterator[Step]:
    """Yield what to do after *verdict*, in order.

    Args:
        verdict: ``GO``, ``NO-GO`` or ``STALE``.
        run: The run; None for any pair of sets, which another tool may have made.
        rows: Rows in quarantine that the owners have not decided to leave there.
        quarantine: Them by cause, if they were read.
        broken: What the broken contracts mean.
    """
    if verdict == "NO-GO":
        yield from _after_no_go(run, broken)
    elif run is None:
        yield Step("Check before each use that the evidence still fits the files.", "migrator status --evidence evidence.json --legacy LEGACY_DIR --consolidated CONSOLIDATED_DIR")  # fmt: skip
    elif verdict == "STALE":
        yield Step("Migrate the files as they are now, and judge the result.", f"migrator migrate {run.options}")
        yield Step("Read the new report.", f"migrator report {run.options}")
    elif run.cut_over:
        yield Step("See the set in use and the next step.", f"migrator status {run.options}")
        yield Step(
            "Watch the bot; go back if more than 5 % of its statements fail.",
            " ".join((f"migrator monitor {run.options}", *run.outside)),
        )
    else:
        yield from _before_a_cutover(run, rows, quarantine)


def _before_a_cutover(run: Run, rows: int, quarantine: Quarantine | None) -> Iterator[Step]:
    if rows and not run.accepted:
        first = "; those with money at stake come first" if quarantine is not None and quarantine.at_stake else ""
        yield Step(
            f"Read why {'the row is' if rows == 1 else f'each of the {rows:,} rows is'} in quarantine{first}.",
            f"migrator quarantine list {run.options}",
        )
        keys = [(group.source, key) for group in quarantine.groups for key in group.keys[:1]] if quarantine else []
        for source, key in keys[:1]:
            yield Step(
                "Read what would let one of them in.",
                f"migrator quarantine explain {quoted(f'{source}:{key}')} {run.options}",
            )
        yield Step("Correct rows in the legacy files, or decide on them in migrator.toml, and migrate again.")
        yield Step(
            "Accept the rows that may stay out; those with money at stake each by its key.",
            f"migrator quarantine accept {run.options}",
        )
    yield Step("See what the switch would do; nothing is changed.", f"migrator cutover {run.options}")
    yield Step("Stop the bot, then switch.", f"migrator cutover {run.options} --execute")
    yield Step("Start the bot and watch it.", f"migrator monitor {run.options}")


def _after_no_go(run: Run | None, broken: Sequence[Consequence]) -> Iterator[Step]:
    if run is not None and run.cut_over:
        yield Step(
            "See what going back to the legacy files would do, with the rows written since.",
            " ".join((f"migrator rollback {run.options}", *run.outside)),
        )
        return
    if not broken:
        # Such as a waiver that has expired.
        yield Step(
            "Resolve what is named at the top, and judge the set again.",
            f"migrator verify {run.options}" if run else "",
        )
        return
    if run is not None:
        yield Step(
            "Build the set again from the files as they are now, and judge it. Nothing was switched: the bot uses its"
            " legacy files.",
            f"migrator migrate {run.options}",
        )
    else:
        yield Step("Correct the tool that made the set, make the set again and judge it.")
    in_rows = next((one.broken[0].name for one in broken if one.in_rows), "")
    if in_rows:
        legacy = quoted(run.snapshot) if run is not None else "LEGACY_DIR --consolidated-dir CONSOLIDATED_DIR"
        yield Step(
            "If it is broken again: find the fewest rows that show the fault, as a test without your values.",
            f"python -m contracts.smallest {quoted(in_rows)} --legacy-dir {legacy} --output test_fault.py",
        )
    yield Step("If a broken contract may stay broken for a while, waive it in migrator.toml: [[waivers]], with a date.")
