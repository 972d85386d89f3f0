"""The configuration that the owners write: constants, fates of files, decisions."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from migrator.config import extra_indexes as config_extra_indexes
from migrator.config import row_decisions, values
from migrator.config import waivers as config_waivers
from migrator.config.extra_indexes import ExtraIndex
from migrator.config.waivers import Waiver
from migrator.errors import UsageError
from migrator.records import decisions as records_decisions
from migrator.records.decisions import Decisions
from migrator.records.inventory import Database
from migrator.schema import catalogue, specified
from migrator.schema.specified import AS_WRITTEN, Specification
from migrator.system import paths, user_files

#: Time limit of a hook [s], unless the configuration sets one.
HOOK_TIMEOUT_S = 300

#: Constant -> its check, and what to do if it fails.
_CONSTANTS: Mapping[str, tuple[Callable[[str], str], str]] = {
    "wallet_address": (
        values.of_address,
        "copy the address of the wallet that the bot trades with; its owner can run: solana address",
    ),
    "local_utc_offset": (values.of_offset, "on the host that wrote cache.db run: date +%:z"),
}
#: Keys of earlier versions -> why they are refused, and what to do instead.
_RETIRED = {
    "decisions.accept_quarantine": (
        "quarantined rows are accepted by their content, not by their number",
        "delete the line, then run: migrator quarantine accept",
    )
}
_FATE = re.compile(r"carry:(core|analytics|cache)|standalone|ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The decisions of the owners.

    Attributes:
        constants: ``wallet_address`` and ``local_utc_offset`` (``-06:00``); each is demanded only when a row needs it.
        files: Path in a snapshot, of a file or of a folder for all files in it -> fate: ``carry:core``, ``carry:analytics``,
            ``carry:cache``, ``standalone`` or ``ignore``.
        order_amount_sol: ``position`` to take an order's amount in SOL from its position; '' to quarantine it.
        absent: Tables that may be missing from a file that is there.
        left_behind: Virtual tables that stay in the backup, with the rows that they keep.
        specification: The specification with the amendments that the owners chose.
        extra_indexes: Indexes beyond the specification, which the owners order.
        rows: What the owners decided about quarantined rows.
        code_is_ready: Whether the application's code does without the tables that cannot be served under their legacy names.
        file_mode: Upper limit of the permissions of the three, such as 0o640; None to follow the sources.
        waivers: Contracts that may be broken for a while.
        hooks: The folder of the hooks; None for none.
        hooks_timeout_s: Time limit of a hook.
    """

    constants: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    order_amount_sol: str = ""
    absent: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()
    specification: Specification = AS_WRITTEN
    extra_indexes: tuple[ExtraIndex, ...] = ()
    rows: Decisions = records_decisions.NONE
    code_is_ready: bool = False
    file_mode: int | None = None
    waivers: tuple[Waiver, ...] = ()
    hooks: Path | None = None
    hooks_timeout_s: int = HOOK_TIMEOUT_S

    def digest(self) -> str:
        """Return the SHA-256, in hex, of every decision that a verdict depends on.

        Decisions that only cutover reads are left out: to declare the code ready must not make the evidence stale.
        """
        decided = {
            "constants": dict(self.constants),
            "files": dict(self.files),
            "order_amount_sol": self.order_amount_sol,
            "absent": self.absent,
            "left_behind": self.left_behind,
            "amendments": self.specification.amendments,
            "extra_indexes": [index.statement for index in self.extra_indexes],
            "rows": self.rows.digest(),
            "waivers": [
                [waiver.name, waiver.reason, waiver.owner, waiver.expires.isoformat()] for waiver in self.waivers
            ],
        }
        return hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()

    def fate(self, database: Database) -> str:
        """Return what the owners decided about the file of *database*, '' for nothing."""
        return fate_at(self.files, database.path_in_snapshot)


def fate_at(files: Mapping[str, str], path: PurePosixPath) -> str:
    """Return the fate that *files* gives *path*, else that of the nearest folder above it; '' for none."""
    fates = {PurePosixPath(name): fate for name, fate in files.items()}
    return next((fates[above] for above in (path, *folders(path)) if above in fates), "")


def folders(path: PurePosixPath) -> tuple[PurePosixPath, ...]:
    """Return the folders below the data directory that hold the file *path*, the nearest first."""
    return tuple(path.parents)[:-1]


def beside(legacy: Path) -> Path | None:
    """Return the path of the configuration of *legacy*, a data directory or a snapshot of one; None without one."""
    # A snapshot lies in backup/<run> of its data directory.
    whole = paths.resolved(legacy)
    homes = (whole, whole.parent.parent) if whole.parent.name == "backup" else (whole,)
    # load() reports one that cannot be read.
    return next((path for home in homes if os.path.lexists(path := home / "migrator.toml")), None)


def load(path: Path | None) -> Config:
    """Return the configuration at *path*, or the default where it is None.

    Raises:
        UsageError: It cannot be read, or holds an unknown key or an invalid value.
    """
    return Config() if path is None else read(user_files.text(path), path)


