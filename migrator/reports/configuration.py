"""Writes a commented configuration: what the data directory needs from its owners, with why and where to look.

Each decision is a comment until the owners remove the ``#``: a proposed value counts only if they chose it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping

from migrator.records.plan import AmendmentEffect
from migrator.records.proposal import MissingConstant, Needs, Proposal, UndecidedFile
from migrator.schema import specified
from migrator.system.escaping import escaped

#: Width of a comment [letters].
_WIDTH = 110
#: Constant -> an example that is refused as a value, why it is needed, and where to look.
_CONSTANTS: Mapping[str, tuple[str, str, str]] = {
    "wallet_address": (
        "...",
        "The address of the treasury's wallet. core.positions.wallet_address may not be NULL, and no legacy table holds it.",
        "The wallet that the bot trades with; its owner can run: solana address. Never write its secret key here.",
    ),
    "local_utc_offset": (
        "...",
        "The offset from UTC of the local times in cache.db, which were written without one.",
        "On the host where the bot ran, run: date +%:z. It is the offset of the time when the rows were written.",
    ),
}


def text(needs: Needs, quarantine: Mapping[str, int] | None, effects: Mapping[str, AmendmentEffect] | None) -> str:
    """Return the configuration that *needs* a person's decisions, in TOML, with a comment for each.

    Args:
        needs: What only the owners can say.
        quarantine: Target table -> rows that its constraints refuse; None if they could not be counted.
        effects: Amendment -> its effect on the quarantine; None likewise.
    """
    sections = (
        _comment(
            "The configuration of migrator for this folder, proposed by migrator init. A line that begins with # has no effect: fill in the "
            "value, and take the # away. migrator plan reads this file, and refuses what is still missing. All keys: "
            "docs/reference/configuration.md."
        ),
        _constants(needs.constants),
        _files(needs.files),
        _decisions(needs, quarantine, effects),
    )
    return "\n".join("\n".join(section) + "\n" for section in sections)


def _comment(sentence: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        " ".join(sentence.split()), _WIDTH, initial_indent=f"# {indent}", subsequent_indent=f"# {indent}", break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


def _constants(constants: tuple[MissingConstant, ...]) -> Iterator[str]:
    yield "[constants]"
    if not constants:
        yield from _comment("No row needs a constant.")
    for constant in constants:
        example, why, where = _CONSTANTS[constant.name]
        rows = f"{constant.rows:,} rows of {constant.source} need it."
        yield from _comment(f"{why} {rows if constant.rows else f'Rows that {constant.source} gets later need it.'}")
        yield from _comment(f"Where to look: {where}")
        yield f'# {constant.name} = "{example}"'


def _files(files: tuple[UndecidedFile, ...]) -> Iterator[str]:
    yield "[files]"
    if not files:
        yield from _comment("migrator knows every database file here.")
        return
    yield from _comment(
        "Each of these needs a fate. carry:core, carry:analytics, carry:cache: its tables are copied into that database. standalone: it "
        "stays a file of its own, with a copy in each snapshot. ignore: it stays, without a copy."
    )
    for file in files:
        many = f"files: {file.files:,}, " if file.files > 1 else ""
        counted = f" ({many}tables: {file.tables:,}, rows: {file.rows:,})" if file.usable else ""
        yield from _comment(f"{escaped(file.key)}{counted}: {escaped(file.why)}")
        fates = '"carry:analytics"   # or carry:core, carry:cache, standalone, ignore' if file.usable else '"ignore"'
        key = _key(file.key)
        if key:
            yield f"# {key} = {fates}"
        else:
            yield from _comment(
                "Its name is not UTF-8 and cannot be written here: rename it, or decide about its folder."
            )


def _key(name: str) -> str:
    """Return *name* as a quoted key of TOML; '' if TOML cannot hold it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return ""
    # JSON escapes as TOML does, but for DEL.
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def _decisions(
    needs: Needs, quarantine: Mapping[str, int] | None, effects: Mapping[str, AmendmentEffect] | None
) -> Iterator[str]:
    yield "[decisions]"
    if needs.absent:
        yield from _comment(
            "Tables that are missing from a file that is here. Accept that only if the bot never had them."
        )
        yield f"# absent = {json.dumps(needs.absent)}"
    if needs.left_behind:
        yield from _comment(
            "Virtual tables that cannot be copied. With this line they stay in the backup, with their rows."
        )
        yield f"# left_behind = {json.dumps(needs.left_behind, ensure_ascii=False)}"
    if orders := (quarantine or {}).get("core.treasury_orders"):
        yield from _comment(
            f"Of the orders {orders:,} are refused. With this line an order without an amount in SOL has that of its position."
        )
        yield '# order_amount_sol = "position"'
    yield from _amendments(effects)
    yield from _comment("Indexes beyond the specification, for the bot's queries: docs/reference/findings.md.")
    yield '# extra_indexes = "recommended"'
    if quarantine is None:
        yield from _comment("Rows that the specification refuses: migrator plan counts them when the above is decided.")
    else:
        rows = sum(quarantine.values())
        of = ", ".join(f"{table} {count:,}" for table, count in sorted(quarantine.items()))
        yield from _comment(
            f"Rows that the specification refuses, as the files are now: {rows:,}{f' ({of})' if of else ''}. cutover refuses until "
            "you accept them: docs/how-to/decide-on-quarantined-rows.md."
        )
    yield from _comment(
        "true when the bot's code does without the tables that migrator.connect cannot serve under their legacy names; cutover lists "
        "them, and asks for this only if there are any."
    )
    yield "# code_is_ready = false"