def read(text: str, path: Path) -> Config:
    """Return the configuration in *text*, of the file at *path*.

    Raises:
        UsageError: It is no TOML, or holds an unknown key or an invalid value.
    """
    try:
        written = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Numbers with thousands of digits and deep nesting raise other errors than the parser's own.
        raise UsageError(f"cannot be read ({error})", where=path, hint="correct the configuration there") from error
    sections = _taken(
        written, {"constants": dict, "files": dict, "decisions": dict, "waivers": list, "hooks": dict}, "", path
    )
    constants = _taken(
        sections.get("constants", {}), {"wallet_address": str, "local_utc_offset": str}, "constants.", path
    )
    decisions = _taken(
        _listed(sections.get("decisions", {})),
        {
            "order_amount_sol": str,
            "absent": list,
            "left_behind": list,
            "amendments": list,
            "extra_indexes": list,
            "code_is_ready": bool,
            "file_mode": str,
            "rows": list,
            "vocabulary": dict,
        },
        "decisions.",
        path,
    )
    hooks = _taken(sections.get("hooks", {}), {"folder": str, "timeout": int}, "hooks.", path)
    fates = _fates(sections.get("files", {}), path)
    for name, (check, hint) in _CONSTANTS.items():
        if name in constants and (wrong := check(constants[name])):
            raise UsageError(f"constants.{name} {wrong}", where=path, hint=hint)
    if hooks.get("timeout", HOOK_TIMEOUT_S) < 1:
        raise UsageError("hooks.timeout must be a number of seconds, 1 at least", where=path)
    if decisions.get("order_amount_sol", "position") != "position":
        raise UsageError("decisions.order_amount_sol must be 'position', or be left out", where=path)
    specification = _specification(_texts(decisions.get("amendments", []), "decisions.amendments", path), path)
    return Config(
        constants=MappingProxyType(constants),
        files=MappingProxyType(fates),
        order_amount_sol=decisions.get("order_amount_sol", ""),
        absent=_tables(decisions, "absent", path, _known_tables),
        left_behind=_tables(decisions, "left_behind", path),
        specification=specification,
        extra_indexes=config_extra_indexes.read(
            _texts(decisions.get("extra_indexes", []), "decisions.extra_indexes", path), specification, path
        ),
        rows=row_decisions.read(decisions.get("rows", []), decisions.get("vocabulary", {}), path),
        code_is_ready=decisions.get("code_is_ready", False),
        file_mode=_mode(decisions["file_mode"], path) if "file_mode" in decisions else None,
        waivers=config_waivers.taken(sections.get("waivers", []), path),
        hooks=paths.resolved(path.parent) / hooks["folder"] if "folder" in hooks else None,
        hooks_timeout_s=hooks.get("timeout", HOOK_TIMEOUT_S),
    )


def _fates(fates: dict[str, Any], path: Path) -> dict[str, str]:
    """Return the section [files]: a path below the data directory -> a fate.

    Raises:
        UsageError: A path or a fate is invalid; *path* is the configuration.
    """
    for name, fate in fates.items():
        if not isinstance(fate, str) or not _FATE.fullmatch(fate):
            raise UsageError(
                f"[files] {name!r}: unknown fate {fate!r}", where=path, hint="write carry:core, carry:analytics, "
                "carry:cache, standalone or ignore",
            )  # fmt: skip
        if wrong := values.of_place(name):
            raise UsageError(f"[files] {name!r} {wrong}", where=path)
    return fates


def _specification(names: tuple[str, ...], path: Path) -> Specification:
    """Return the specification with the amendments *names*.

    Raises:
        UsageError: There is no such amendment; *path* is the configuration.
    """
    try:
        return specified.chosen(names)
    except UsageError as error:
        raise UsageError(f"decisions.amendments: {error.what}", where=path, hint=error.hint) from error


def _listed(decisions: dict[str, Any]) -> dict[str, Any]:
    """Return *decisions* with ``extra_indexes`` as a list: one word may be written without."""
    word = decisions.get("extra_indexes")
    return decisions | {"extra_indexes": [word]} if isinstance(word, str) else decisions


def _taken(written: Mapping[str, Any], known: Mapping[str, type], prefix: str, path: Path) -> dict[str, Any]:
    for name, value in written.items():
        if f"{prefix}{name}" in _RETIRED:
            what, hint = _RETIRED[f"{prefix}{name}"]
            raise UsageError(f"{prefix}{name}: {what}", where=path, hint=hint)
        if name not in known:
            near = values.near(name, known).removeprefix("; ")
            hint = near or f"known keys: {', '.join(known)}"
            raise UsageError(f"unknown key {prefix}{name}", where=path, hint=hint)
        # Not isinstance: a bool is an int in Python.
        if type(value) is not known[name]:
            raise UsageError(f"{prefix}{name} has to be of type {known[name].__name__}", where=path)
    return dict(written)


def _mode(written: str, path: Path) -> int:
    if not re.fullmatch("0?6[0246][0246]", written):
        raise UsageError(f'decisions.file_mode is {written!r}; write a mode such as "0660"', where=path)
    return int(written, 8)


def _texts(written: list[Any], name: str, path: Path) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in written):
        raise UsageError(f"{name} has to be a list of texts", where=path)
    return tuple(written)


def _tables(
    decisions: Mapping[str, Any], key: str, path: Path, known: Callable[[], Iterable[str]] = tuple
) -> tuple[str, ...]:
    named = _texts(decisions.get(key, []), f"decisions.{key}", path)
    tables = tuple(known()) if named else ()
    for name in named:
        if wrong := values.of_table(name, tables):
            raise UsageError(f"decisions.{key}: {wrong}", where=path)
    return named


def _known_tables() -> Iterator[str]:
    """Yield each table of the known shapes of a legacy database: ``jarvis.trades``."""
    for database in catalogue.legacy_databases():
        for shape in database.shapes:
            yield f"{database.name}.{shape.table}"