def _amendments(effects: Mapping[str, AmendmentEffect] | None) -> Iterator[str]:
    """Yield the amendments of the specification, those that let most rows in first."""
    helpful = sorted(
        (name for name, effect in (effects or {}).items() if effect.rows_with < effect.rows_without),
        key=lambda name: (effects or {})[name].rows_with,
    )
    yield from _comment(
        "Opt-in changes of the specification, with what they cost: docs/how-to/amend-the-specification.md."
    )
    for name in helpful:
        effect = (effects or {})[name]
        yield from _comment(
            f"{name}: {effect.rows_with:,} rows refused instead of {effect.rows_without:,}. {specified.amendments()[name].changes}",
            "  ",
        )
    if effects is not None and not helpful:
        yield from _comment("None would let in a row that is refused now.", "  ")
    yield f"# amendments = {json.dumps(helpful)}"


def summary(proposal: Proposal) -> str:
    """Return what was written, what is to be filled in, and the next step."""
    needs = proposal.needs
    lines = [f"{'wrote' if proposal.written else 'not written:'} {escaped(proposal.path)}"]
    lines += [
        f"to fill in: constants.{constant.name}, for {constant.rows:,} rows of {constant.source}"
        for constant in needs.constants
        if constant.rows
    ]
    lines += [
        f"to fill in before a cutover: constants.{constant.name}, for rows that {constant.source} gets later"
        for constant in needs.constants
        if not constant.rows
    ]
    if needs.files:
        lines.append(f"to decide: {len(needs.files):,} fates under [files]")
    if tables := needs.absent + needs.left_behind:
        lines.append(f"to decide: {', '.join(map(escaped, tables))} under [decisions]")
    if proposal.quarantine is not None:
        lines.append(f"rows that the specification refuses now: {sum(proposal.quarantine.values()):,}")
    lines += [
        f"the amendment {name} would make that {effect.rows_with:,}"
        for name, effect in (proposal.amendment_effects or {}).items()
        if effect.rows_with < effect.rows_without
    ]
    lines += [f"no line of the configuration resolves: {escaped(refusal)}" for refusal in proposal.refusals]
    lines.append("next: edit the file, then: migrator plan")
    return "\n".join(lines)
